#include "marketprism/market/event_json.hpp"

#include <gtest/gtest.h>

namespace marketprism::market {
namespace {

std::string json_of(const Event& event) {
  std::string text;
  append_json(event, text);
  return text;
}

Event event_of(Event::Payload payload) {
  return {"binance", "BTCUSDT", unix_time_ms(1723161255342), unix_time_ns(1723161254087896568), 3, std::move(payload)};
}

TEST(EventJson, WritesTradesWithTheDigitsReceived) {
  EXPECT_EQ(json_of(event_of(
                Trade{"3735683259", Side::sell, Decimal::of("61837.63000000"), Decimal::of("0.02000000"), false})),
            R"({"type":"trade","exchange":"binance","symbol":"BTCUSDT","exchange_time":1723161255342000000,)"
            R"("receive_time":1723161254087896568,"id":"3735683259","side":"sell","price":"61837.63000000",)"
            R"("amount":"0.02000000","aggregate":false})"
            "\n");
}

TEST(EventJson, WritesNullsAndLevels) {
  Event bbo = event_of(Bbo{Decimal::of("1.0"), std::nullopt, std::nullopt, std::nullopt, no_sequence});
  bbo.exchange_time = no_time;
  EXPECT_EQ(json_of(bbo), R"({"type":"bbo","exchange":"binance","symbol":"BTCUSDT","exchange_time":null,)"
                          R"("receive_time":1723161254087896568,"bid_price":"1.0","bid_amount":null,"ask_price":null,)"
                          R"("ask_amount":null,"sequence":null})"
                          "\n");
  const std::vector<Level> bids{{Decimal::of("1"), Decimal::of("0.00")}, {Decimal::of("0.5"), Decimal::of("2")}};
  const std::string book = json_of(event_of(Book{true, 7, bids, {}}));
  EXPECT_NE(book.find(R"("snapshot":true,"sequence":7,"bids":[["1","0.00"],["0.5","2"]],"asks":[])"), std::string::npos)
      << book;
}

TEST(EventJson, NamesEveryType) {
  for (std::size_t i = 0; i < event_type_count; ++i) {
    const auto type = static_cast<EventType>(i);
    EXPECT_EQ(event_type_of(name_of(type)), type);
  }
  EXPECT_FALSE(event_type_of("trades").has_value());
}

TEST(Instrument, HasACanonicalName) {
  Instrument option{.symbol = "BTC-24SEP21-8000-P",
                    .kind = InstrumentKind::option,
                    .base = "BTC",
                    .quote = "USD",
                    .expiry = unix_time_ms(1632470400000),
                    .strike = Decimal::of("8000.0"),
                    .option_type = "put"};
  EXPECT_EQ(canonical_name(option), "BTC-USD-20210924-8000-P");
  EXPECT_EQ(canonical_name({.kind = InstrumentKind::perpetual, .base = "BTC", .quote = "USDT"}), "BTC-USDT-PERP");
  EXPECT_EQ(canonical_name({.base = "BTC", .quote = "USDT"}), "BTC-USDT");
}

TEST(Glob, MatchesWithoutLetterCase) {
  EXPECT_TRUE(matches_glob("btc*", "BTCUSDT"));
  EXPECT_TRUE(matches_glob("*usd?", "BTCUSDT"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "axxbyyc"));
  EXPECT_FALSE(matches_glob("a*b*c", "axxbyy"));
  EXPECT_FALSE(matches_glob("BTC", "BTCUSDT"));
}

}  // namespace
}  // namespace marketprism::market
