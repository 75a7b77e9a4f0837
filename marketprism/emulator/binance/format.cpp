#include "marketprism/emulator/binance/format.hpp"

#include <algorithm>
#include <cctype>

#include "marketprism/emulator/append.hpp"
#include "marketprism/emulator/binance/instruments.hpp"
#include "marketprism/emulator/binance/rows.hpp"

namespace marketprism::emulator::binance {
namespace {

using market::Side;
using Kind = StreamSpec::Kind;
enum Topic : int { none, mark_price, index_price };

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::int64_t milliseconds(UnixTime time) { return ns_since_epoch(time) / 1'000'000; }

class BinanceFormat final : public FrameFormat {
 public:
  explicit BinanceFormat(const Row& row) : row_(row) {}

  std::optional<StreamSpec> parse(std::string_view name, const SyntheticMarket& market) const override;
  void write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state, const TradePart& part,
                    UnixTime time) const override;
  void write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state, const BookPart& part,
                  UnixTime time) const override;
  void write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                   UnixTime time) const override;
  std::optional<RestAnswer> rest(const RestQuery& query, const SyntheticMarket& market, Moment moment) const override;

 private:
  bool parse_kind(std::string_view kind, StreamSpec& spec) const;
  std::optional<std::size_t> find(std::string_view symbol, const SyntheticMarket& market) const;
  void price(std::string& out, const InstrumentState& state, std::int64_t ticks) const {
    append_padded(out, state.instrument.price_units(ticks), state.instrument.price_decimals, row_.decimals_shown);
  }
  void amount(std::string& out, const InstrumentState& state, std::int64_t lots) const {
    append_padded(out, state.instrument.amount_units(lots), state.instrument.amount_decimals, row_.decimals_shown);
  }
  void levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list) const;
  void side(std::string& out, const InstrumentState& state, Side side, std::size_t count) const;
  void write_liquidation(std::string& out, const InstrumentState& state, const TradePart& part, UnixTime time) const;
  void write_bbo(std::string& out, const InstrumentState& state, UnixTime time) const;
  void write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state, UnixTime time) const;
  void write_mark_price(std::string& out, const InstrumentState& state, UnixTime time) const;
  RestAnswer depth(const InstrumentState& state, const RestQuery& query, Moment moment) const;

  const Row& row_;
};

std::optional<std::size_t> BinanceFormat::find(std::string_view symbol, const SyntheticMarket& market) const {
  for (std::size_t i = 0; i < market.size(); ++i) {
    if (market.at(i).instrument.symbol == symbol) return i;
  }
  return std::nullopt;
}

std::optional<StreamSpec> BinanceFormat::parse(std::string_view name, const SyntheticMarket& market) const {
  const std::size_t at = name.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view kind = name.substr(at);
  StreamSpec spec;
  if (!parse_kind(kind, spec)) return std::nullopt;
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    const std::string& subject = spec.topic == index_price ? instrument.index : instrument.symbol;
    if (lower(subject) != name.substr(0, at)) continue;
    spec.instrument = i;
    return spec;
  }
  return std::nullopt;
}

bool BinanceFormat::parse_kind(std::string_view kind, StreamSpec& spec) const {
  using std::chrono::milliseconds;
  const auto is = [&](Kind what, Nanoseconds period = Nanoseconds(0), int topic = none) {
    spec.kind = what;
    spec.period = period;
    spec.topic = topic;
    return true;
  };
  if (kind == "@trade") return is(Kind::trade);
  if (kind == "@aggTrade") {
    spec.grouping = StreamSpec::Grouping::each_price;
    return is(Kind::trade);
  }
  if (kind == "@bookTicker") return is(Kind::bbo);
  if (kind == "@depth") return is(Kind::book, row_.is_futures ? milliseconds(250) : milliseconds(1000));
  if (kind == "@depth@100ms") return is(Kind::book, milliseconds(100));
  if (kind.starts_with("@kline_")) {
    const auto interval = std::ranges::find(candle_intervals, kind.substr(7), &CandleInterval::name);
    if (interval == candle_intervals.end()) return false;
    spec.interval = static_cast<std::size_t>(interval - candle_intervals.begin());
    return is(Kind::candle, row_.is_futures ? milliseconds(250) : milliseconds(2000));
  }
  if (!row_.is_futures) return false;
  if (kind == "@depth@0ms") return is(Kind::book);
  if (kind == "@depth@500ms") return is(Kind::book, milliseconds(500));
  if (kind == "@forceOrder") return is(Kind::liquidation);
  if (kind == "@markPrice") return is(Kind::state, milliseconds(3000), mark_price);
  if (kind == "@markPrice@1s") return is(Kind::state, milliseconds(1000), mark_price);
  if (!row_.is_coin_margined) return false;
  if (kind == "@indexPrice") return is(Kind::state, milliseconds(3000), index_price);
  if (kind == "@indexPrice@1s") return is(Kind::state, milliseconds(1000), index_price);
  return false;
}

void BinanceFormat::write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                                 const TradePart& part, UnixTime time) const {
  append(out, R"({"stream":")", spec.name, R"(","data":)");
  if (spec.kind == Kind::liquidation) {
    write_liquidation(out, state, part, time);
    out += '}';
    return;
  }
  const bool is_aggregate = spec.grouping == StreamSpec::Grouping::each_price;
  std::int64_t lots = 0;
  for (const Fill& fill : part.fills) lots += fill.amount;
  append(out, R"({"e":")", is_aggregate ? "aggTrade" : "trade", R"(","E":)", milliseconds(time), R"(,"s":")",
         state.instrument.symbol, '"');
  if (is_aggregate) {
    append(out, R"(,"a":)", part.aggregate_id);
  } else {
    append(out, R"(,"t":)", part.fills.front().trade_id);
  }
  append(out, R"(,"p":")");
  price(out, state, part.fills.front().price);
  append(out, R"(","q":")");
  amount(out, state, lots);
  out += '"';
  if (is_aggregate) {
    append(out, R"(,"f":)", part.fills.front().trade_id, R"(,"l":)", part.fills.back().trade_id);
  }
  append(out, R"(,"T":)", milliseconds(time));
  if (row_.is_futures && !is_aggregate) append(out, R"(,"X":"MARKET")");
  append(out, R"(,"m":)", part.taker == Side::sell ? "true" : "false");
  if (!row_.is_futures) append(out, R"(,"M":true)");
  append(out, "}}");
}

void BinanceFormat::write_liquidation(std::string& out, const InstrumentState& state, const TradePart& part,
                                      UnixTime time) const {
  std::int64_t lots = 0;
  for (const Fill& fill : part.fills) lots += fill.amount;
  append(out, R"({"e":"forceOrder","E":)", milliseconds(time), R"(,"o":{"s":")", state.instrument.symbol, '"');
  if (row_.is_coin_margined) append(out, R"(,"ps":")", state.instrument.index, '"');
  append(out, R"(,"S":")", part.taker == Side::buy ? "BUY" : "SELL", R"(","o":"LIMIT","f":"IOC","q":")");
  amount(out, state, lots);
  append(out, R"(","p":")");
  price(out, state, part.fills.back().price);
  append(out, R"(","ap":")");
  price(out, state, part.fills.front().price);
  append(out, R"(","X":"FILLED","l":")");
  amount(out, state, part.fills.back().amount);
  append(out, R"(","z":")");
  amount(out, state, lots);
  append(out, R"(","T":)", milliseconds(time), "}}");
}

void BinanceFormat::levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list) const {
  out += '[';
  for (const LevelAmount& level : list) {
    append(out, out.back() == '[' ? "[\"" : ",[\"");
    price(out, state, level.price);
    append(out, R"(",")");
    amount(out, state, level.amount);
    append(out, "\"]");
  }
  out += ']';
}

void BinanceFormat::write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                               const BookPart& part, UnixTime time) const {
  append(out, R"({"stream":")", spec.name, R"(","data":{"e":"depthUpdate","E":)", milliseconds(time));
  if (row_.is_futures) append(out, R"(,"T":)", milliseconds(time));
  append(out, R"(,"s":")", state.instrument.symbol, '"');
  if (row_.is_coin_margined) append(out, R"(,"ps":")", state.instrument.index, '"');
  append(out, R"(,"U":)", part.previous_id + 1, R"(,"u":)", part.last_id);
  if (row_.is_futures) append(out, R"(,"pu":)", part.previous_id);
  append(out, R"(,"b":)");
  levels(out, state, part.bids);
  append(out, R"(,"a":)");
  levels(out, state, part.asks);
  append(out, "}}");
}

void BinanceFormat::write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                                UnixTime time) const {
  append(out, R"({"stream":")", spec.name, R"(","data":)");
  if (spec.kind == Kind::bbo) {
    write_bbo(out, state, time);
  } else if (spec.kind == Kind::candle) {
    write_candle(out, spec, state, time);
  } else if (spec.topic == mark_price) {
    write_mark_price(out, state, time);
  } else {
    append(out, R"({"e":"indexPriceUpdate","E":)", milliseconds(time), R"(,"i":")", state.instrument.index,
           R"(","p":")");
    append_padded(out, state.index_price(), state.index_decimals(), 8);
    append(out, "\"}");
  }
  out += '}';
}

void BinanceFormat::write_bbo(std::string& out, const InstrumentState& state, UnixTime time) const {
  const MatchingEngine& engine = state.engine;
  out += '{';
  if (row_.is_futures) append(out, R"("e":"bookTicker",)");
  append(out, R"("u":)", engine.last_update_id(), R"(,"s":")", state.instrument.symbol, '"');
  if (row_.is_coin_margined) append(out, R"(,"ps":")", state.instrument.index, '"');
  append(out, R"(,"b":")");
  price(out, state, engine.best_bid());
  append(out, R"(","B":")");
  amount(out, state, engine.amount_at(Side::buy, engine.best_bid()));
  append(out, R"(","a":")");
  price(out, state, engine.best_ask());
  append(out, R"(","A":")");
  amount(out, state, engine.amount_at(Side::sell, engine.best_ask()));
  out += '"';
  if (row_.is_futures) append(out, R"(,"T":)", milliseconds(time), R"(,"E":)", milliseconds(time));
  out += '}';
}

void BinanceFormat::write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                                 UnixTime time) const {
  const SyntheticCandle& candle = state.candles[spec.interval];
  const CandleInterval& interval = candle_intervals[spec.interval];
  const UnixTime end = candle.open_time + interval.length;
  append(out, R"({"e":"kline","E":)", milliseconds(time), R"(,"s":")", state.instrument.symbol, R"(","k":{"t":)",
         milliseconds(candle.open_time), R"(,"T":)", milliseconds(end) - 1, R"(,"s":")", state.instrument.symbol,
         R"(","i":")", interval.name, R"(","f":)", candle.first_trade_id, R"(,"L":)", candle.last_trade_id);
  const auto field = [&](std::string_view name, std::int64_t ticks) {
    append(out, name);
    price(out, state, ticks);
    out += '"';
  };
  field(R"(,"o":")", candle.open);
  field(R"(,"c":")", candle.close);
  field(R"(,"h":")", candle.high);
  field(R"(,"l":")", candle.low);
  append(out, R"(,"v":")");
  amount(out, state, candle.volume);
  append(out, R"(","n":)", candle.trades, R"(,"x":)", time >= end ? "true" : "false",
         R"(,"q":"0","V":"0","Q":"0","B":"0"}})");
}

void BinanceFormat::write_mark_price(std::string& out, const InstrumentState& state, UnixTime time) const {
  const int decimals = state.instrument.price_decimals + 1;
  append(out, R"({"e":"markPriceUpdate","E":)", milliseconds(time), R"(,"s":")", state.instrument.symbol, R"(","p":")");
  append_padded(out, state.mark_price_tenths(), decimals, 8);
  if (!row_.is_coin_margined) {
    append(out, R"(","i":")");
    append_padded(out, state.index_price(), state.index_decimals(), 8);
  }
  append(out, R"(","P":")");
  append_padded(out, state.mark_price_tenths(), decimals, 8);
  append(out, R"(","r":")");
  if (state.instrument.is_perpetual()) append_fixed(out, state.funding_rate_e8, 8);
  append(out, R"(","T":)", state.instrument.is_perpetual() ? milliseconds(next_funding_time(time)) : 0, "}");
}

void BinanceFormat::side(std::string& out, const InstrumentState& state, Side side, std::size_t count) const {
  out += '[';
  state.engine.for_each_level(side, count, [&](std::int64_t ticks, std::int64_t lots) {
    append(out, out.back() == '[' ? "[\"" : ",[\"");
    price(out, state, ticks);
    append(out, R"(",")");
    amount(out, state, lots);
    append(out, "\"]");
  });
  out += ']';
}

RestAnswer BinanceFormat::depth(const InstrumentState& state, const RestQuery& query, Moment moment) const {
  const std::string_view limit = query.value("limit");
  const long wanted = limit.empty() ? 100 : std::strtol(std::string(limit).c_str(), nullptr, 10);
  if (wanted <= 0 || wanted > 5000) {
    return {.status = 400, .body = R"({"code":-4021,"msg":"Invalid depth limit."})"};
  }
  RestAnswer answer;
  append(answer.body, R"({"lastUpdateId":)", state.engine.last_update_id());
  if (row_.is_futures) {
    append(answer.body, R"(,"E":)", milliseconds(moment.utc), R"(,"T":)", milliseconds(moment.utc));
  }
  if (row_.is_coin_margined) {
    append(answer.body, R"(,"symbol":")", state.instrument.symbol, R"(","pair":")", state.instrument.index, '"');
  }
  append(answer.body, R"(,"bids":)");
  side(answer.body, state, Side::buy, static_cast<std::size_t>(wanted));
  append(answer.body, R"(,"asks":)");
  side(answer.body, state, Side::sell, static_cast<std::size_t>(wanted));
  answer.body += '}';
  return answer;
}

std::optional<RestAnswer> BinanceFormat::rest(const RestQuery& query, const SyntheticMarket& market,
                                              Moment moment) const {
  if (!query.path.starts_with(row_.api)) return std::nullopt;
  const std::string_view name = std::string_view(query.path).substr(row_.api.size());
  if (name == "/exchangeInfo") return RestAnswer{.body = exchange_info(row_, market, moment)};
  const std::optional<std::size_t> index = find(query.value("symbol"), market);
  if (!index) return std::nullopt;
  const InstrumentState& state = market.at(*index);
  if (name == "/depth") return depth(state, query, moment);
  if (name != "/openInterest" || !row_.is_futures) return std::nullopt;
  RestAnswer answer;
  append(answer.body, R"({"symbol":")", state.instrument.symbol, '"');
  if (row_.is_coin_margined) append(answer.body, R"(,"pair":")", state.instrument.index, '"');
  append(answer.body, R"(,"openInterest":")");
  amount(answer.body, state, state.open_interest);
  append(answer.body, R"(","time":)", milliseconds(moment.utc), "}");
  return answer;
}

}  // namespace

std::unique_ptr<FrameFormat> make_format(std::string_view exchange) {
  const Row* const row = row_of(exchange);
  return row == nullptr ? nullptr : std::make_unique<BinanceFormat>(*row);
}

}  // namespace marketprism::emulator::binance
