#include "marketprism/monitor/pool_sizing.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace marketprism::monitor {
namespace {

using std::chrono::milliseconds;

pool::PoolConfig config_of(std::size_t size) {
  pool::PoolConfig config;
  config.max_size = size;
  config.min_size = 0;
  return config;
}

/// Every 10 ms `at_once` uses of 5 ms each.
std::vector<UseOfConnection> bursts(std::size_t at_once, int count) {
  std::vector<UseOfConnection> uses;
  for (int i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < at_once; ++k) uses.push_back({Instant(milliseconds(1000 + 10 * i)), milliseconds(5)});
  }
  return uses;
}

TEST(PoolSizing, OneAtATimeNeedsOneConnection) {
  const auto uses = bursts(1, 100);
  const SizingOutcome outcome = replay_uses(uses, milliseconds(3), config_of(8));
  EXPECT_EQ(outcome.acquired, 100U);
  EXPECT_EQ(outcome.failed, 0U);
  EXPECT_EQ(outcome.connections_most, 1U);
  EXPECT_NEAR(outcome.hit_rate, 0.99, 1e-9);
  const SizingAdvice advice = advise_size(uses, milliseconds(3), config_of(8));
  EXPECT_EQ(advice.recommended, 1U);
  EXPECT_EQ(advice.current, 8U);
}

TEST(PoolSizing, WaitsAreTheHoldTimesOfThoseBefore) {
  // Four at once through one connection: they wait 0, 5, 10 and 15 ms; the next burst comes when they are done.
  std::vector<UseOfConnection> uses;
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k < 4; ++k) uses.push_back({Instant(milliseconds(1000 + 100 * i)), milliseconds(5)});
  }
  const SizingOutcome one = replay_uses(uses, milliseconds(1), config_of(1));
  EXPECT_NEAR(static_cast<double>(one.wait_p99_ns), 15e6, 1.2e6);
  const SizingAdvice advice = advise_size(uses, milliseconds(1), config_of(2));
  EXPECT_EQ(advice.recommended, 4U);
  ASSERT_EQ(advice.outcomes.size(), 3U);
  EXPECT_EQ(advice.outcomes[1].max_size, 2U);
  EXPECT_NE(advice.reason.find("4 would bring"), std::string::npos) << advice.reason;
}

TEST(PoolSizing, KeepsASizeThatIsRight) {
  EXPECT_EQ(advise_size(bursts(4, 100), milliseconds(1), config_of(4)).recommended, 4U);
}

TEST(PoolSizing, SaysWhenItHasSeenTooLittle) {
  const SizingAdvice advice = advise_size(bursts(1, 5), milliseconds(1), config_of(8));
  EXPECT_EQ(advice.recommended, 8U);
  EXPECT_TRUE(advice.outcomes.empty());
  EXPECT_NE(advice.reason.find("only 5 uses"), std::string::npos);
}

TEST(UseTrace, KeepsTheLastOnesInOrder) {
  UseTrace trace;
  for (std::size_t i = 0; i < UseTrace::capacity + 10; ++i) {
    const Instant begun{milliseconds(i)};
    trace.add(begun, begun + milliseconds(2));
  }
  const auto uses = trace.uses();
  ASSERT_EQ(uses.size(), UseTrace::capacity);
  EXPECT_EQ(uses.front().begun, Instant(milliseconds(10)));
  EXPECT_EQ(uses.front().held, milliseconds(2));
  EXPECT_EQ(uses.back().begun, Instant(milliseconds(UseTrace::capacity + 9)));
}

}  // namespace
}  // namespace marketprism::monitor
