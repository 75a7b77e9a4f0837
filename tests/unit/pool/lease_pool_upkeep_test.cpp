// Ages, checks, loss, cancellation, drain and resize of LeasePool.
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/lease_pool.hpp"
#include "tests/unit/pool/lease_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

// Defect of the original: FIFO reuse keeps every connection warm, the pool never shrinks.
TEST_F(LeasePoolTest, TheConnectionUsedLastIsReusedSoThatSurplusOnesAgeOut) {
  config_.max_idle_time = 10s;
  const auto a = lent();
  const auto b = lent();
  pool().release(a, now_);
  pool().release(b, now_);
  for (int i = 0; i < 9; ++i) {
    pass(1s);
    const auto again = pool().try_acquire(now_);
    EXPECT_EQ(again, b);
    pool().release(again, now_);
  }
  pass(1s);
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, a);
  EXPECT_EQ(closed_[0].reason, CloseReason::idle);
}

TEST_F(LeasePoolTest, LifetimesEndOnBorrowOnReturnAndWhileIdle) {
  config_.max_lifetime = 100s;
  config_.max_idle_time = 1000s;
  config_.health_check_interval = 0s;
  const auto a = lent();
  now_ += 100s;
  pool().release(a, now_);
  take();
  EXPECT_EQ(closed_.at(0).reason, CloseReason::lifetime);
  const auto b = lent();
  pool().release(b, now_);
  now_ += 100s;
  EXPECT_FALSE(pool().try_acquire(now_));
  take();
  EXPECT_EQ(closed_.at(1).reason, CloseReason::lifetime);
  const auto c = lent();
  pool().release(c, now_);
  EXPECT_LE(pool().wake_at(), now_ + 100s);
  pass(100s);
  EXPECT_EQ(closed_.at(2).connection, c);
}

TEST_F(LeasePoolTest, JitterShortensLifetimesByAtMostTwoAndAHalfPercent) {
  config_.max_size = config_.min_size = config_.max_connecting = 50;
  config_.lifetime_jitter = 0.025;
  config_.max_lifetime = 1000s;
  config_.max_idle_time = 5000s;
  config_.health_check_interval = 0s;
  pool();
  while (!dials_.empty() && pool().gauges().idle < 50) finish_dial(0s);
  pass(974s);
  EXPECT_TRUE(closed_.empty());
  pass(13s);
  EXPECT_GT(closed_.size(), 5U);  // spread, not all at once
  EXPECT_LT(closed_.size(), 45U);
  pass(13s);
  EXPECT_EQ(closed_.size(), 50U);
}

TEST_F(LeasePoolTest, ChecksRunOnIdleConnectionsOnlyAndBlockNobody) {
  config_.health_check_interval = 60s;
  config_.max_size = 3;
  const auto a = lent();
  const auto b = lent();
  pool().release(a, now_);
  pass(60s);
  ASSERT_EQ(checks_.size(), 1U);
  EXPECT_EQ(checks_[0], a);
  pool().release(b, now_);
  EXPECT_EQ(pool().try_acquire(now_), b);  // while a is being checked
  pool().checked(a, true, now_);
  take();
  EXPECT_EQ(pool().gauges().idle, 1U);
  pass(60s);
  ASSERT_EQ(checks_.size(), 2U);
  pool().checked(a, false, now_);
  take();
  EXPECT_EQ(closed_.at(0).reason, CloseReason::unhealthy);
  EXPECT_EQ(pool().counters().failed_checks, 1U);
}

TEST_F(LeasePoolTest, TheLastConnectionOfAFullPoolIsCheckedLater) {
  config_.max_size = 1;
  const auto a = lent();
  pool().release(a, now_);
  pass(179s);
  EXPECT_TRUE(checks_.empty());
  pass(1s);
  EXPECT_EQ(checks_.size(), 1U);
}

TEST_F(LeasePoolTest, HalfOfTheIdleConnectionsOfAFullPoolStayReadyDuringChecks) {
  config_.max_size = 6;
  std::vector<ConnectionHandle> all;
  for (int i = 0; i < 6; ++i) all.push_back(lent());
  for (const auto connection : all) pool().release(connection, now_);
  pass(60s);
  EXPECT_EQ(checks_.size(), 3U);
  EXPECT_EQ(pool().gauges().idle, 3U);
  for (const auto connection : std::exchange(checks_, {})) pool().checked(connection, true, now_);
  pass(0s);
  EXPECT_EQ(checks_.size(), 3U);  // then the others
}

// Checks that are answered as fast as a dial cost an acquire no more than that.
TEST_F(LeasePoolTest, AWaiterTakesTheConnectionWhoseCheckEnds) {
  config_.max_size = 1;
  pool().release(lent(), now_);
  pass(180s);
  ASSERT_EQ(checks_.size(), 1U);
  wait();
  pass(5ms);
  EXPECT_TRUE(closed_.empty());
  pool().checked(checks_[0], true, now_);
  take();
  ASSERT_EQ(grants_.size(), 1U);
  EXPECT_EQ(grants_[0].connection, checks_[0]);
}

TEST_F(LeasePoolTest, ACheckThatTakesLongerThanADialIsGivenUpForAWaiter) {
  config_.max_size = 1;
  wait();
  const ConnectionHandle slow = finish_dial(20ms);
  grants_.clear();
  pool().release(slow, now_);
  pass(180s);
  ASSERT_EQ(checks_.size(), 1U);
  pass(5ms);
  wait();
  EXPECT_TRUE(closed_.empty());
  EXPECT_EQ(pool().wake_at(), now_ + 15ms);
  pass(15ms);
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, slow);
  EXPECT_EQ(closed_[0].reason, CloseReason::evicted);
  ASSERT_EQ(dials_.size(), 1U);
  finish_dial();
  EXPECT_EQ(grants_.size(), 1U);
}

TEST_F(LeasePoolTest, ACheckOrADialThatNeverEndsIsGivenUp) {
  const auto a = lent();
  pool().release(a, now_);
  pass(60s);
  ASSERT_EQ(checks_.size(), 1U);
  pass(6s);
  EXPECT_EQ(closed_.at(0).reason, CloseReason::unhealthy);
  wait(100s);
  ASSERT_EQ(dials_.size(), 1U);
  const auto dial = dials_[0].connection;
  pass(12s);
  EXPECT_EQ(aborted_.at(0), dial);
  EXPECT_FALSE(pool().dialed(dial, now_));
}

TEST_F(LeasePoolTest, AConnectionThatDiesInUseIsFailedUntilReturned) {
  const auto a = lent();
  pool().died(a, now_);
  EXPECT_EQ(pool().gauges().failed, 1U);
  EXPECT_EQ(pool().connection(a, now_)->state, ConnectionState::failed);
  EXPECT_TRUE(pool().release(a, now_));
  take();
  EXPECT_EQ(closed_.at(0).reason, CloseReason::broken);
}

// Defect of the original: a cancelled acquire leaked its connection.
TEST_F(LeasePoolTest, ACancelledWaiterGetsNothing) {
  config_.max_size = 1;
  const auto connection = lent();
  const auto first = wait();
  const auto second = wait();
  EXPECT_TRUE(pool().cancel(first, now_));
  EXPECT_FALSE(pool().cancel(first, now_));
  pool().release(connection, now_);
  take();
  ASSERT_EQ(grants_.size(), 1U);
  EXPECT_EQ(grants_[0].waiter, second);
  EXPECT_FALSE(pool().cancel(second, now_));  // answered: to be returned instead
}

// Defect of the original: stop() closed borrowed connections, and acquire worked after it.
TEST_F(LeasePoolTest, DrainLetsLeasesEnd) {
  const auto a = lent();
  pool().drain(now_, now_ + 10s);
  take();
  EXPECT_TRUE(closed_.empty());
  EXPECT_FALSE(pool().wait(now_));
  EXPECT_FALSE(drained_);
  EXPECT_TRUE(pool().release(a, now_));
  take();
  EXPECT_EQ(closed_.at(0).reason, CloseReason::drained);
  ASSERT_TRUE(drained_);
  EXPECT_EQ(drained_->left, 0U);
}

TEST_F(LeasePoolTest, DrainCutsAndReportsWhatIsLeftAtTheDeadline) {
  const auto a = lent();
  wait();  // a dial runs
  pool().drain(now_, now_ + 10s);
  take();
  EXPECT_EQ(errors_.at(0).code, ErrorCode::closed);
  EXPECT_EQ(aborted_.size(), 1U);
  pass(10s);
  ASSERT_TRUE(drained_);
  EXPECT_EQ(drained_->left, 1U);
  EXPECT_EQ(broken_.at(0), a);
  EXPECT_EQ(pool().connection(a, now_)->state, ConnectionState::closed);
  EXPECT_TRUE(closed_.empty());  // not destroyed under its holder's feet
  EXPECT_TRUE(pool().release(a, now_));
  take();
  EXPECT_EQ(closed_.size(), 1U);
}

TEST_F(LeasePoolTest, ResizeClosesIdleSurplusNowAndActiveSurplusOnReturn) {
  config_.max_size = 4;
  const auto a = lent();
  const auto b = lent();
  const auto c = lent();
  pool().release(a, now_);
  EXPECT_TRUE(pool().resize(0, 1, now_));
  take();
  EXPECT_EQ(closed_.at(0).connection, a);
  pool().release(b, now_);
  take();
  EXPECT_EQ(closed_.at(1).connection, b);
  EXPECT_EQ(closed_[1].reason, CloseReason::evicted);
  pool().release(c, now_);
  take();
  EXPECT_EQ(pool().gauges().idle, 1U);
  EXPECT_FALSE(pool().resize(2, 1, now_));
}

// Seed 979158 of the simulation: the records of the connections move when a dial needs one more.
TEST_F(LeasePoolTest, AnAcquireThatRetiresAndDialsGivesTheRightConnection) {
  config_.max_lifetime = 100s;
  ConnectBudget budget({1, 20s, 2});
  pool_ = std::make_unique<LeasePool>(config_, endpoints_);
  pool_->use_connect_budget(budget);
  pool_->start(now_);
  const auto old = lent();
  now_ += 50s;
  const auto young = lent();
  pool().release(young, now_);
  pool().release(old, now_);
  while (budget.try_take(now_)) continue;
  ASSERT_TRUE(pool().resize(4, 4, now_));
  now_ += 50s;  // the old one must go, and the budget allows two dials
  EXPECT_EQ(pool().try_acquire(now_), young);
  take();
  EXPECT_EQ(closed_.at(0).connection, old);
  EXPECT_EQ(dials_.size(), 2U);
}

TEST_F(LeasePoolTest, WhatIsClosedAtACallIsDialledAnewUpToMinSize) {
  config_.max_size = 4;
  config_.min_size = 2;
  pool();
  for (int i = 0; i < 2; ++i) finish_dial();
  const auto held = pool().try_acquire(now_);
  wait();
  wait();  // takes the other idle one; one is dialled for this
  finish_dial();
  ASSERT_EQ(grants_.size(), 2U);
  for (const auto& grant : grants_) pool().release(grant.connection, now_);
  EXPECT_EQ(pool().gauges().idle, 2U);
  EXPECT_EQ(pool().close_idle(now_), 2U);
  take();
  EXPECT_EQ(closed_.size(), 2U);
  EXPECT_EQ(dials_.size(), 1U);  // with the one that is held there are two again
  finish_dial();
  EXPECT_EQ(pool().gauges().idle, 1U);
  EXPECT_EQ(pool().connection(held, now_)->state, ConnectionState::active);
}

// After a change of networks the dials fail at first; min_size is not forgotten over that.
TEST_F(LeasePoolTest, WhatIsClosedAtACallIsDialledAgainAfterFailures) {
  config_.min_size = 2;
  pool();
  for (int i = 0; i < 2; ++i) finish_dial();
  EXPECT_EQ(pool().close_idle(now_), 2U);
  take();
  for (int i = 0; i < 3; ++i) {
    while (!dials_.empty()) fail_dial();
    EXPECT_LE(pool().wake_at(), now_ + 5s);
    pass(5s);
  }
  ASSERT_EQ(dials_.size(), 2U);
  for (int i = 0; i < 2; ++i) finish_dial();
  EXPECT_EQ(pool().gauges().idle, 2U);
}

}  // namespace
}  // namespace marketprism::pool
