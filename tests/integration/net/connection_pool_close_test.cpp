// What is being closed keeps its place and its permit until its socket is closed, but not for ever.
#include <optional>

#include <gtest/gtest.h>

#include "marketprism/pool/permit_ledger.hpp"
#include "tests/integration/net/connection_pool_fixture.hpp"

namespace marketprism::net::fake {
namespace {

class ConnectionPoolCloseTest : public ConnectionPoolTest {
 protected:
  ConnectionPoolCloseTest() { config_.max_size = 1; }

  // How long an acquire takes after the only connection has been returned as broken.
  Nanoseconds acquire_after_a_close(Pool& pool) {
    return fixture_.run([](ConnectionPoolCloseTest& test, Pool& of) -> Task<Nanoseconds> {
      {
        auto lease = co_await of.acquire();
        EXPECT_TRUE(lease);
        if (lease) lease->mark_broken();
      }
      const Instant begun = test.fixture_.loop.refresh_now();
      const auto next = co_await of.acquire(5s);
      EXPECT_TRUE(next) << next.error().to_string();
      co_return test.fixture_.loop.refresh_now() - begun;
    }(*this, pool));
  }
};

TEST_F(ConnectionPoolCloseTest, AnAcquireWaitsForTheSocketWhosePlaceItTakes) {
  network_.close_time = 50ms;
  Pool pool = make();
  EXPECT_GE(acquire_after_a_close(pool), 45ms);
  EXPECT_EQ(network_.most_open, 1);
}

TEST_F(ConnectionPoolCloseTest, AnAcquireWaitsNoLongerThanACloseMayTake) {
  network_.close_time = 1h;
  config_.close_timeout = 100ms;
  Pool pool = make();
  const Nanoseconds waited = acquire_after_a_close(pool);
  EXPECT_GE(waited, 90ms);
  EXPECT_LT(waited, 4s);
  EXPECT_EQ(network_.most_open, 1);
}

TEST_F(ConnectionPoolCloseTest, PoolsOfOneLedgerWaitForEachOthersSockets) {
  network_.close_time = 20ms;
  const auto ledger = std::make_shared<pool::PermitLedger>(1);
  config_.permit_tenure = 0ms;
  std::vector<Pool> pools;
  for (int i = 0; i < 2; ++i) {
    auto made = Pool::create(fixture_.loop, config_, {{"venue", 443}}, FakeConnector(network_));
    ASSERT_TRUE(made && made->use_ledger(ledger));
    made->start();
    pools.push_back(std::move(*made));
  }
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(fixture_.run(pools[i % 2].acquire(5s)));
  EXPECT_EQ(network_.most_open, 1);
  EXPECT_EQ(network_.dials, 10);
}

TEST_F(ConnectionPoolCloseTest, ADestroyedPoolGivesItsPermitBackWhenItsSocketIsClosed) {
  network_.close_time = 50ms;
  const auto ledger = std::make_shared<pool::PermitLedger>(1);
  auto pool = Pool::create(fixture_.loop, config_, {{"venue", 443}}, FakeConnector(network_));
  ASSERT_TRUE(pool && pool->use_ledger(ledger));
  std::optional<Pool> owned(std::move(*pool));
  owned->start();
  EXPECT_TRUE(fixture_.run(owned->acquire(5s)));
  owned.reset();
  fixture_.run(turn());
  EXPECT_EQ(network_.open, 1);
  EXPECT_EQ(ledger->available(), 0U);
  fixture_.run(fixture_.loop.sleep_for(100ms));
  EXPECT_EQ(network_.open, 0);
  EXPECT_EQ(ledger->available(), 1U);
}

}  // namespace
}  // namespace marketprism::net::fake
