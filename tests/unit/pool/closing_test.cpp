// A connection keeps its place in the pool, and its permit, until its socket is closed.
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/permit_ledger.hpp"
#include "tests/unit/pool/lease_pool_fixture.hpp"
#include "tests/unit/pool/slot_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

struct Inbox final : PermitListener {
  void permit_notice(PermitNotice notice) override { notices.push_back(notice); }
  std::vector<PermitNotice> notices;
};

class LeasePoolClosingTest : public LeasePoolTest {
 protected:
  LeasePoolClosingTest() {
    closes_at_once_ = false;
    config_.max_size = 1;
    config_.close_timeout = 2s;
  }

  void begin_with_ledger() {
    pool_ = std::make_unique<LeasePool>(config_, endpoints_);
    other_ = ledger_.join(others_inbox_);
    member_ = ledger_.join(inbox_);
    pool_->use_ledger(ledger_, member_);
    pool_->start(now_);
  }

  PermitLedger ledger_{1};
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::shared_ptr<Inbox> others_inbox_ = std::make_shared<Inbox>();
  std::uint32_t member_ = 0;
  std::uint32_t other_ = 0;
};

TEST_F(LeasePoolClosingTest, ADialWaitsForTheSocketWhosePlaceItTakes) {
  const auto broken = lent();
  wait();
  EXPECT_TRUE(pool().release_broken(broken, now_));
  take();
  EXPECT_TRUE(dials_.empty());
  EXPECT_EQ(pool().gauges().size, 0U);
  EXPECT_EQ(pool().gauges().closing, 1U);
  finish_closes();
  EXPECT_EQ(dials_.size(), 1U);
  EXPECT_EQ(pool().gauges().closing, 0U);
  EXPECT_FALSE(pool().closed(broken, now_)) << "told twice";
}

TEST_F(LeasePoolClosingTest, ACloseThatTakesTooLongIsCutOnce) {
  const auto broken = lent();
  const auto waiter = wait();
  EXPECT_TRUE(pool().release_broken(broken, now_));
  take();
  EXPECT_LE(pool().wake_at(), now_ + 2s);
  pass(2s - 1ns);
  EXPECT_TRUE(cut_.empty());
  pass(1ns);
  ASSERT_EQ(cut_.size(), 1U);
  EXPECT_EQ(cut_[0], broken);
  pass(5s);
  EXPECT_EQ(cut_.size(), 1U);
  finish_closes();
  finish_dial();
  ASSERT_EQ(grants_.size(), 1U);
  EXPECT_EQ(grants_[0].waiter, waiter);
}

TEST_F(LeasePoolClosingTest, ATimeOutTellsWhatItWaitedFor) {
  const auto broken = lent();
  wait(1s);
  EXPECT_TRUE(pool().release_broken(broken, now_));
  pass(1s);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_NE(errors_[0].message.find("1 being closed"), std::string::npos) << errors_[0].message;
}

TEST_F(LeasePoolClosingTest, ADialThatIsGivenUpKeepsItsPlaceUntilNothingOfItIsOpen) {
  wait();
  ASSERT_EQ(dials_.size(), 1U);
  dials_.clear();
  EXPECT_TRUE(pool().set_endpoints({{"other", 443, true, "", 0, 1}}, now_));
  take();
  EXPECT_EQ(aborted_.size(), 1U);
  EXPECT_TRUE(dials_.empty());
  finish_closes();
  EXPECT_EQ(dials_.size(), 1U);
}

TEST_F(LeasePoolClosingTest, APermitComesBackWhenTheSocketIsClosed) {
  begin_with_ledger();
  const auto broken = lent();
  EXPECT_TRUE(pool().release_broken(broken, now_));
  take();
  EXPECT_EQ(ledger_.held(member_), 1U);
  EXPECT_FALSE(ledger_.try_take(other_));
  finish_closes();
  EXPECT_EQ(ledger_.held(member_), 0U);
  EXPECT_TRUE(ledger_.try_take(other_));
}

TEST_F(LeasePoolClosingTest, NobodyIsAskedForAPermitWhileOurOwnIsComing) {
  ledger_.resize(2);
  config_.max_size = 2;
  begin_with_ledger();
  ASSERT_TRUE(ledger_.try_take(other_));
  const auto broken = lent();
  EXPECT_TRUE(pool().release_broken(broken, now_));
  wait();
  EXPECT_TRUE(dials_.empty());
  EXPECT_TRUE(others_inbox_->notices.empty());
  finish_closes();
  EXPECT_EQ(dials_.size(), 1U);
  EXPECT_TRUE(others_inbox_->notices.empty());
}

TEST_F(LeasePoolClosingTest, OthersAreAskedWhenOurOwnPermitWentElsewhere) {
  ledger_.resize(2);
  config_.max_size = 2;
  begin_with_ledger();
  const auto thirds_inbox = std::make_shared<Inbox>();
  const std::uint32_t third = ledger_.join(thirds_inbox);
  ASSERT_TRUE(ledger_.try_take(third));
  const auto broken = lent();
  EXPECT_FALSE(ledger_.try_take(other_));
  thirds_inbox->notices.clear();
  EXPECT_TRUE(pool().release_broken(broken, now_));
  wait();
  EXPECT_TRUE(thirds_inbox->notices.empty());
  finish_closes();
  EXPECT_TRUE(dials_.empty());
  EXPECT_TRUE(ledger_.try_take(other_)) << "it was first";
  EXPECT_EQ(thirds_inbox->notices, std::vector{PermitNotice::shortage});
}

TEST_F(LeasePoolClosingTest, OnePermitThatIsWantedCostsOneConnection) {
  ledger_.resize(2);
  config_.max_size = 2;
  begin_with_ledger();
  const auto first = lent();
  const auto second = lent();
  EXPECT_FALSE(ledger_.try_take(other_));
  now_ += 1s;
  for (const auto notice : std::exchange(inbox_->notices, {})) pool().permit_notice(notice, now_);
  EXPECT_TRUE(pool().release(first, now_));
  EXPECT_TRUE(pool().release(second, now_));
  take();
  EXPECT_EQ(closed_.size(), 1U) << "the permit of the first is on its way";
  finish_closes();
  EXPECT_TRUE(ledger_.try_take(other_));
  EXPECT_EQ(pool().gauges().idle, 1U);
}

TEST_F(LeasePoolClosingTest, AHeldConnectionKeepsItsPermitUntilTheDrainHasCutIt) {
  begin_with_ledger();
  const auto held = lent();
  pool().drain(now_, now_);
  take();
  ASSERT_TRUE(drained_);
  EXPECT_EQ(ledger_.held(member_), 1U);
  EXPECT_TRUE(pool().closed(held, now_));
  EXPECT_EQ(ledger_.held(member_), 0U);
  EXPECT_TRUE(pool().release(held, now_));
  take();
  EXPECT_FALSE(pool().closed(held, now_));
}

class SlotPoolClosingTest : public SlotPoolTest {
 protected:
  SlotPoolClosingTest() {
    closes_at_once_ = false;
    config_.close_timeout = 2s;
  }
};

TEST_F(SlotPoolClosingTest, ADialWaitsForTheSocketWhosePlaceItTakes) {
  config_.max_size = 1;
  begin();
  place(1);
  bring_up();
  pool_->lost(up_[0].connection, now_);
  pass();
  EXPECT_TRUE(dials_.empty());
  EXPECT_EQ(pool_->stats(now_).gauges.closing, 1U);
  EXPECT_LE(pool_->wake_at(), now_ + 2s);
  finish_closes();
  pass();
  EXPECT_EQ(dials_.size(), 1U);
}

TEST_F(SlotPoolClosingTest, ARotationWaitsForTheSocketOfTheOneBefore) {
  config_.max_size = 1;
  begin();
  place(1);
  bring_up();
  pool_->closing(up_[0].connection, now_);
  bring_up();
  ASSERT_EQ(pool_->slot_stats().rotations, 1U);
  pool_->closing(pool_->carrier_of(up_[1].stream), now_);
  pass();
  EXPECT_TRUE(dials_.empty());
  EXPECT_GT(pool_->wake_at(), now_);
  finish_closes();
  pass();
  EXPECT_EQ(dials_.size(), 1U);
  EXPECT_TRUE(down_.empty());
}

TEST_F(SlotPoolClosingTest, ACloseThatTakesTooLongIsCutAlsoAfterTheDrain) {
  begin();
  place(1);
  bring_up();
  pool_->drain(now_);
  take();
  EXPECT_EQ(pool_->wake_at(), now_ + 2s);
  pass(2s);
  EXPECT_EQ(cut_.size(), 1U);
  pass(2s);
  EXPECT_EQ(cut_.size(), 1U);
  finish_closes();
}

}  // namespace
}  // namespace marketprism::pool
