#include "marketprism/pool/slot_pool.hpp"

#include <utility>

#include <gtest/gtest.h>

#include "tests/unit/pool/slot_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

TEST_F(SlotPoolTest, OpensAsFewConnectionsAsAreNeededAndAsksInBatches) {
  begin();
  place(4);
  pass();
  EXPECT_EQ(dials_.size(), 2U);
  dials_succeed();
  ASSERT_EQ(asked_.size(), 3U);  // 2 + 1 on the first, 1 on the second
  EXPECT_EQ(asked_[0].streams.size(), 2U);
  confirm();
  EXPECT_EQ(up_.size(), 4U);
  place(2);
  pass();
  EXPECT_TRUE(dials_.empty());  // there is room
  EXPECT_EQ(pool_->slot_stats().connections, 2U);
}

TEST_F(SlotPoolTest, RefusesMoreThanAllConnectionsCanCarry) {
  config_.max_size = 1;
  begin();
  place(3);
  const auto refused = pool_->place(now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
}

TEST_F(SlotPoolTest, TheLargestLimitsMeanNone) {
  for (Nanoseconds* time :
       {&config_.connect_timeout, &config_.max_idle_time, &config_.max_lifetime, &config_.failback_interval,
        &config_.dial_backoff.cap, &slots_.subscribe_timeout, &slots_.overlap_timeout, &config_.ejection.time,
        &config_.ejection.time_max, &config_.ejection.recovery, &config_.ejection.window}) {
    *time = Nanoseconds::max();
  }
  slots_.streams_per_connection = slots_.max_streams = slots_.streams_per_message = SIZE_MAX;
  endpoints_.push_back({"standby", 443, true, "/ws", 1, 1});
  begin();
  place(100);
  pass();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_GT(pool_->wake_at(), now_ + 1h);
  dials_succeed();
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_GT(pool_->wake_at(), now_ + 1h);
  pass(1h);
  EXPECT_TRUE(closed_.empty());
  confirm();
  EXPECT_EQ(up_.size(), 100U);
  pool_->closing(up_[0].connection, now_);
  pass();  // a rotation begins
  for (int i = 0; i < 5 && !dials_.empty(); ++i) {
    pool_->dial_failed(std::exchange(dials_, {})[0], Error{}, now_);
    pass();
  }
  EXPECT_TRUE(closed_.empty());
  EXPECT_TRUE(pool_->resize(2, now_));
}

TEST_F(SlotPoolTest, KeepsTheMessageRateOfAConnection) {
  slots_.streams_per_message = 1;
  slots_.messages = {2, 1s, 2};
  begin();
  place(3);
  pass();
  dials_succeed();
  EXPECT_EQ(asked_.size(), 2U);
  EXPECT_EQ(pool_->wake_at(), now_ + 500ms);
  pass(500ms);
  EXPECT_EQ(asked_.size(), 3U);
}

TEST_F(SlotPoolTest, MovesStreamsWhenTheirConnectionIsLost) {
  begin();
  place(3);
  bring_up();
  ASSERT_EQ(up_.size(), 3U);
  pool_->lost(up_[0].connection, now_);
  take();
  EXPECT_EQ(down_.size(), 3U);
  EXPECT_EQ(down_[0].why, "connection lost");
  bring_up();
  EXPECT_EQ(up_.size(), 6U);
  EXPECT_EQ(pool_->slot_stats().up, 3U);
  EXPECT_EQ(closed_.at(0).reason, CloseReason::broken);
}

TEST_F(SlotPoolTest, ASilentStreamIsAskedForElsewhere) {
  begin();
  const auto streams = place(4, 10s);
  bring_up();
  const auto from = pool_->carrier_of(streams[0]);
  std::vector<StreamHandle> quiet{streams[0]};
  for (int i = 0; i < 30; ++i) {
    for (std::size_t k = 1; k < streams.size(); ++k) pool_->message(pool_->carrier_of(streams[k]), streams[k], now_);
    pass(500ms);
  }
  confirm();
  EXPECT_NE(pool_->carrier_of(streams[0]), from);
  EXPECT_EQ(pool_->slot_stats().silent, 1U);
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolTest, AConnectionOfWhichAllStreamsFallSilentIsReplaced) {
  begin();
  place(3, 10s);
  bring_up();
  const auto from = up_[0].connection;
  pass(13s);
  EXPECT_EQ(closed_.at(0).connection, from);
  EXPECT_EQ(closed_[0].reason, CloseReason::unhealthy);
  EXPECT_EQ(down_.size(), 3U);
}

TEST_F(SlotPoolTest, WhatIsRefusedForGoodEndsTheRestIsAskedAgain) {
  begin();
  const auto streams = place(2);
  pass();
  dials_succeed();
  const auto connection = asked_.at(0).connection;
  pool_->refused(connection, streams[0], Error{ErrorCode::rejected, "unknown symbol", true, nullptr}, now_);
  pool_->refused(connection, streams[1], Error{ErrorCode::rate_limited, "slow down", false, nullptr}, now_);
  take();
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].error->message, "unknown symbol");
  asked_.clear();
  pass(slots_.subscribe_timeout);
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].streams[0], streams[1]);
}

TEST_F(SlotPoolTest, WhatIsNotConfirmedIsAskedForElsewhere) {
  begin();
  const auto streams = place(2);
  bring_up();
  const auto late = place(1);
  pass();
  ASSERT_EQ(asked_.size(), 1U);
  const auto first = asked_[0].connection;
  asked_.clear();
  pass(slots_.subscribe_timeout);
  EXPECT_EQ(pool_->slot_stats().not_confirmed, 1U);
  dials_succeed();
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_NE(asked_[0].connection, first);
  EXPECT_EQ(asked_[0].streams[0], late[0]);
}

TEST_F(SlotPoolTest, CountsWhatWentWrongOnAConnection) {
  begin();
  const auto streams = place(3);
  bring_up();
  const auto connection = up_[0].connection;
  EXPECT_EQ(pool_->connections(now_).at(0).errors, 0U);
  pool_->count_error(connection);
  pool_->resubscribe(streams[0], now_);
  pool_->resubscribe(streams[1], now_);
  pass();
  pool_->refused(connection, streams[0], Error{ErrorCode::rate_limited, "slow down", false, nullptr}, now_);
  EXPECT_EQ(pool_->connections(now_).at(0).errors, 2U);
  pass(slots_.subscribe_timeout);  // the other one is not confirmed
  EXPECT_EQ(pool_->connections(now_).at(0).errors, 3U);
  pool_->count_error(SlotConnection{});
}

TEST_F(SlotPoolTest, ARemovedStreamIsUnsubscribedBeforeItEnds) {
  begin();
  const auto streams = place(2);
  bring_up();
  EXPECT_TRUE(pool_->remove(streams[0], now_));
  EXPECT_FALSE(pool_->remove(streams[0], now_));
  take();
  EXPECT_TRUE(ended_.empty());
  pass();
  ASSERT_EQ(dropped_.size(), 1U);
  EXPECT_EQ(ended_.at(0).stream, streams[0]);
  EXPECT_FALSE(ended_[0].error);
}

TEST_F(SlotPoolTest, AskingAnewKeepsTheMessageRateAndTheOrder) {
  slots_.streams_per_message = 1;
  slots_.messages = {2, 1s, 2};
  begin();
  const auto streams = place(2);
  bring_up();
  ASSERT_EQ(up_.size(), 2U);
  pass(2s);
  for (const auto stream : streams) pool_->resubscribe(stream, now_);
  pool_->resubscribe(streams[0], now_);  // it is being asked for already
  pass();
  EXPECT_EQ(down_.size(), 2U);
  EXPECT_EQ(dropped_.size(), 2U);  // the bucket is empty now
  EXPECT_TRUE(asked_.empty());
  pass(1s);
  EXPECT_EQ(asked_.size(), 2U);
  confirm();
  EXPECT_EQ(up_.size(), 4U);
  EXPECT_EQ(up_[3].connection, up_[1].connection);
}

TEST_F(SlotPoolTest, AnEmptyConnectionIsClosedAfterTheIdleTime) {
  begin();
  const auto streams = place(1);
  bring_up();
  pool_->remove(streams[0], now_);
  pass();
  pass(299s);
  EXPECT_TRUE(closed_.empty());
  pass(1s);
  EXPECT_EQ(closed_.at(0).reason, CloseReason::idle);
}

TEST_F(SlotPoolTest, FailedDialsPauseAndGoOn) {
  begin();
  place(1);
  pass();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(dials_.size(), 1U);
    pool_->dial_failed(dials_[0], Error{ErrorCode::connection_refused, "no", false, nullptr}, now_);
    dials_.clear();
    pass();
    EXPECT_LE(pool_->wake_at(), now_ + 5s);
    pass(5s);
  }
  bring_up();
  EXPECT_EQ(up_.size(), 1U);
}

TEST_F(SlotPoolTest, UtilizationIsTheShareOfConnectionsInUseOverTime) {
  config_.max_idle_time = 1h;
  begin();
  pass(10s);
  const auto streams = place(6);
  bring_up();
  EXPECT_EQ(pool_->stats(now_).gauges.active, 2U);
  EXPECT_DOUBLE_EQ(pool_->stats(now_ + 10s).utilization_mean, 0.25);  // two of four, half of the time
  for (const auto stream : streams) pool_->remove(stream, now_);
  bring_up();
  EXPECT_EQ(pool_->stats(now_).gauges.idle, 2U);
  EXPECT_DOUBLE_EQ(pool_->stats(now_ + 90s).utilization_mean, 0.0);
}

TEST_F(SlotPoolTest, StreamsReturnToTheRecoveredPrimaryWithoutABreak) {
  endpoints_ = {{"primary", 443, true, "/ws", 0, 1}, {"standby", 443, true, "/ws", 1, 1}};
  begin();
  place(3);
  pass();
  pool_->dial_failed(dials_.at(0), Error{ErrorCode::connection_refused, "down", false, nullptr}, now_);
  dials_.clear();
  bring_up();
  ASSERT_EQ(up_.size(), 3U);
  EXPECT_EQ(pool_->connections(now_).at(0).endpoint, 1U);
  pass(1s);
  ASSERT_EQ(dials_.size(), 1U);
  dials_succeed();
  for (int i = 0; i < 10; ++i) {
    confirm();
    pass();
  }
  ASSERT_EQ(pool_->connections(now_).size(), 1U);
  EXPECT_EQ(pool_->connections(now_)[0].endpoint, 0U);
  EXPECT_EQ(closed_.at(0).reason, CloseReason::evicted);
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolTest, AShrunkPoolMovesTheStreamsOfSurplusConnectionsWithoutABreak) {
  begin();
  const auto streams = place(9);
  bring_up();
  ASSERT_EQ(pool_->connections(now_).size(), 3U);
  EXPECT_FALSE(pool_->resize(2, now_));                                    // nine do not fit
  for (std::size_t i = 0; i < 9; i += 2) pool_->remove(streams[i], now_);  // four are left, on three connections
  bring_up();
  ASSERT_TRUE(pool_->resize(2, now_));
  for (int i = 0; i < 5; ++i) {
    pass(10ms);
    confirm();
  }
  EXPECT_EQ(pool_->connections(now_).size(), 2U);
  EXPECT_EQ(pool_->slot_stats().up, 4U);
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolTest, AConnectionToAnEndpointThatIsGoneIsReplaced) {
  begin();
  place(3);
  bring_up();
  ASSERT_TRUE(pool_->set_endpoints({{"other", 443, true, "/ws", 0, 1}}, now_));
  pass();
  ASSERT_EQ(dials_.size(), 1U);
  bring_up();
  ASSERT_EQ(pool_->connections(now_).size(), 1U);
  EXPECT_EQ(pool_->connections(now_)[0].endpoint_name, "other:443");
  EXPECT_TRUE(down_.empty());
  EXPECT_FALSE(pool_->set_endpoints({}, now_));
}

}  // namespace
}  // namespace marketprism::pool
