#include "marketprism/emulator/deribit/format.hpp"

#include <algorithm>
#include <array>

#include "marketprism/emulator/append.hpp"

// Source of all payloads: docs.deribit.com (subscriptions/*, public/get_instruments), read 2026-11. Numbers are JSON
// numbers.

namespace marketprism::emulator::deribit {
namespace {

using market::InstrumentKind;
using market::Side;
using Kind = StreamSpec::Kind;
enum Topic : int { none, quote, ticker, price_index };

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> resolutions{
    {{"1", "1m"}, {"3", "3m"}, {"5", "5m"}, {"15", "15m"}, {"30", "30m"}, {"60", "1h"}, {"240", "4h"}, {"1D", "1d"}}};

std::int64_t milliseconds(UnixTime time) { return ns_since_epoch(time) / 1'000'000; }

void price(std::string& out, const InstrumentState& state, std::int64_t ticks) {
  append_trimmed(out, state.instrument.price_units(ticks), state.instrument.price_decimals, true);
}

void amount(std::string& out, const InstrumentState& state, std::int64_t lots) {
  append_trimmed(out, state.instrument.amount_units(lots), state.instrument.amount_decimals, true);
}

class DeribitFormat final : public FrameFormat {
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
  static bool parse_kind(std::string_view kind, std::string_view pace, StreamSpec& spec);
  static void begin(std::string& out, const StreamSpec& spec) {
    append(out, R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":")", spec.name, R"(","data":)");
  }
  static void levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list, bool is_new);
  static void best(std::string& out, const InstrumentState& state);
  static void write_ticker(std::string& out, const InstrumentState& state, UnixTime time);
  static void write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state);
  static void append_instrument(std::string& out, const SyntheticInstrument& instrument);
};

// "book.X.100ms", "trades.X.100ms", "ticker.X.100ms", "quote.X", "chart.trades.X.1", "deribit_price_index.btc_usd".
std::optional<StreamSpec> DeribitFormat::parse(std::string_view name, const SyntheticMarket& market) const {
  const bool is_chart = name.starts_with("chart.trades.");
  const std::size_t first = is_chart ? 12 : name.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::string_view kind = is_chart ? "chart" : name.substr(0, first);
  std::string_view subject = name.substr(first + 1);
  std::string_view pace;
  if (const std::size_t dot = subject.find('.'); dot != std::string_view::npos) {
    pace = subject.substr(dot + 1);
    subject = subject.substr(0, dot);
  }
  StreamSpec spec;
  if (!parse_kind(kind, pace, spec)) return std::nullopt;
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    if ((spec.topic == price_index ? instrument.index : instrument.symbol) != subject) continue;
    spec.instrument = i;
    return spec;
  }
  return std::nullopt;
}

bool DeribitFormat::parse_kind(std::string_view kind, std::string_view pace, StreamSpec& spec) {
  using std::chrono::milliseconds;
  const auto is = [&](Kind what, Nanoseconds period, bool begins_with_snapshot, int topic = none) {
    spec.kind = what;
    spec.period = period;
    spec.begins_with_snapshot = begins_with_snapshot;
    spec.topic = topic;
    return true;
  };
  if (kind == "quote" && pace.empty()) return is(Kind::bbo, Nanoseconds(0), true, quote);
  if (kind == "deribit_price_index" && pace.empty()) return is(Kind::state, milliseconds(1000), true, price_index);
  if (kind == "chart") {
    for (const auto& [resolution, interval] : resolutions) {
      if (resolution != pace) continue;
      const auto found = std::ranges::find(candle_intervals, interval, &CandleInterval::name);
      spec.interval = static_cast<std::size_t>(found - candle_intervals.begin());
      return is(Kind::candle, milliseconds(1000), false);
    }
    return false;
  }
  const Nanoseconds period = pace == "100ms"  ? milliseconds(100)
                             : pace == "agg2" ? milliseconds(1000)
                             : pace == "raw"  ? milliseconds(0)
                                              : milliseconds(-1);
  if (period.count() < 0) return false;
  if (kind == "book") return is(Kind::book, period, true);
  if (kind == "ticker") return is(Kind::ticker, period, true, ticker);
  if (kind != "trades") return false;
  spec.grouping = StreamSpec::Grouping::whole_order;
  return is(Kind::trade, milliseconds(0), false);
}

void DeribitFormat::write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                                 const TradePart& part, UnixTime time) const {
  begin(out, spec);
  out += '[';
  for (const Fill& fill : part.fills) {
    append(out, out.back() == '[' ? "" : ",", R"({"trade_seq":)", fill.trade_id, R"(,"trade_id":")", fill.trade_id,
           R"(","timestamp":)", milliseconds(time), R"(,"tick_direction":1,"price":)");
    price(out, state, fill.price);
    append(out, R"(,"mark_price":)");
    append_trimmed(out, state.mark_price_tenths(), state.instrument.price_decimals + 1, true);
    if (part.is_liquidation) append(out, R"(,"liquidation":"T")");
    append(out, R"(,"instrument_name":")", state.instrument.symbol, R"(","index_price":)");
    append_trimmed(out, state.index_price(), state.index_decimals(), true);
    append(out, R"(,"direction":")", name_of(part.taker), R"(","amount":)");
    amount(out, state, fill.amount);
    out += '}';
  }
  append(out, "]}}");
}

void DeribitFormat::levels(std::string& out, const InstrumentState& state, std::span<const LevelAmount> list,
                           bool is_new) {
  out += '[';
  for (const LevelAmount& level : list) {
    append(out, out.back() == '[' ? "[\"" : ",[\"", is_new ? "new" : level.amount == 0 ? "delete" : "change", "\",");
    price(out, state, level.price);
    out += ',';
    amount(out, state, level.amount);
    out += ']';
  }
  out += ']';
}

void DeribitFormat::write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                               const BookPart& part, UnixTime time) const {
  begin(out, spec);
  append(out, R"({"type":")", part.is_snapshot ? "snapshot" : "change", R"(","timestamp":)", milliseconds(time));
  if (!part.is_snapshot) append(out, R"(,"prev_change_id":)", part.previous_id);
  append(out, R"(,"instrument_name":")", state.instrument.symbol, R"(","change_id":)", part.last_id, R"(,"bids":)");
  levels(out, state, part.bids, part.is_snapshot);
  append(out, R"(,"asks":)");
  levels(out, state, part.asks, part.is_snapshot);
  append(out, "}}}");
}

void DeribitFormat::best(std::string& out, const InstrumentState& state) {
  const MatchingEngine& engine = state.engine;
  append(out, R"("best_bid_price":)");
  price(out, state, engine.best_bid());
  append(out, R"(,"best_bid_amount":)");
  amount(out, state, engine.amount_at(Side::buy, engine.best_bid()));
  append(out, R"(,"best_ask_price":)");
  price(out, state, engine.best_ask());
  append(out, R"(,"best_ask_amount":)");
  amount(out, state, engine.amount_at(Side::sell, engine.best_ask()));
}

void DeribitFormat::write_ticker(std::string& out, const InstrumentState& state, UnixTime time) {
  append(out, R"({"timestamp":)", milliseconds(time),
         R"(,"stats":{"volume":null,"price_change":null,"low":null,"high":null},"state":"open","open_interest":)");
  amount(out, state, state.open_interest);
  append(out, R"(,"mark_price":)");
  append_trimmed(out, state.mark_price_tenths(), state.instrument.price_decimals + 1, true);
  append(out, R"(,"last_price":)");
  price(out, state, state.last_price);
  append(out, R"(,"instrument_name":")", state.instrument.symbol, R"(","index_price":)");
  append_trimmed(out, state.index_price(), state.index_decimals(), true);
  if (state.instrument.is_perpetual()) {
    append(out, R"(,"funding_8h":)");
    append_trimmed(out, state.funding_rate_e8, 8, true);
    append(out, R"(,"current_funding":)");
    append_trimmed(out, state.funding_rate_e8, 8, true);
  }
  out += ',';
  best(out, state);
  out += '}';
}

void DeribitFormat::write_candle(std::string& out, const StreamSpec& spec, const InstrumentState& state) {
  const SyntheticCandle& candle = state.candles[spec.interval];
  append(out, R"({"tick":)", milliseconds(candle.open_time), R"(,"open":)");
  price(out, state, candle.open);
  append(out, R"(,"high":)");
  price(out, state, candle.high);
  append(out, R"(,"low":)");
  price(out, state, candle.low);
  append(out, R"(,"close":)");
  price(out, state, candle.close);
  append(out, R"(,"volume":)");
  amount(out, state, candle.volume);
  append(out, R"(,"cost":0.0})");
}

void DeribitFormat::write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                                UnixTime time) const {
  begin(out, spec);
  if (spec.kind == Kind::candle) {
    write_candle(out, spec, state);
  } else if (spec.topic == ticker) {
    write_ticker(out, state, time);
  } else if (spec.topic == price_index) {
    append(out, R"({"timestamp":)", milliseconds(time), R"(,"price":)");
    append_trimmed(out, state.index_price(), state.index_decimals(), true);
    append(out, R"(,"index_name":")", state.instrument.index, "\"}");
  } else {
    append(out, R"({"timestamp":)", milliseconds(time), R"(,"instrument_name":")", state.instrument.symbol, "\",");
    best(out, state);
    out += '}';
  }
  append(out, "}}");
}

void DeribitFormat::append_instrument(std::string& out, const SyntheticInstrument& instrument) {
  const bool is_option = instrument.kind == InstrumentKind::option;
  constexpr std::int64_t never = 32'503'708'800'000;
  append(out, R"({"tick_size":)");
  append_trimmed(out, instrument.tick_units, instrument.price_decimals, true);
  append(out, R"(,"settlement_period":")", instrument.is_perpetual() ? "perpetual" : "month",
         R"(","settlement_currency":")", instrument.settle, R"(","quote_currency":")", instrument.quote,
         R"(","price_index":")", instrument.index, R"(","min_trade_amount":)");
  append_trimmed(out, instrument.lot_units, instrument.amount_decimals, true);
  append(out, R"(,"kind":")", is_option ? "option" : "future",
         R"(","is_active":true,"state":"open","instrument_name":")", instrument.symbol,
         R"(","instrument_type":"reversed","expiration_timestamp":)",
         instrument.is_perpetual() ? never : milliseconds(instrument.expiry),
         R"(,"creation_timestamp":1534242287000,"counter_currency":"USD","contract_size":)", instrument.contract_size,
         R"(.0,"base_currency":")", instrument.base, '"');
  if (is_option) append(out, R"(,"strike":)", instrument.strike, R"(.0,"option_type":")", instrument.option_type, '"');
  out += '}';
}

std::optional<RestAnswer> DeribitFormat::rest(const RestQuery& query, const SyntheticMarket& market,
                                              Moment /*moment*/) const {
  if (query.path != "/api/v2/public/get_instruments") return std::nullopt;
  const std::string_view currency = query.value("currency");
  const std::string_view kind = query.value("kind");
  if (currency.empty()) return std::nullopt;
  RestAnswer answer{.body = R"({"jsonrpc":"2.0","result":[)"};
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    const std::string_view theirs = instrument.kind == InstrumentKind::option ? "option" : "future";
    if ((currency != "any" && currency != instrument.base) || (!kind.empty() && kind != theirs)) continue;
    if (answer.body.back() != '[') answer.body += ',';
    append_instrument(answer.body, instrument);
  }
  append(answer.body, "]}");
  return answer;
}

}  // namespace

std::unique_ptr<FrameFormat> make_format() { return std::make_unique<DeribitFormat>(); }

}  // namespace marketprism::emulator::deribit
