#pragma once
#include <string_view>
#include <vector>

#include "marketprism/market/event.hpp"

namespace marketprism::sink {

inline constexpr std::int64_t sample_ns = 1795478399'000000000;  // 2026-11-23T23:59:59Z

inline market::Event event_of(market::Event::Payload payload, std::string_view symbol = "BTCUSDT",
                              std::int64_t receive_ns = sample_ns, std::string_view exchange = "binance") {
  market::Event event;
  event.exchange = exchange;
  event.symbol = symbol;
  event.exchange_time = unix_time_ns(receive_ns - 1'000'001);
  event.receive_time = unix_time_ns(receive_ns);
  event.connection = 3;
  event.payload = payload;
  return event;
}

inline market::Trade trade_of(std::string_view id, std::string_view price, std::string_view amount) {
  return {.id = id, .side = market::Side::sell, .price = Decimal::of(price), .amount = Decimal::of(amount)};
}

inline std::vector<market::Level> levels_of(
    std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::vector<market::Level> levels;
  for (const auto& [price, amount] : pairs) levels.push_back({Decimal::of(price), Decimal::of(amount)});
  return levels;
}

/// One event of each type. What they point to lives as long as the program.
inline std::vector<market::Event> one_of_each() {
  static const std::vector<market::Level> bids = levels_of({{"61800.20", "2.507"}, {"61800.10", "0"}});
  static const std::vector<market::Level> asks = levels_of({{"61800.30", "0.010"}});
  static const market::Instrument option{.symbol = "BTC-24SEP21-8000-P",
                                         .canonical = "BTC-USD-20210924-8000-P",
                                         .kind = market::InstrumentKind::option,
                                         .base = "BTC",
                                         .quote = "USD",
                                         .settle = "BTC",
                                         .contract_size = Decimal::of("1"),
                                         .amount_unit = "base",
                                         .tick_size = Decimal::of("0.0005"),
                                         .lot_size = Decimal::of("0.1"),
                                         .expiry = unix_time_ns(1632470400'000000000),
                                         .strike = Decimal::of("8000"),
                                         .option_type = "put",
                                         .status = "trading"};
  return {
      event_of(trade_of("a rather long trade id 1", "61800.20", "0.006")),
      event_of(market::Book{.is_snapshot = true, .sequence = 42, .bids = bids, .asks = asks}),
      event_of(market::Bbo{.bid_price = Decimal::of("1.5"), .ask_price = Decimal::of("1.6"), .sequence = 43}),
      event_of(market::Candle{.interval = "1m",
                              .open_time = unix_time_ns(60'000'000'000),
                              .close_time = unix_time_ns(119'999'000'000),
                              .open = Decimal::of("1"),
                              .high = Decimal::of("4"),
                              .low = Decimal::of("0.5"),
                              .close = Decimal::of("2"),
                              .volume = Decimal::of("100.25"),
                              .is_closed = true}),
      event_of(market::FundingRate{.rate = Decimal::of("-0.0001"), .funding_time = unix_time_ns(7'000'000'000)}),
      event_of(market::OpenInterest{.amount = Decimal::of("12345.678")}),
      event_of(market::MarkPrice{.price = Decimal::of("61799.99")}),
      event_of(market::IndexPrice{.price = Decimal::of("61799.98")}),
      event_of(market::Liquidation{
          .id = {}, .side = market::Side::buy, .price = Decimal::of("60000"), .amount = Decimal::of("3")}),
      event_of(
          market::Gap{.channel = market::EventType::book, .reason = "sequence", .from_sequence = 5, .to_sequence = 9}),
      event_of(&option),
  };
}

}  // namespace marketprism::sink
