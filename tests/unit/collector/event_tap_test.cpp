#include "marketprism/collector/event_tap.hpp"

#include <gtest/gtest.h>

namespace marketprism::collector {
namespace {

class Counting final : public market::EventSink {
 public:
  void on_event(const market::Event&) override { ++count; }
  int count = 0;
};

class EventTapTest : public testing::Test {
 protected:
  void trade(std::string_view exchange, std::string_view symbol, int price) {
    tap.on_event({exchange, symbol, no_time, unix_time_ms(price), 1,
                  market::Trade{.price = Decimal(price, 0), .amount = Decimal(1, 0)}});
  }
  void gap(std::string_view reason) {
    tap.on_event(
        {"okx", "X", no_time, unix_time_ms(1), 1, market::Gap{.channel = market::EventType::book, .reason = reason}});
  }

  Counting next;
  EventTap tap{next};
  Instant now{std::chrono::seconds(100)};
};

TEST_F(EventTapTest, GivesEverythingOnAndRemembersOnlyWhatIsWatched) {
  trade("okx", "X", 1);
  EXPECT_TRUE(tap.trades("okx", "X", now).empty());
  trade("okx", "X", 2);
  trade("okx", "Y", 3);
  trade("binance", "X", 4);
  const auto& trades = tap.trades("okx", "X", now);
  ASSERT_EQ(trades.size(), 1U);
  EXPECT_EQ(trades.front().price, Decimal(2, 0));
  EXPECT_EQ(next.count, 4);
}

TEST_F(EventTapTest, KeepsTheLastTradesAndForgetsWhatNobodyAsksFor) {
  tap.trades("okx", "X", now);
  for (int i = 0; i < 100; ++i) trade("okx", "X", i);
  EXPECT_EQ(tap.trades("okx", "X", now).size(), EventTap::trades_max);
  EXPECT_EQ(tap.trades("okx", "X", now).back().number, 100U);
  now += EventTap::watched_for + std::chrono::seconds(1);
  EXPECT_TRUE(tap.trades("okx", "X", now).empty());
}

TEST_F(EventTapTest, WatchesAFewAtOnce) {
  for (std::size_t i = 0; i < EventTap::watched_max; ++i) tap.trades("okx", std::to_string(i), now);
  tap.trades("okx", "X", now);
  trade("okx", "X", 1);
  trade("okx", "0", 2);
  EXPECT_TRUE(tap.trades("okx", "X", now).empty());
  EXPECT_EQ(tap.trades("okx", "0", now).size(), 1U);
}

TEST_F(EventTapTest, CountsGapsByReasonAndKeepsTheLast) {
  for (std::size_t i = 0; i < EventTap::gaps_max; ++i) gap("sequence");
  gap("disconnected");
  ASSERT_EQ(tap.gap_counts().size(), 2U);
  EXPECT_EQ(tap.gap_counts()[0].count, EventTap::gaps_max);
  EXPECT_EQ(tap.gap_counts()[1].reason, "disconnected");
  EXPECT_EQ(tap.gaps().size(), EventTap::gaps_max);
  EXPECT_EQ(tap.gaps().back().number, EventTap::gaps_max + 1);
}

}  // namespace
}  // namespace marketprism::collector
