#include "marketprism/pool/permit_ledger.hpp"

#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/pool/lease_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

struct Notices final : PermitListener {
  std::atomic<int> granted{0};
  std::atomic<int> shortage{0};
  void permit_notice(PermitNotice notice) override { (notice == PermitNotice::granted ? granted : shortage)++; }
};

TEST(PermitLedger, GivesWhatThereIsAndPutsTheRestInLine) {
  PermitLedger ledger(2);
  std::array<std::shared_ptr<Notices>, 3> notices;
  std::array<std::uint32_t, 3> member{};
  for (std::size_t i = 0; i < 3; ++i) member[i] = ledger.join(notices[i] = std::make_shared<Notices>());
  EXPECT_TRUE(ledger.try_take(member[0]));
  EXPECT_TRUE(ledger.try_take(member[0]));
  EXPECT_FALSE(ledger.try_take(member[1]));
  EXPECT_FALSE(ledger.try_take(member[2]));
  EXPECT_EQ(notices[0]->shortage, 2);  // who holds permits is asked for one
  EXPECT_TRUE(ledger.has_waiting());
  ledger.give_back(member[0]);
  EXPECT_EQ(notices[1]->granted, 1);
  EXPECT_FALSE(ledger.try_take(member[0]));  // no jumping the line
  EXPECT_TRUE(ledger.try_take(member[1]));
  ledger.give_back(member[0]);
  EXPECT_EQ(notices[2]->granted, 1);
  ledger.withdraw(member[2]);  // does not want it any more: it goes on to the next in line
  EXPECT_EQ(notices[0]->granted, 1);
  EXPECT_TRUE(ledger.try_take(member[0]));
  ledger.give_back(member[0]);
  ledger.give_back(member[1]);
  EXPECT_EQ(ledger.available(), 2U);
  EXPECT_FALSE(ledger.has_waiting());
}

TEST(PermitLedger, GivesASparePermitOnlyWhileNobodyNeedsIt) {
  PermitLedger ledger(2);
  const auto notices = std::make_shared<Notices>();
  const auto first = ledger.join(notices);
  const auto second = ledger.join(std::make_shared<Notices>());
  EXPECT_TRUE(ledger.try_take_spare(first));
  EXPECT_TRUE(ledger.try_take_spare(first));
  EXPECT_FALSE(ledger.try_take_spare(second));
  EXPECT_FALSE(ledger.has_waiting());
  EXPECT_EQ(notices->shortage, 0);
  EXPECT_FALSE(ledger.try_take(second));
  ledger.give_back(first);
  EXPECT_FALSE(ledger.try_take_spare(first));  // it is reserved for the one in line
  EXPECT_TRUE(ledger.try_take(second));
  ledger.resize(1);
  ledger.give_back(first);
  EXPECT_FALSE(ledger.try_take_spare(first));  // it has ceased to be
  ledger.give_back(second);
  EXPECT_TRUE(ledger.try_take_spare(first));
  ledger.give_back(first);
}

// A shortage is announced to those who hold permits. One who gets his later was not told of those in line already, and
// kept the permit for ever as long as he was busy.
TEST_F(LeasePoolTest, GivesAPermitUpToThoseWhoWaitedBeforeItHadIt) {
  PermitLedger ledger(1);
  const std::uint32_t first = ledger.join(nullptr), ours = ledger.join(nullptr), last = ledger.join(nullptr);
  pool_ = std::make_unique<LeasePool>(config_, endpoints_);
  pool_->use_ledger(ledger, ours);
  pool_->start(now_);
  ASSERT_TRUE(ledger.try_take(first));
  wait();
  EXPECT_TRUE(dials_.empty());
  EXPECT_FALSE(ledger.try_take(last));
  ledger.give_back(first);
  pool().permit_notice(PermitNotice::granted, now_);
  take();
  finish_dial();
  ASSERT_EQ(grants_.size(), 1U);
  EXPECT_TRUE(pool().release(grants_[0].connection, now_));
  take();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].reason, CloseReason::evicted);
  EXPECT_TRUE(ledger.try_take(last));
  ledger.give_back(last);
}

TEST(PermitLedger, GrowsAndShrinksWhilePermitsAreOut) {
  PermitLedger ledger(3);
  const auto notices = std::make_shared<Notices>();
  const auto first = ledger.join(notices);
  const auto second = ledger.join(std::make_shared<Notices>());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ledger.try_take(first));
  ledger.resize(1);
  EXPECT_EQ(ledger.surplus(), 2U);
  EXPECT_TRUE(ledger.is_short());
  EXPECT_EQ(notices->shortage, 2);
  for (int i = 0; i < 2; ++i) ledger.give_back(first);
  EXPECT_EQ(ledger.available(), 0U);
  EXPECT_FALSE(ledger.is_short());
  EXPECT_FALSE(ledger.try_take(second));
  ledger.resize(2);
  EXPECT_TRUE(ledger.try_take(second));  // the new permit was reserved for it
  ledger.give_back(first);
  ledger.give_back(second);
  EXPECT_EQ(ledger.available(), 2U);
  ledger.resize(5);
  EXPECT_EQ(ledger.available(), 5U);
  ledger.resize(4);
  EXPECT_EQ(ledger.available(), 4U);
  EXPECT_EQ(ledger.surplus(), 0U);
}

// A pool with nothing idle gives the surplus up when it is returned.
TEST_F(LeasePoolTest, GivesBackWhatIsOverASmallerLedger) {
  PermitLedger ledger(2);
  const auto notices = std::make_shared<Notices>();
  pool_ = std::make_unique<LeasePool>(config_, endpoints_);
  pool_->use_ledger(ledger, ledger.join(notices));
  pool_->start(now_);
  for (int i = 0; i < 2; ++i) {
    wait();
    finish_dial();
  }
  ASSERT_EQ(grants_.size(), 2U);
  ledger.resize(1);
  for (; notices->shortage > 0; --notices->shortage) pool().permit_notice(PermitNotice::shortage, now_);
  EXPECT_TRUE(pool().release(grants_[0].connection, now_));
  EXPECT_TRUE(pool().release(grants_[1].connection, now_));
  take();
  EXPECT_EQ(closed_.size(), 1U);
  EXPECT_EQ(pool().gauges().idle, 1U);
  EXPECT_EQ(ledger.surplus(), 0U);
}

TEST_F(LeasePoolTest, ClosesWhatIsIdleAtACall) {
  wait();
  const auto used = finish_dial();
  wait();
  finish_dial();
  EXPECT_TRUE(pool().release(used, now_));
  take();
  EXPECT_EQ(pool().close_idle(now_), 1U);
  take();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].connection, used);
  EXPECT_EQ(pool().close_idle(now_), 0U);
  EXPECT_EQ(pool().size(), 1U);
}

TEST(PermitLedger, RefusesMoreMembersThanItHasRoomFor) {
  PermitLedger ledger(1, 1);
  const auto member = ledger.join(nullptr);
  EXPECT_NE(member, PermitLedger::no_member);
  EXPECT_EQ(ledger.join(nullptr), PermitLedger::no_member);
  ledger.leave(member);
  EXPECT_EQ(ledger.join(nullptr), member);
}

// Threads that take and give back as they can: never more out than there are, none lost, none left waiting.
TEST(PermitLedger, NeverGivesOutMoreThanItHasNorLosesOne) {
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  PermitLedger ledger(2);
  std::atomic<int> out{0};
  std::atomic<bool> was_exceeded{false};
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    const std::uint32_t member = ledger.join(std::make_shared<Notices>());
    running.emplace_back([&, member] {
      for (int k = 0; k < rounds;) {
        if (!(k % 3 == 0 ? ledger.try_take_spare(member) : ledger.try_take(member))) {
          // Whoever asks for spare ones only must not keep one that came to it from the line.
          if (k % 7 == 0 || k % 3 == 0) ledger.withdraw(member);
          std::this_thread::yield();
          continue;
        }
        if (++out > 2) was_exceeded = true;
        --out;
        ledger.give_back(member);
        ++k;
      }
      ledger.withdraw(member);
    });
  }
  for (auto& thread : running) thread.join();
  EXPECT_FALSE(was_exceeded);
  EXPECT_EQ(ledger.available(), 2U);
  EXPECT_FALSE(ledger.has_waiting());
}

TEST(PermitLedger, LosesNothingWhileItIsResized) {
  constexpr int threads = 3;
  constexpr int rounds = 10'000;
  PermitLedger ledger(3);
  std::vector<std::thread> running;
  std::atomic<int> at_work{threads};
  for (int i = 0; i < threads; ++i) {
    const std::uint32_t member = ledger.join(std::make_shared<Notices>());
    running.emplace_back([&, member] {
      for (int k = 0; k < rounds;) {
        if (!ledger.try_take(member)) {
          std::this_thread::yield();
          continue;
        }
        ledger.give_back(member);
        ++k;
      }
      ledger.withdraw(member);
      --at_work;
    });
  }
  for (std::uint32_t total = 1; at_work > 0; total = total % 4 + 1) ledger.resize(total);
  for (auto& thread : running) thread.join();
  EXPECT_EQ(ledger.available(), ledger.total());
  EXPECT_EQ(ledger.surplus(), 0U);
  EXPECT_FALSE(ledger.is_short());
}

}  // namespace
}  // namespace marketprism::pool
