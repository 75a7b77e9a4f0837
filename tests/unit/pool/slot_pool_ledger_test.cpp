// A pool of slots over a ledger that other pools share: when it waits for a permit, and what it gives up for others.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/permit_ledger.hpp"
#include "marketprism/pool/slot_pool.hpp"
#include "tests/unit/pool/slot_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

struct Inbox final : PermitListener {
  void permit_notice(PermitNotice notice) override { notices.push_back(notice); }
  std::vector<PermitNotice> notices;
};

class SlotPoolLedgerTest : public SlotPoolTest {
 protected:
  SlotPoolLedgerTest() { other_ = ledger_.join(others_inbox_); }

  void begin_with(std::uint32_t permits) {
    ledger_.resize(permits);
    pool_ = std::make_unique<SlotPool>(config_, slots_, endpoints_);
    member_ = ledger_.join(inbox_);
    pool_->use_ledger(ledger_, member_);
    pool_->start(now_);
  }

  void hear() {
    for (const auto notice : std::exchange(inbox_->notices, {})) pool_->permit_notice(notice, now_);
    pass();
  }

  PermitLedger ledger_{1};
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::shared_ptr<Inbox> others_inbox_ = std::make_shared<Inbox>();
  std::uint32_t member_ = PermitLedger::no_member;
  std::uint32_t other_ = PermitLedger::no_member;
};

TEST_F(SlotPoolLedgerTest, StreamsWaitForAPermitInTurn) {
  begin_with(1);
  ASSERT_TRUE(ledger_.try_take(other_));
  place(1);
  pass();
  EXPECT_TRUE(dials_.empty());
  EXPECT_EQ(others_inbox_->notices, std::vector{PermitNotice::shortage});
  EXPECT_GT(pool_->wake_at(), now_) << "there is nothing to do until the permit comes";
  ledger_.give_back(other_);
  EXPECT_FALSE(ledger_.try_take(other_)) << "it is reserved for who was in line";
  ledger_.withdraw(other_);
  hear();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(ledger_.held(member_), 1U);
  bring_up();
  EXPECT_EQ(pool_->slot_stats().up, 1U);
}

TEST_F(SlotPoolLedgerTest, APermitIsHeldFromTheDialToTheEnd) {
  begin_with(2);
  place(1);
  pass();
  EXPECT_EQ(ledger_.available(), 1U);
  pool_->dial_failed(std::exchange(dials_, {})[0], Error{ErrorCode::connection_refused, "no", false, nullptr}, now_);
  EXPECT_EQ(ledger_.available(), 2U);
  pass(5s);
  bring_up();
  EXPECT_EQ(ledger_.available(), 1U);
  pool_->lost(up_[0].connection, now_);
  take();
  EXPECT_EQ(ledger_.available(), 2U);
  bring_up();
  pool_->drain(now_);
  take();
  EXPECT_EQ(ledger_.available(), 2U);
  pool_.reset();
}

TEST_F(SlotPoolLedgerTest, ARemovedStreamLeavesTheLine) {
  begin_with(1);
  ASSERT_TRUE(ledger_.try_take(other_));
  const auto streams = place(1);
  pass();
  EXPECT_TRUE(ledger_.has_waiting());
  pool_->remove(streams[0], now_);
  pass();
  EXPECT_FALSE(ledger_.has_waiting());
}

TEST_F(SlotPoolLedgerTest, APermitGrantedTooLateGoesToTheNext) {
  begin_with(1);
  ASSERT_TRUE(ledger_.try_take(other_));
  const auto streams = place(1);
  pass();
  ledger_.give_back(other_);
  EXPECT_EQ(ledger_.available(), 0U);
  pool_->remove(streams[0], now_);
  hear();
  EXPECT_TRUE(dials_.empty());
  EXPECT_EQ(ledger_.available(), 1U);
}

TEST_F(SlotPoolLedgerTest, WithoutAPermitForTheOverlapTheOldConnectionCarriesOn) {
  begin_with(1);
  place(3);
  bring_up();
  pass(3600s);
  EXPECT_TRUE(dials_.empty());
  EXPECT_GT(pool_->wake_at(), now_);
  pass(60s);
  EXPECT_TRUE(down_.empty() && closed_.empty()) << "nothing is broken to make room for what replaces it";
  EXPECT_TRUE(ledger_.has_waiting());
  ledger_.resize(2);
  hear();
  ASSERT_EQ(dials_.size(), 1U);
  bring_up();
  EXPECT_EQ(pool_->slot_stats().rotations, 1U);
  EXPECT_TRUE(down_.empty());
  EXPECT_EQ(ledger_.available(), 1U);
  EXPECT_FALSE(ledger_.has_waiting());
}

TEST_F(SlotPoolLedgerTest, WithoutAPermitForTheOverlapStreamsMoveToWhereThereIsRoom) {
  begin_with(2);
  auto streams = place(4);
  bring_up();
  ASSERT_EQ(pool_->slot_stats().connections, 2U);
  const auto old = pool_->carrier_of(streams[0]);
  pool_->remove(streams[1], now_);
  pool_->remove(streams[2], now_);
  bring_up();
  pool_->closing(old, now_);
  pass();
  EXPECT_TRUE(dials_.empty());
  bring_up();
  EXPECT_EQ(pool_->slot_stats().rotations, 1U);
  EXPECT_EQ(pool_->slot_stats().up, 2U);
  EXPECT_TRUE(down_.empty());
  EXPECT_EQ(ledger_.available(), 1U);
  EXPECT_FALSE(ledger_.has_waiting());
}

TEST_F(SlotPoolLedgerTest, OnlyAConnectionWithoutStreamsIsGivenUpForOthers) {
  begin_with(1);
  const auto streams = place(1);
  bring_up();
  EXPECT_FALSE(ledger_.try_take(other_));
  hear();
  EXPECT_TRUE(closed_.empty() && down_.empty());
  pool_->remove(streams[0], now_);
  pass();
  ASSERT_EQ(closed_.size(), 1U) << "as soon as nothing needs it any more";
  EXPECT_EQ(closed_[0].reason, CloseReason::evicted);
  EXPECT_TRUE(ledger_.try_take(other_));
}

TEST_F(SlotPoolLedgerTest, AnUnusedConnectionStaysWhenNobodyIsShortAnyMore) {
  begin_with(1);
  const auto streams = place(1);
  bring_up();
  EXPECT_FALSE(ledger_.try_take(other_));
  hear();
  ledger_.withdraw(other_);
  pass();
  pool_->remove(streams[0], now_);
  bring_up();
  EXPECT_TRUE(closed_.empty());
}

// A silent stream is kept off its connection, which others use; waiting for a permit for ever would leave it down.
TEST_F(SlotPoolLedgerTest, WithoutAPermitAStreamGoesBackToTheConnectionItLeft) {
  begin_with(1);
  const auto streams = place(2, 10s);
  bring_up();
  const auto first = pool_->carrier_of(streams[0]);
  for (int i = 0; i < 12; ++i) {
    now_ += 1s;
    pool_->message(first, streams[1], now_);
    pass();
  }
  ASSERT_EQ(down_.size(), 1U);
  bring_up();
  EXPECT_EQ(pool_->carrier_of(streams[0]), first);
  EXPECT_FALSE(ledger_.has_waiting());
}

// The only connection is of no use to the one stream that was silent on it, so its permit pays for another.
TEST_F(SlotPoolLedgerTest, AConnectionThatNothingGoesBackToIsGivenUpForANewOne) {
  begin_with(1);
  const auto streams = place(1, 10s);
  bring_up();
  const auto first = pool_->carrier_of(streams[0]);
  pass(12s);
  pass();
  hear();
  bring_up();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, first);
  EXPECT_FALSE(pool_->carrier_of(streams[0]) == first);
  EXPECT_EQ(pool_->slot_stats().up, 1U);
}

TEST_F(SlotPoolLedgerTest, GoingBackToABetterEndpointAsksNobodyForAPermit) {
  endpoints_.push_back({"standby", 443, true, "/ws", 1, 1});
  config_.ejection.consecutive_failures = 1;
  begin_with(1);
  place(1);
  pass();
  pool_->dial_failed(std::exchange(dials_, {})[0], Error{ErrorCode::connection_refused, "no", false, nullptr}, now_);
  pass();
  bring_up();
  EXPECT_EQ(pool_->connections(now_)[0].endpoint, 1U);
  for (int i = 0; i < 600; ++i) pass(1s);
  EXPECT_TRUE(dials_.empty());
  EXPECT_FALSE(ledger_.has_waiting());
  ledger_.resize(2);
  pass(1s);
  pass(1s);
  bring_up();
  EXPECT_EQ(pool_->connections(now_)[0].endpoint, 0U);
  EXPECT_TRUE(down_.empty());
}

// Streams that nothing carries come before those that are only to be moved.
TEST_F(SlotPoolLedgerTest, APermitGoesToStreamsThatAreDownFirst) {
  begin_with(1);
  place(3);
  bring_up();
  pass(3600s);
  place(1);
  pass();
  EXPECT_TRUE(dials_.empty());
  ledger_.resize(2);
  hear();
  dials_succeed();
  confirm();
  EXPECT_EQ(pool_->slot_stats().up, 4U);
}

}  // namespace
}  // namespace marketprism::pool
