// Planned replacement of SlotPool's connections, and what may come in between.
#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "marketprism/pool/slot_pool.hpp"
#include "tests/unit/pool/slot_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

TEST_F(SlotPoolTest, RotatesWithOverlap) {
  begin();
  place(3);
  bring_up();
  const auto old = up_[0].connection;
  pass(3600s);
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_TRUE(closed_.empty());
  dials_succeed();
  EXPECT_TRUE(closed_.empty()) << "the old one carries until the new one is subscribed";
  up_.clear();
  confirm();
  ASSERT_EQ(up_.size(), 3U);
  for (const auto& up : up_) EXPECT_EQ(up.previous, old);
  EXPECT_TRUE(down_.empty());
  EXPECT_EQ(closed_.at(0).connection, old);
  EXPECT_EQ(closed_[0].reason, CloseReason::lifetime);
  EXPECT_EQ(pool_->slot_stats().rotations, 1U);
}

TEST_F(SlotPoolTest, AVenueThatAnnouncesTheEndIsObeyedAtOnce) {
  begin();
  place(1);
  bring_up();
  pool_->closing(up_[0].connection, now_);
  pass();
  EXPECT_EQ(dials_.size(), 1U);
}

TEST_F(SlotPoolTest, ARotationThatCannotFinishLeavesTheOldConnectionInPlace) {
  slots_.overlap_timeout = 5s;
  begin();
  place(2);
  bring_up();
  const auto old = up_[0].connection;
  pass(3600s);
  dials_succeed();
  ASSERT_EQ(asked_.size(), 1U);  // nobody answers
  asked_.clear();
  pass(config_.connect_timeout + 5s);
  EXPECT_TRUE(down_.empty());
  EXPECT_EQ(pool_->slot_stats().rotations_failed, 1U);
  EXPECT_EQ(pool_->slot_stats().up, 2U);
  EXPECT_TRUE(std::none_of(closed_.begin(), closed_.end(), [&](const SlotClose& c) { return c.connection == old; }));
}

// Nothing has moved when the dial fails: the pause between dials is all that has to be waited for.
TEST_F(SlotPoolTest, ARotationWhoseDialFailsIsTriedAgainAsSoonAsDialsMayBe) {
  begin();
  place(3);
  bring_up();
  pass(3600s);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(dials_.size(), 1U) << "after " << i << " failures";
    pool_->dial_failed(std::exchange(dials_, {})[0], Error{ErrorCode::connection_refused, "no", false, nullptr}, now_);
    pass();
    EXPECT_LE(pool_->wake_at(), now_ + 5s);
    pass(5s);  // longer than any pause
  }
  EXPECT_EQ(pool_->slot_stats().rotations_failed, 3U);
  bring_up();
  EXPECT_EQ(pool_->slot_stats().rotations, 1U);
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolTest, ARotationEndsWhenTheLastStreamOfTheOldConnectionIsRemoved) {
  begin();
  const auto streams = place(2);
  bring_up();
  const auto old = up_[0].connection;
  pass(3600s);
  dials_succeed();
  for (const auto stream : streams) EXPECT_TRUE(pool_->remove(stream, now_));
  pass();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, old);
  EXPECT_EQ(pool_->slot_stats().rotations, 1U);
  pass();
  EXPECT_EQ(ended_.size(), 2U);
}

TEST_F(SlotPoolTest, ARotationEndsWhenTheLastStreamOfTheOldConnectionIsRefused) {
  begin();
  place(1);
  bring_up();
  const auto old = up_[0].connection;
  pass(3600s);
  dials_succeed();
  ASSERT_EQ(asked_.size(), 1U);
  const Subscribe ask = asked_[0];
  pool_->refused(ask.connection, ask.streams[0], Error{ErrorCode::rejected, "delisted", true, nullptr}, now_);
  pass();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, old);
  EXPECT_EQ(ended_.size(), 1U);
}

// The one that was asked for on the old connection itself, while its replacement is being dialled.
TEST_F(SlotPoolTest, ARotationEndsWhenAStreamThatNeverCameUpIsRefused) {
  begin();
  place(1);
  pass();
  dials_succeed();
  ASSERT_EQ(asked_.size(), 1U);
  const Subscribe ask = asked_[0];
  pool_->closing(ask.connection, now_);
  pass();
  ASSERT_EQ(dials_.size(), 1U);
  pool_->refused(ask.connection, ask.streams[0], Error{ErrorCode::rejected, "delisted", true, nullptr}, now_);
  take();
  EXPECT_LE(pool_->wake_at(), now_);
  pass();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, ask.connection);
  dials_succeed();  // no longer a replacement, but good for what comes next
  EXPECT_EQ(pool_->slot_stats().connections, 1U);
  place(1);
  bring_up();
  EXPECT_EQ(up_.size(), 1U);
}

// It is not rotated but emptied, so the end of its life is nothing to wake for.
TEST_F(SlotPoolTest, ASurplusConnectionAtTheEndOfItsLifeDoesNotKeepThePoolAwake) {
  begin();
  const auto streams = place(6);
  bring_up();
  for (std::size_t i = 1; i < 6; i += 2) EXPECT_TRUE(pool_->remove(streams[i], now_));  // three are left, on two
  bring_up();
  ASSERT_EQ(pool_->connections(now_).size(), 2U);
  ASSERT_TRUE(pool_->resize(1, now_));
  pass();
  ASSERT_EQ(asked_.size(), 1U);  // the streams that move; not confirmed yet
  const auto surplus = pool_->carrier_of(asked_[0].streams[0]);
  pool_->closing(surplus, now_);
  pass();
  EXPECT_GT(pool_->wake_at(), now_ + 100ms);
  EXPECT_TRUE(dials_.empty());
  confirm();
  for (int i = 0; i < 5; ++i) pass(1s);
  EXPECT_EQ(pool_->connections(now_).size(), 1U);
  EXPECT_TRUE(down_.empty());
}

}  // namespace
}  // namespace marketprism::pool
