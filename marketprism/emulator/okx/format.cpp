#include "marketprism/emulator/okx/format.hpp"

#include <algorithm>
#include <array>

#include "marketprism/emulator/append.hpp"

// Source of all payloads: okx.com/docs-v5/en ("Order Book Trading / Market Data", "Public Data"), read 2026-11.

namespace marketprism::emulator::okx {
namespace {

using market::InstrumentKind;
using market::Side;
using Kind = StreamSpec::Kind;
enum Topic : int { none, trades, funding_rate, open_interest, mark_price, index_price };

std::int64_t milliseconds(UnixTime time) { return ns_since_epoch(time) / 1'000'000; }

std::string_view kind_name(InstrumentKind kind) {
  constexpr std::array<std::string_view, 4> names{"SPOT", "SWAP", "FUTURES", "OPTION"};
  return names[static_cast<std::size_t>(kind)];
}

/// Names of candle channels differ from ours from an hour on.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> long_intervals{
    {{"1H", "1h"}, {"4H", "4h"}, {"1Dutc", "1d"}}};

void price(std::string& out, const InstrumentState& state, std::int64_t ticks) {
  append_trimmed(out, state.instrument.price_units(ticks), state.instrument.price_decimals, false);
}

void amount(std::string& out, const InstrumentState& state, std::int64_t lots) {
  append_trimmed(out, state.instrument.amount_units(lots), state.instrument.amount_decimals, false);
}

class OkxFormat final : public FrameFormat {
 public:
  std::optional<StreamSpec> parse(std::string_view name, const SyntheticMarket& market) const override;
  void write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state, const TradePart& part,
                    UnixTime time) const override;
  void write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state, const BookPart& part,
                  UnixTime time) const override;
  void write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                   UnixTime time) const override;
  std::optional<RestAnswer> rest(const RestQuery& query, const SyntheticMarket& market, Moment moment) const override;

 private:
  static bool parse_channel(std::string_view channel, StreamSpec& spec);
  static bool fits(const StreamSpec& spec, const SyntheticInstrument& instrument);
  static void begin(std::string& out, const StreamSpec& spec);
  static void levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list);
  static void write_bbo(std::string& out, const InstrumentState& state, UnixTime time);
  static void write_ticker(std::string& out, const InstrumentState& state, UnixTime time);
  static void write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state, UnixTime time);
  static void write_value(std::string& out, const StreamSpec& spec, const InstrumentState& state, UnixTime time);
  static void append_instrument(std::string& out, const SyntheticInstrument& instrument);
};

bool OkxFormat::parse_channel(std::string_view channel, StreamSpec& spec) {
  using std::chrono::milliseconds;
  const auto is = [&](Kind kind, Nanoseconds period, int topic = none) {
    spec.kind = kind;
    spec.period = period;
    spec.topic = topic;
    spec.begins_with_snapshot = kind != Kind::trade && kind != Kind::liquidation;
    return true;
  };
  if (channel == "books") return is(Kind::book, milliseconds(100));
  if (channel == "books-l2-tbt") return is(Kind::book, milliseconds(10));
  if (channel == "bbo-tbt") return is(Kind::bbo, milliseconds(0));
  if (channel == "trades") {
    spec.grouping = StreamSpec::Grouping::each_price;
    return is(Kind::trade, milliseconds(0), trades);
  }
  if (channel == "trades-all") return is(Kind::trade, milliseconds(0));
  if (channel == "tickers") return is(Kind::ticker, milliseconds(100));
  if (channel == "mark-price") return is(Kind::state, milliseconds(200), mark_price);
  if (channel == "index-tickers") return is(Kind::state, milliseconds(1000), index_price);
  if (channel == "open-interest") return is(Kind::state, milliseconds(3000), open_interest);
  if (channel == "funding-rate") return is(Kind::state, milliseconds(30'000), funding_rate);
  if (channel == "liquidation-orders") return is(Kind::liquidation, milliseconds(0));
  if (!channel.starts_with("candle")) return false;
  std::string_view interval = channel.substr(6);
  if (interval == "1h" || interval == "4h" || interval == "1d") return false;
  for (const auto& [theirs, ours] : long_intervals) {
    if (interval == theirs) interval = ours;
  }
  const auto found = std::ranges::find(candle_intervals, interval, &CandleInterval::name);
  if (found == candle_intervals.end()) return false;
  spec.interval = static_cast<std::size_t>(found - candle_intervals.begin());
  return is(Kind::candle, milliseconds(1000));
}

bool OkxFormat::fits(const StreamSpec& spec, const SyntheticInstrument& instrument) {
  if (spec.topic == funding_rate) return instrument.is_perpetual();
  if (spec.topic == open_interest) return instrument.is_derivative();
  return true;
}

std::optional<StreamSpec> OkxFormat::parse(std::string_view name, const SyntheticMarket& market) const {
  const std::size_t colon = std::min(name.find(':'), name.size());
  const std::string_view subject = name.substr(std::min(colon + 1, name.size()));
  StreamSpec spec;
  if (!parse_channel(name.substr(0, colon), spec)) return std::nullopt;
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    const std::string_view theirs = spec.kind == Kind::liquidation ? kind_name(instrument.kind)
                                    : spec.topic == index_price    ? std::string_view(instrument.index)
                                                                   : std::string_view(instrument.symbol);
    if (theirs != subject || !fits(spec, instrument)) continue;
    spec.instrument = i;
    if (spec.kind == Kind::liquidation) spec.all_of = instrument.kind;
    return spec;
  }
  return std::nullopt;
}

void OkxFormat::begin(std::string& out, const StreamSpec& spec) {
  const std::size_t colon = spec.name.find(':');
  append(out, R"({"arg":{"channel":")", std::string_view(spec.name).substr(0, colon),
         spec.kind == Kind::liquidation ? R"(","instType":")" : R"(","instId":")",
         std::string_view(spec.name).substr(colon + 1), "\"}");
}

void OkxFormat::write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                             const TradePart& part, UnixTime time) const {
  std::int64_t lots = 0;
  for (const Fill& fill : part.fills) lots += fill.amount;
  begin(out, spec);
  const std::string_view side = name_of(part.taker);
  if (spec.kind == Kind::liquidation) {
    append(out, R"(,"data":[{"details":[{"bkLoss":"0","bkPx":")");
    price(out, state, part.fills.back().price);
    append(out, R"(","ccy":"","posSide":")", part.taker == Side::buy ? "short" : "long", R"(","side":")", side,
           R"(","sz":")");
    amount(out, state, lots);
    append(out, R"(","ts":")", milliseconds(time), R"("}],"instFamily":")", state.instrument.index, R"(","instId":")",
           state.instrument.symbol, R"(","instType":")", kind_name(state.instrument.kind), R"(","uly":")",
           state.instrument.index, "\"}]}");
    return;
  }
  append(out, R"(,"data":[{"instId":")", state.instrument.symbol, R"(","tradeId":")", part.fills.back().trade_id,
         R"(","px":")");
  price(out, state, part.fills.back().price);
  append(out, R"(","sz":")");
  amount(out, state, lots);
  append(out, R"(","side":")", side, R"(","ts":")", milliseconds(time), '"');
  if (spec.topic == trades) append(out, R"(,"count":")", part.fills.size(), '"');
  append(out, R"(,"source":"0"}]})");
}

void OkxFormat::levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list) {
  out += '[';
  for (const LevelAmount& level : list) {
    append(out, out.back() == '[' ? "[\"" : ",[\"");
    price(out, state, level.price);
    append(out, R"(",")");
    amount(out, state, level.amount);
    append(out, level.amount == 0 ? R"(","0","0"])" : R"(","0","1"])");
  }
  out += ']';
}

void OkxFormat::write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state, const BookPart& part,
                           UnixTime time) const {
  begin(out, spec);
  append(out, R"(,"action":")", part.is_snapshot ? "snapshot" : "update", R"(","data":[{"asks":)");
  levels(out, state, part.asks);
  append(out, R"(,"bids":)");
  levels(out, state, part.bids);
  append(out, R"(,"ts":")", milliseconds(time), R"(","checksum":0,"prevSeqId":)",
         part.is_snapshot ? -1 : part.previous_id, R"(,"seqId":)", part.last_id, "}]}");
}

void OkxFormat::write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                            UnixTime time) const {
  if (spec.kind == Kind::candle && state.candles[spec.interval].open_time == no_time) return;
  begin(out, spec);
  append(out, R"(,"data":[)");
  switch (spec.kind) {
    case Kind::bbo: write_bbo(out, state, time); break;
    case Kind::ticker: write_ticker(out, state, time); break;
    case Kind::candle: write_candle(out, spec, state, time); break;
    default: write_value(out, spec, state, time); break;
  }
  append(out, "]}");
}

void OkxFormat::write_bbo(std::string& out, const InstrumentState& state, UnixTime time) {
  const MatchingEngine& engine = state.engine;
  const LevelAmount bid{engine.best_bid(), engine.amount_at(Side::buy, engine.best_bid())};
  const LevelAmount ask{engine.best_ask(), engine.amount_at(Side::sell, engine.best_ask())};
  append(out, R"({"asks":)");
  levels(out, state, std::span(&ask, 1));
  append(out, R"(,"bids":)");
  levels(out, state, std::span(&bid, 1));
  append(out, R"(,"ts":")", milliseconds(time), R"(","seqId":)", engine.last_update_id(), "}");
}

void OkxFormat::write_ticker(std::string& out, const InstrumentState& state, UnixTime time) {
  const MatchingEngine& engine = state.engine;
  append(out, R"({"instType":")", kind_name(state.instrument.kind), R"(","instId":")", state.instrument.symbol,
         R"(","last":")");
  price(out, state, state.last_price);
  append(out, R"(","lastSz":")");
  amount(out, state, state.last_amount);
  append(out, R"(","askPx":")");
  price(out, state, engine.best_ask());
  append(out, R"(","askSz":")");
  amount(out, state, engine.amount_at(Side::sell, engine.best_ask()));
  append(out, R"(","bidPx":")");
  price(out, state, engine.best_bid());
  append(out, R"(","bidSz":")");
  amount(out, state, engine.amount_at(Side::buy, engine.best_bid()));
  append(out, R"(","open24h":"","high24h":"","low24h":"","sodUtc0":"","sodUtc8":"","volCcy24h":"","vol24h":")");
  amount(out, state, state.volume);
  append(out, R"(","ts":")", milliseconds(time), "\"}");
}

void OkxFormat::write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state, UnixTime time) {
  const SyntheticCandle& candle = state.candles[spec.interval];
  append(out, "[\"", milliseconds(candle.open_time), '"');
  for (const std::int64_t ticks : {candle.open, candle.high, candle.low, candle.close}) {
    append(out, ",\"");
    price(out, state, ticks);
    out += '"';
  }
  append(out, ",\"");
  amount(out, state, candle.volume);
  append(out, R"(","0","0",")", time >= candle.open_time + candle_intervals[spec.interval].length ? '1' : '0', "\"]");
}

void OkxFormat::write_value(std::string& out, const StreamSpec& spec, const InstrumentState& state, UnixTime time) {
  const SyntheticInstrument& instrument = state.instrument;
  append(out, R"({"instType":")", kind_name(instrument.kind), R"(","instId":")",
         spec.topic == index_price ? instrument.index : instrument.symbol, '"');
  switch (spec.topic) {
    case funding_rate:
      append(out, R"(,"fundingRate":")");
      append_fixed(out, state.funding_rate_e8, 8);
      append(out, R"(","fundingTime":")", milliseconds(next_funding_time(time)), R"(","nextFundingRate":"",)",
             R"("nextFundingTime":")", milliseconds(next_funding_time(time) + std::chrono::hours(8)), '"');
      break;
    case open_interest:
      append(out, R"(,"oi":")");
      amount(out, state, state.open_interest);
      append(out, R"(","oiCcy":"0","oiUsd":"0")");
      break;
    case mark_price:
      append(out, R"(,"markPx":")");
      append_trimmed(out, state.mark_price_tenths(), instrument.price_decimals + 1, false);
      out += '"';
      break;
    default:
      append(out, R"(,"idxPx":")");
      append_trimmed(out, state.index_price(), state.index_decimals(), false);
      append(out, R"(","high24h":"","low24h":"","open24h":"","sodUtc0":"","sodUtc8":"")");
      break;
  }
  append(out, R"(,"ts":")", milliseconds(time), "\"}");
}

void OkxFormat::append_instrument(std::string& out, const SyntheticInstrument& instrument) {
  const bool is_spot = !instrument.is_derivative();
  const bool is_option = instrument.kind == InstrumentKind::option;
  const std::string_view underlying = is_spot ? std::string_view() : std::string_view(instrument.index);
  append(out, R"({"alias":"","baseCcy":")", is_spot ? instrument.base : std::string(), R"(","category":"1","ctMult":")",
         is_spot     ? ""
         : is_option ? instrument.contract_size
                     : std::string("1"),
         R"(","ctType":")",
         is_spot || is_option    ? ""
         : instrument.is_inverse ? "inverse"
                                 : "linear",
         R"(","ctVal":")", is_option ? std::string("1") : instrument.contract_size, R"(","ctValCcy":")",
         is_spot                 ? std::string()
         : instrument.is_inverse ? instrument.quote
                                 : instrument.base,
         R"(","expTime":")");
  if (instrument.expiry != no_time) append(out, milliseconds(instrument.expiry));
  append(out, R"(","instFamily":")", underlying, R"(","instId":")", instrument.symbol, R"(","instType":")",
         kind_name(instrument.kind), R"(","lever":"","listTime":"1611916828000","lotSz":")");
  append_trimmed(out, instrument.lot_units, instrument.amount_decimals, false);
  append(out, R"(","minSz":")");
  append_trimmed(out, instrument.lot_units, instrument.amount_decimals, false);
  append(out, R"(","optType":")",
         instrument.option_type == "call"  ? "C"
         : instrument.option_type == "put" ? "P"
                                           : "",
         R"(","quoteCcy":")", is_spot ? instrument.quote : std::string(), R"(","settleCcy":")",
         is_spot ? std::string() : instrument.settle, R"(","state":"live","stk":")", instrument.strike,
         R"(","tickSz":")");
  append_trimmed(out, instrument.tick_units, instrument.price_decimals, false);
  append(out, R"(","uly":")", underlying, "\"}");
}

std::optional<RestAnswer> OkxFormat::rest(const RestQuery& query, const SyntheticMarket& market,
                                          Moment /*moment*/) const {
  if (query.path != "/api/v5/public/instruments") return std::nullopt;
  const std::string_view kind = query.value("instType");
  if (kind.empty()) {
    return RestAnswer{.status = 400,
                      .body = R"({"code":"50014","data":[],"msg":"Parameter instType can not be empty."})"};
  }
  const std::string_view family = query.has("instFamily") ? query.value("instFamily") : query.value("uly");
  RestAnswer answer{.body = R"({"code":"0","data":[)"};
  bool is_first = true;
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    if (kind_name(instrument.kind) != kind || (!family.empty() && family != instrument.index)) continue;
    if (query.has("instId") && query.value("instId") != instrument.symbol) continue;
    if (!is_first) answer.body += ',';
    is_first = false;
    append_instrument(answer.body, instrument);
  }
  append(answer.body, R"(],"msg":""})");
  return answer;
}

}  // namespace

std::unique_ptr<FrameFormat> make_format() { return std::make_unique<OkxFormat>(); }

}  // namespace marketprism::emulator::okx
