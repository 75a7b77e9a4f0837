// Several pools over one ledger: what waiters may take of each other, and what min_size may not.
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/lease_pool.hpp"
#include "marketprism/pool/permit_ledger.hpp"

namespace marketprism::pool {
namespace {

using namespace std::chrono_literals;

struct Inbox final : PermitListener {
  void permit_notice(PermitNotice notice) override { notices.push_back(notice); }
  std::vector<PermitNotice> notices;
};

// One loop's pool. What it dials comes up at once.
struct Loop {
  Loop(PermitLedger& ledger, const PoolConfig& config) : pool(config, {{"venue", 443, true, "", 0, 1}}) {
    pool.use_ledger(ledger, ledger.join(inbox));
  }

  void run(Instant now) {
    for (const auto notice : std::exchange(inbox->notices, {})) pool.permit_notice(notice, now);
    if (pool.wake_at() <= now) {
      ++ticks;
      pool.tick(now);
    }
    while (auto action = pool.next_action()) {
      if (const auto* dial = std::get_if<Dial>(&*action)) {
        ++dials;
        EXPECT_TRUE(pool.dialed(dial->connection, now));
      }
      if (const auto* close = std::get_if<Close>(&*action)) {
        EXPECT_TRUE(pool.closed(close->connection, now));
      }
      if (const auto* grant = std::get_if<Grant>(&*action)) grants.push_back(grant->connection);
    }
  }

  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  LeasePool pool;
  std::size_t dials = 0;
  std::size_t ticks = 0;
  std::vector<ConnectionHandle> grants;
};

class LeasePoolLedgerTest : public testing::Test {
 protected:
  LeasePoolLedgerTest() {
    config_.max_size = 2;
    config_.min_size = 1;
    config_.max_lifetime = config_.health_check_interval = 0s;
    config_.max_idle_time = 1h;
  }

  void begin(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<Loop>(ledger_, config_));
    for (const auto& loop : loops_) loop->pool.start(now_);
    pass(0s);
  }

  void pass(Nanoseconds time) {
    for (const Instant until = now_ + time; now_ <= until; now_ += 10ms) {
      for (const auto& loop : loops_) loop->run(now_);
    }
  }

  std::size_t dials() const {
    std::size_t sum = 0;
    for (const auto& loop : loops_) sum += loop->dials;
    return sum;
  }

  PoolConfig config_;
  PermitLedger ledger_{2};
  std::vector<std::unique_ptr<Loop>> loops_;
  Instant now_{1000s};
};

// The third pool used to stand in line for its min_size, the first gave its idle connection up for it and stood in line
// in turn, and so on without end.
TEST_F(LeasePoolLedgerTest, MinSizeTakesOnlyPermitsThatNobodyNeeds) {
  begin(3);
  pass(60s);
  EXPECT_EQ(dials(), 2U);
  EXPECT_EQ(loops_[2]->pool.size(), 0U);
  EXPECT_LE(loops_[2]->ticks, 61U);
  EXPECT_FALSE(ledger_.has_waiting());
}

TEST_F(LeasePoolLedgerTest, MinSizeIsMadeUpForWithinASecondOfAPermitComingFree) {
  begin(3);
  loops_[0]->pool.drain(now_, now_);
  pass(1s);
  EXPECT_EQ(loops_[2]->pool.size(), 1U);
  ledger_.resize(3);
  pass(1s);
  EXPECT_EQ(loops_[1]->pool.size(), 1U);
  EXPECT_EQ(dials(), 3U);
}

TEST_F(LeasePoolLedgerTest, AWaiterGetsThePermitOfAConnectionThatIsOnlyKeptUp) {
  begin(3);
  ASSERT_TRUE(loops_[2]->pool.wait(now_));
  pass(100ms);
  ASSERT_EQ(loops_[2]->grants.size(), 1U);
  EXPECT_TRUE(loops_[2]->pool.release(loops_[2]->grants[0], now_));
  pass(60s);
  EXPECT_EQ(loops_[2]->pool.gauges().idle, 1U);
  EXPECT_LE(dials(), 4U);  // who gave a permit up waits for a free one; at most one too many was given up
  EXPECT_EQ(ledger_.available(), 0U);
}

// It must not go to the next in line before it has served the one who waited for it.
TEST_F(LeasePoolLedgerTest, AConnectionServesItsWaiterBeforeItsPermitGoesOn) {
  config_.min_size = 0;
  config_.permit_tenure = 0s;
  ledger_.resize(1);
  begin(2);
  for (const auto& loop : loops_) ASSERT_TRUE(loop->pool.wait(now_));
  pass(1s);
  const std::size_t first = loops_[0]->grants.empty() ? 1 : 0;
  ASSERT_EQ(loops_[first]->grants.size(), 1U);
  EXPECT_TRUE(loops_[first]->pool.release(loops_[first]->grants[0], now_));
  pass(1s);
  EXPECT_EQ(loops_[1 - first]->grants.size(), 1U);
  EXPECT_EQ(dials(), 2U);
}

}  // namespace
}  // namespace marketprism::pool
