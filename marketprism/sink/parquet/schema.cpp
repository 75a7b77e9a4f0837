#include "marketprism/sink/parquet/schema.hpp"

#include <array>

namespace marketprism::sink {

namespace {

using enum ColumnType;

/// What every type begins with, and then its own.
template <std::size_t N>
constexpr std::array<ColumnSpec, N + 4> with_common(const ColumnSpec (&own)[N]) {
  std::array<ColumnSpec, N + 4> all{{
      {"symbol", name},
      {"exchange_time", time},
      {"receive_time", time},
      {"connection", unsigned32},
  }};
  for (std::size_t i = 0; i < N; ++i) all[i + 4] = own[i];
  return all;
}

constexpr auto trade =
    with_common({{"id", text}, {"side", name}, {"price", number}, {"amount", number}, {"aggregate", boolean}});
constexpr auto book = with_common(
    {{"is_snapshot", boolean}, {"side", name}, {"price", number}, {"amount", number}, {"sequence", integer}});
constexpr auto bbo = with_common({{"bid_price", number},
                                  {"bid_amount", number},
                                  {"ask_price", number},
                                  {"ask_amount", number},
                                  {"sequence", integer}});
constexpr auto candle = with_common({{"interval", name},
                                     {"open_time", time},
                                     {"close_time", time},
                                     {"open", number},
                                     {"high", number},
                                     {"low", number},
                                     {"close", number},
                                     {"volume", number},
                                     {"closed", boolean}});
constexpr auto funding_rate = with_common({{"rate", number}, {"funding_time", time}});
constexpr auto open_interest = with_common({{"amount", number}});
constexpr auto price_only = with_common({{"price", number}});
constexpr auto liquidation = with_common({{"id", text}, {"side", name}, {"price", number}, {"amount", number}});
constexpr auto gap =
    with_common({{"channel", name}, {"reason", name}, {"from_sequence", integer}, {"to_sequence", integer}});
constexpr auto instrument = with_common({{"canonical", name},
                                         {"kind", name},
                                         {"base", name},
                                         {"quote", name},
                                         {"settle", name},
                                         {"contract_size", number},
                                         {"amount_unit", name},
                                         {"tick_size", number},
                                         {"lot_size", number},
                                         {"expiry", time},
                                         {"strike", number},
                                         {"option_type", name},
                                         {"status", name}});

}  // namespace

std::span<const ColumnSpec> columns_of(market::EventType type) {
  switch (type) {
    case market::EventType::trade: return trade;
    case market::EventType::book: return book;
    case market::EventType::bbo: return bbo;
    case market::EventType::candle: return candle;
    case market::EventType::funding_rate: return funding_rate;
    case market::EventType::open_interest: return open_interest;
    case market::EventType::mark_price:
    case market::EventType::index_price: return price_only;
    case market::EventType::liquidation: return liquidation;
    case market::EventType::gap: return gap;
    case market::EventType::instrument: break;
  }
  return instrument;
}

}  // namespace marketprism::sink
