// Rate limiter, weight window, connect budget, backoff, circuit breaker, retry budget.
#include <algorithm>

#include <gtest/gtest.h>

#include "marketprism/pool/backoff.hpp"
#include "marketprism/pool/circuit_breaker.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/pool/rate_limiter.hpp"
#include "marketprism/pool/retry_budget.hpp"

namespace marketprism::pool {
namespace {

using namespace std::chrono_literals;

constexpr Instant start{Nanoseconds(1'000'000'000)};

TEST(TokenBucket, GivesTheBurstAtOnceAndThenTheRate) {
  TokenBucket bucket({5, 1s, 3});
  EXPECT_TRUE(bucket.try_take(start) && bucket.try_take(start) && bucket.try_take(start));
  EXPECT_FALSE(bucket.try_take(start));
  EXPECT_EQ(bucket.ready_at(start), start + 200ms);
  EXPECT_FALSE(bucket.try_take(start + 199ms));
  EXPECT_TRUE(bucket.try_take(start + 200ms));
  EXPECT_FALSE(bucket.try_take(start + 200ms));
}

TEST(TokenBucket, NeverExceedsBurstPlusRateInAnyInterval) {
  Random random(7);
  TokenBucket bucket({7, 1s, 4});
  std::vector<Instant> taken;
  Instant now = start;
  for (int i = 0; i < 20'000; ++i) {
    now += Nanoseconds(random.between(0, 100'000'000));
    if (bucket.try_take(now)) taken.push_back(now);
  }
  ASSERT_GT(taken.size(), 1'000U);
  for (std::size_t i = 0; i + 11 < taken.size(); ++i)
    EXPECT_GE(taken[i + 11] - taken[i], 1s);  // 4 + 7 in a second at most
}

TEST(TokenBucket, OverdrawingIsPaidBackAndAPenaltyHolds) {
  TokenBucket bucket({10, 1s, 1});
  bucket.take(start, 5);
  EXPECT_EQ(bucket.ready_at(start), start + 500ms);
  bucket.penalize(start + 3s);
  bucket.penalize(start + 2s);
  EXPECT_EQ(bucket.ready_at(start + 1s), start + 3s);
  EXPECT_TRUE(bucket.try_take(start + 3s));
}

TEST(TokenBucket, WithoutALimitOnlyAPenaltyStops) {
  TokenBucket bucket(RateConfig{});
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(bucket.try_take(start, 1'000));
  bucket.penalize(start + 1s);
  EXPECT_FALSE(bucket.try_take(start));
}

TEST(WeightWindow, KeepsTheSumWithinTheLimitInEveryInterval) {
  Random random(3);
  WeightWindow window({100, 1s});
  std::vector<std::pair<Instant, std::uint32_t>> taken;
  Instant now = start;
  for (int i = 0; i < 5'000; ++i) {
    now += Nanoseconds(random.between(0, 40'000'000));
    const auto weight = static_cast<std::uint32_t>(random.between(1, 30));
    if (window.try_take(now, weight)) taken.emplace_back(now, weight);
  }
  ASSERT_GT(taken.size(), 500U);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    std::uint64_t sum = 0;
    for (std::size_t k = i; k < taken.size() && taken[k].first - taken[i].first < 1s; ++k) sum += taken[k].second;
    EXPECT_LE(sum, 100U);
  }
}

TEST(WeightWindow, TellsWhenThereIsRoomAgain) {
  WeightWindow window({100, 16s});
  EXPECT_TRUE(window.try_take(start, 60));
  EXPECT_TRUE(window.try_take(start + 5s, 40));
  const Instant ready = window.ready_at(start + 5s, 30);
  EXPECT_GT(ready, start + 16s - 1ns);
  EXPECT_LE(ready, start + 18s);
  EXPECT_FALSE(window.try_take(ready - 1ns, 30));
  EXPECT_TRUE(window.try_take(ready, 30));
}

TEST(WeightWindow, BelievesTheVenueWhenItHasCountedMore) {
  WeightWindow window({100, 1s});
  EXPECT_TRUE(window.try_take(start, 10));
  window.observe(start, 95);
  EXPECT_FALSE(window.try_take(start, 10));
  window.observe(start, 20);  // late news of an earlier count
  EXPECT_EQ(window.used(start), 95U);
  EXPECT_TRUE(window.try_take(start + 2s, 100));
}

TEST(WeightWindow, AWeightOverTheLimitPassesAloneWhenNothingElseIsCounted) {
  WeightWindow window({10, 1s});
  EXPECT_TRUE(window.try_take(start, 50));
  EXPECT_FALSE(window.try_take(start + 500ms, 1));
  EXPECT_TRUE(window.try_take(start + 1100ms, 1));
}

TEST(ConnectBudget, IsATokenBucketForAll) {
  ConnectBudget budget({300, 300s, 2});
  EXPECT_TRUE(budget.try_take(start) && budget.try_take(start));
  EXPECT_FALSE(budget.try_take(start));
  EXPECT_EQ(budget.ready_at(start), start + 1s);
  EXPECT_TRUE(budget.try_take(start + 1s));
  EXPECT_TRUE(ConnectBudget(RateConfig{}).try_take(start));
}

TEST(Backoff, GrowsToItsCapWithFullJitter) {
  Random random(1);
  Backoff backoff({100ms, 1s, 10ms});
  const Nanoseconds ceilings[] = {100ms, 200ms, 400ms, 800ms, 1s, 1s, 1s};
  for (const auto ceiling : ceilings) {
    EXPECT_EQ(backoff.ceiling(), ceiling);
    const auto delay = backoff.next(random);
    EXPECT_GE(delay, 10ms);
    EXPECT_LE(delay, ceiling);
  }
  for (int i = 0; i < 200; ++i) EXPECT_LE(backoff.next(random), 1s);  // no overflow however often it fails
  backoff.reset();
  EXPECT_EQ(backoff.ceiling(), 100ms);
}

TEST(Backoff, UsesTheWholeRange) {
  Random random(1);
  Nanoseconds least = 1s;
  Nanoseconds most = 0s;
  for (int i = 0; i < 2'000; ++i) {
    Backoff backoff({1s, 10s, 0ms});
    const auto delay = backoff.next(random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, 10ms);
  EXPECT_GT(most, 990ms);
}

TEST(CircuitBreaker, OpensProbesAndCloses) {
  CircuitBreaker breaker({3, 1s, 4s, 1, 2});
  for (int i = 0; i < 3; ++i) breaker.failed(breaker.allow(start).value(), start);
  EXPECT_EQ(breaker.state(start), CircuitBreaker::State::open);
  EXPECT_FALSE(breaker.allow(start + 999ms));
  auto probe = breaker.allow(start + 1s);
  EXPECT_FALSE(breaker.allow(start + 1s));  // one at once
  breaker.failed(probe.value(), start + 1s);
  EXPECT_EQ(breaker.open_until(), start + 3s);  // twice as long
  probe = breaker.allow(start + 3s);
  breaker.abandoned(probe.value());
  for (int i = 0; i < 2; ++i) breaker.succeeded(breaker.allow(start + 3s).value());
  EXPECT_EQ(breaker.state(start + 3s), CircuitBreaker::State::closed);
  EXPECT_EQ(breaker.openings(), 2U);
}

TEST(CircuitBreaker, ASuccessForgivesEarlierFailures) {
  CircuitBreaker breaker({2, 1s, 4s, 1, 1});
  for (int i = 0; i < 10; ++i) {
    breaker.failed(breaker.allow(start).value(), start);
    breaker.succeeded(breaker.allow(start).value());
  }
  EXPECT_EQ(breaker.state(start), CircuitBreaker::State::closed);
}

TEST(CircuitBreaker, DoesNotHearCallsFromBeforeItOpened) {
  CircuitBreaker breaker({1, 1s, 4s, 1, 1});
  const auto late_failure = breaker.allow(start), late_success = breaker.allow(start),
             late_cancel = breaker.allow(start);
  breaker.failed(breaker.allow(start).value(), start);
  const auto probe = breaker.allow(start + 1s);
  breaker.failed(late_failure.value(), start + 1s);
  breaker.abandoned(late_cancel.value());
  EXPECT_FALSE(breaker.allow(start + 1s));  // the probe is still out
  breaker.succeeded(late_success.value());
  EXPECT_EQ(breaker.state(start + 1s), CircuitBreaker::State::half_open);
  breaker.succeeded(probe.value());
  EXPECT_EQ(breaker.state(start + 1s), CircuitBreaker::State::closed);
  EXPECT_EQ(breaker.openings(), 1U);
}

TEST(CircuitBreaker, TheLongestTimesDoNotOverflow) {
  CircuitBreaker breaker({1, Nanoseconds::max() / 3 * 2, Nanoseconds::max(), 1, 1});
  breaker.failed(breaker.allow(start + 1h).value(), start + 1h);
  breaker.failed(breaker.allow(breaker.open_until()).value(), start + 1h);
  EXPECT_EQ(breaker.open_until(), Instant::max());
}

TEST(RetryBudget, IsAShareOfTheActiveWithAFloor) {
  RetryBudget budget;
  EXPECT_TRUE(budget.try_take(0) && budget.try_take(0) && budget.try_take(0));
  EXPECT_FALSE(budget.try_take(15));
  EXPECT_TRUE(budget.try_take(20));
  EXPECT_EQ(budget.in_flight(), 4U);
  budget.give_back();
  budget.give_back();
  EXPECT_TRUE(budget.try_take(0));
  EXPECT_EQ(budget.refused(), 1U);
  EXPECT_EQ(budget.limit(1'000), 200U);
}

}  // namespace
}  // namespace marketprism::pool
