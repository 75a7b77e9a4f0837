// Endpoints that take a connection and cut it before it is of any use.
#include <utility>

#include <gtest/gtest.h>

#include "marketprism/pool/slot_pool.hpp"
#include "tests/unit/pool/slot_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

class SlotPoolFailoverTest : public SlotPoolTest {
 protected:
  /// The dial succeeds and the connection is lost at once; which endpoint it led to.
  std::uint32_t accept_and_cut() {
    const auto connection = std::exchange(dials_, {}).at(0);
    EXPECT_TRUE(pool_->dialed(connection, now_));
    const std::uint32_t endpoint = pool_->connections(now_).at(0).endpoint;
    pool_->lost(connection, now_);
    take();
    return endpoint;
  }
};

TEST_F(SlotPoolFailoverTest, AVenueThatAcceptsAndCutsIsDialledWithPauses) {
  config_.dial_backoff = {100ms, 5s, 0ms};
  begin();
  place(1);
  int dials = 0;
  for (const Instant end = now_ + 60s; now_ < end; now_ += 1ms) {
    pool_->tick(now_);
    take();
    if (dials_.empty()) continue;
    ++dials;
    accept_and_cut();
  }
  EXPECT_GT(dials, 10);
  EXPECT_LT(dials, 100);  // 60 s of pauses of up to 5 s, half of that in the mean
}

TEST_F(SlotPoolFailoverTest, TheNextEndpointIsTriedWhenOneAcceptsAndCuts) {
  endpoints_ = {{"primary", 443, true, "/ws", 0, 1}, {"standby", 443, true, "/ws", 1, 1}};
  begin();
  place(1);
  pass();
  EXPECT_EQ(accept_and_cut(), 0U);
  EXPECT_EQ(pool_->endpoints().consecutive_failures(0), 1U);
  pass();
  ASSERT_EQ(dials_.size(), 1U);  // without a pause
  dials_succeed();
  EXPECT_EQ(pool_->connections(now_).at(0).endpoint, 1U);
  confirm();
  EXPECT_EQ(up_.size(), 1U);
  for (int i = 0; i < 10; ++i) {  // each time the way back is tried it is cut again
    pass(1s);
    if (!dials_.empty()) {
      const auto back = std::exchange(dials_, {})[0];
      EXPECT_TRUE(pool_->dialed(back, now_));
      pool_->lost(back, now_);
      take();
    }
  }
  EXPECT_TRUE(pool_->endpoints().is_ejected(0, now_));
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolFailoverTest, AVenueThatConfirmsNothingHasFailed) {
  endpoints_ = {{"primary", 443, true, "/ws", 0, 1}, {"standby", 443, true, "/ws", 1, 1}};
  begin();
  place(1);
  pass();
  dials_succeed();
  asked_.clear();
  pass(slots_.subscribe_timeout);
  EXPECT_EQ(pool_->endpoints().consecutive_failures(0), 1U);
  dials_succeed();
  EXPECT_EQ(pool_->connections(now_).at(0).endpoint, 1U);
}

// Other connections to the same place carry streams, so the place is well.
TEST_F(SlotPoolFailoverTest, AStreamThatIsNeverConfirmedIsNotItsEndpointsFault) {
  slots_.streams_per_connection = 1;
  begin();
  place(1);
  bring_up();
  ASSERT_EQ(up_.size(), 1U);
  place(1);
  pass();
  dials_succeed();
  asked_.clear();
  pass(slots_.subscribe_timeout);
  EXPECT_EQ(closed_.at(0).reason, CloseReason::unhealthy);
  EXPECT_EQ(pool_->endpoints().consecutive_failures(0), 0U);
}

TEST_F(SlotPoolFailoverTest, WhatHasBeenOfUseIsDialledAgainAtOnce) {
  begin();
  place(1);
  for (int i = 0; i < 10; ++i) {
    bring_up();
    ASSERT_EQ(up_.size(), 1U);
    pool_->lost(std::exchange(up_, {})[0].connection, now_);
    pass();
    ASSERT_EQ(dials_.size(), 1U);
  }
  EXPECT_EQ(pool_->endpoints().consecutive_failures(0), 0U);
}

}  // namespace
}  // namespace marketprism::pool
