#include "marketprism/collector/freshness.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace marketprism::collector {
namespace {

using market::EventType;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Freshness, TurnsAmberThenRed) {
  const FreshnessLimits limits{seconds(5), seconds(15)};
  EXPECT_EQ(health_of(EventType::trade, milliseconds(4999), limits), Health::fresh);
  EXPECT_EQ(health_of(EventType::trade, seconds(5), limits), Health::late);
  EXPECT_EQ(health_of(EventType::book, milliseconds(14'999), limits), Health::late);
  EXPECT_EQ(health_of(EventType::bbo, seconds(15), limits), Health::stale);
}

TEST(Freshness, GivesRareTypesTheirTime) {
  const FreshnessLimits limits{seconds(5), seconds(15)};
  EXPECT_EQ(health_of(EventType::candle, seconds(59), limits), Health::fresh);
  EXPECT_EQ(health_of(EventType::funding_rate, seconds(60), limits), Health::late);
  EXPECT_EQ(health_of(EventType::open_interest, seconds(180), limits), Health::stale);
  EXPECT_EQ(health_of(EventType::liquidation, seconds(100'000), limits), Health::fresh);
}

}  // namespace
}  // namespace marketprism::collector
