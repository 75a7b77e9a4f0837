// Defects of the Python original that need a running pool to show; docs/pools.md lists them all.
#include <chrono>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "marketprism/net/connection_pool_manager.hpp"
#include "tests/integration/net/connection_pool_fixture.hpp"

namespace marketprism::net::fake {
namespace {

// Ages and deadlines must not follow a clock that somebody sets.
static_assert(std::is_same_v<Instant::clock, std::chrono::steady_clock> && Instant::clock::is_steady);

TEST_F(ConnectionPoolTest, AcquireAndReleaseDoNoNetworkWork) {
  Pool pool = make();
  fixture_.run([](Pool& p) -> Task<> {
    for (int i = 0; i < 1'000; ++i) {
      auto lease = co_await p.acquire();
      EXPECT_TRUE(lease);
    }
  }(pool));
  EXPECT_EQ(network_.dials, 1);
  EXPECT_EQ(network_.checks, 0);
  EXPECT_EQ(pool.stats().counters.acquired, 1'000U);
}

TEST_F(ConnectionPoolTest, ALeaseWhoseHolderIsCancelledComesBack) {
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, async::EventLoop& loop) -> Task<> {
    boost::asio::cancellation_signal stop;
    boost::asio::co_spawn(
        loop.context(),
        [](Pool& shared, async::EventLoop& its_loop) -> Task<> {
          auto lease = co_await shared.acquire();
          EXPECT_TRUE(lease);
          co_await its_loop.sleep_for(1h);
        }(p, loop),
        boost::asio::bind_cancellation_slot(stop.slot(), [](const std::exception_ptr&) {}));
    co_await test.turn();
    EXPECT_EQ(p.gauges().active, 1U);
    stop.emit(boost::asio::cancellation_type::terminal);
    co_await test.turn();
    EXPECT_EQ(p.gauges().active, 0U);
    EXPECT_EQ(p.gauges().idle, 1U);
  }(*this, pool, fixture_.loop));
}

// Cancelled before, while and after a connection is on its way.
TEST_F(ConnectionPoolTest, TenThousandCancelledAcquiresLeakNothing) {
  config_.max_size = 3;
  auto ledger = std::make_shared<pool::PermitLedger>(3);
  auto made = Pool::create(fixture_.loop, config_, {{"venue", 443, true, "", 0, 1}}, FakeConnector(network_));
  ASSERT_TRUE(made && made->use_ledger(ledger));
  made->start();
  std::size_t answered = 0;
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network, std::size_t& answers) -> Task<> {
    Random random(11);
    for (int round = 0; round < 2'000; ++round) {
      network.is_manual = random.chance(0.5);
      std::vector<boost::asio::cancellation_signal> stops(5);
      std::vector<Lease<FakeConnection>> held;
      for (auto& stop : stops) {
        p.acquire(1h, boost::asio::bind_cancellation_slot(stop.slot(), [&](Result<Lease<FakeConnection>> result) {
                    ++answers;
                    if (!result) return;
                    if (random.chance(0.1)) result->mark_broken();
                    if (random.chance(0.5)) held.push_back(std::move(*result));
                  }));
      }
      for (auto& stop : stops) {
        if (random.chance(0.5)) co_await test.turn();
        if (!held.empty() && random.chance(0.5)) held.pop_back();
        if (!network.dialing.empty() && random.chance(0.5)) network.dialing.front()->set();
        stop.emit(boost::asio::cancellation_type::total);
      }
      co_await test.turn();
      held.clear();
    }
    while (!network.dialing.empty()) {
      network.dialing.front()->set();
      co_await test.turn();
    }
  }(*this, *made, network_, answered));
  EXPECT_EQ(answered, 10'000U);
  const pool::PoolStats stats = made->stats();
  EXPECT_EQ(stats.gauges.waiters + stats.gauges.active, 0U);
  EXPECT_EQ(stats.counters.acquires(), 10'000U);
  EXPECT_EQ(static_cast<std::size_t>(network_.open), stats.gauges.size);
  EXPECT_EQ(ledger->available(), 3 - stats.gauges.size);
  EXPECT_EQ(fixture_.run(made->drain(1s)), 0U);
  EXPECT_EQ(network_.open, 0);
  EXPECT_EQ(ledger->available(), 3U);
}

TEST_F(ConnectionPoolTest, ARemovedPoolLeavesNoTaskBehind) {
  config_.min_size = 2;
  config_.max_size = 3;
  config_.health_check_interval = 1ms;
  ConnectionPoolManager pools(fixture_.loop);
  auto added =
      pools.add<FakeConnection, FakeConnector>(config_, {{"venue", 443, true, "", 0, 1}}, FakeConnector(network_));
  ASSERT_TRUE(added);
  fixture_.run([](ConnectionPoolTest& test, ConnectionPoolManager& all, Network& network) -> Task<> {
    co_await test.turn();
    EXPECT_EQ(network.watched.size(), 2U);
    const auto left = co_await all.remove("fake", 1s);
    EXPECT_TRUE(left && *left == 0);
    const int checks = network.checks;
    co_await network.loop.sleep_for(5ms);  // nothing may happen any more: a check would be due
    EXPECT_EQ(network.checks, checks);
  }(*this, pools, network_));
  EXPECT_TRUE(network_.watched.empty() && network_.dialing.empty());
  EXPECT_EQ(network_.open, 0);
}

// The pools are drained by tasks of their own, which go on without the caller, and without the manager.
TEST_F(ConnectionPoolTest, ACancelledDrainOfAllPoolsGoesOn) {
  auto pools = std::make_unique<ConnectionPoolManager>(fixture_.loop);
  std::vector<Pool*> added;
  for (const char* name : {"first", "second"}) {
    config_.name = name;
    auto pool =
        pools->add<FakeConnection, FakeConnector>(config_, {{"venue", 443, true, "", 0, 1}}, FakeConnector(network_));
    ASSERT_TRUE(pool);
    added.push_back(*pool);
  }
  fixture_.run([](ConnectionPoolTest& test, std::unique_ptr<ConnectionPoolManager> all, std::vector<Pool*> each,
                  Network& network) -> Task<> {
    std::vector<Lease<FakeConnection>> held;
    for (Pool* pool : each) {
      auto lease = co_await pool->acquire();
      EXPECT_TRUE(lease);
      if (lease) held.push_back(std::move(*lease));
    }
    EXPECT_EQ(network.open, 2);
    bool has_ended = false;
    boost::asio::cancellation_signal stop;
    boost::asio::co_spawn(
        network.loop.context(), all->drain(1h),
        bind_cancellation_slot(stop.slot(), [&](const std::exception_ptr&, std::size_t) { has_ended = true; }));
    co_await test.turn();
    EXPECT_FALSE(has_ended);
    stop.emit(boost::asio::cancellation_type::terminal);
    co_await test.turn();
    EXPECT_TRUE(has_ended);
    all.reset();
    EXPECT_EQ(network.open, 2);
    held.clear();  // that was what the pools waited for
    co_await test.turn();
    EXPECT_EQ(network.open, 0);
  }(*this, std::move(pools), added, network_));
}

}  // namespace
}  // namespace marketprism::net::fake
