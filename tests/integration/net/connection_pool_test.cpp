#include "marketprism/net/connection_pool.hpp"

#include <future>
#include <thread>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "tests/integration/net/connection_pool_fixture.hpp"

namespace marketprism::net::fake {
namespace {

TEST_F(ConnectionPoolTest, RefusesAConfigThatContradictsItselfAndNoEndpoints) {
  config_.min_size = 3;
  EXPECT_FALSE(Pool::create(fixture_.loop, config_, {{"venue", 443}}, FakeConnector(network_)));
  config_.min_size = 0;
  const auto empty = Pool::create(fixture_.loop, config_, {}, FakeConnector(network_));
  ASSERT_FALSE(empty);
  EXPECT_NE(empty.error().message.find("no endpoint"), std::string::npos);
}

TEST_F(ConnectionPoolTest, DialsLendsAndReuses) {
  Pool pool = make();
  fixture_.run([](Pool& p) -> Task<> {
    auto first = co_await p.acquire();
    EXPECT_TRUE(first && (*first)->is_open());
    EXPECT_EQ(first->use_count(), 1U);
    const auto id = first->connection_id();
    first->release();
    EXPECT_FALSE(*first);
    auto second = co_await p.acquire();
    EXPECT_EQ(second->connection_id(), id);
    EXPECT_EQ(second->use_count(), 2U);
  }(pool));
  EXPECT_EQ(network_.dials, 1);
  EXPECT_EQ(pool.stats().counters.reused, 1U);
  EXPECT_EQ(pool.gauges().idle, 1U);
}

TEST_F(ConnectionPoolTest, ABrokenConnectionIsClosedAndReplaced) {
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    auto lease = co_await p.acquire();
    lease->mark_broken();
    lease->release();
    co_await test.turn();
    EXPECT_EQ(network.open, 0);
    auto next = co_await p.acquire();
    EXPECT_EQ(network.open, 1);
    EXPECT_EQ(next->use_count(), 1U);
  }(*this, pool, network_));
}

// Defect of the original: the lock was held over a dial.
TEST_F(ConnectionPoolTest, DialsSideBySide) {
  config_.max_size = 5;
  config_.min_size = 5;
  network_.is_manual = true;
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Network& network) -> Task<> {
    co_await test.turn();
    EXPECT_EQ(network.dialing.size(), 5U);
    while (!network.dialing.empty()) network.dialing.front()->set();
    co_await test.turn();
  }(*this, network_));
  EXPECT_EQ(pool.gauges().idle, 5U);
}

TEST_F(ConnectionPoolTest, AnIdleConnectionThatDiesIsClosedAtOnce) {
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    {
      auto lease = co_await p.acquire();
    }
    co_await test.turn();
    EXPECT_EQ(p.gauges().idle, 1U);
    network.watched.at(0)->set();
    EXPECT_EQ(p.gauges().idle, 0U);  // so the next borrow cannot get it
    co_await test.turn();
    EXPECT_EQ(network.open, 0);
    EXPECT_TRUE(network.watched.empty());
  }(*this, pool, network_));
  EXPECT_EQ(pool.stats().counters.closed[static_cast<std::size_t>(pool::CloseReason::unhealthy)], 1U);
}

TEST_F(ConnectionPoolTest, ADeadConnectionIsNotTakenBack) {
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    auto lease = co_await p.acquire();
    co_await test.turn();
    network.watched.at(0)->set();
    EXPECT_EQ(p.gauges().failed, 1U);
    lease->release();
    EXPECT_EQ(p.gauges().size, 0U);
    co_await test.turn();
    EXPECT_EQ(network.open, 0);
  }(*this, pool, network_));
}

TEST_F(ConnectionPoolTest, WaitersAreServedInOrderWithAnyToken) {
  config_.max_size = 1;
  Pool pool = make();
  std::vector<int> order;
  fixture_.run([](ConnectionPoolTest& test, Pool& p, std::vector<int>& served) -> Task<> {
    auto lease = co_await p.acquire();
    p.acquire(5s, [&served](Result<Lease<FakeConnection>> result) { served.push_back(result ? 1 : -1); });
    p.acquire(5s, [&served](Result<Lease<FakeConnection>> result) { served.push_back(result ? 2 : -2); });
    p.acquire(5s, [&served](Result<Lease<FakeConnection>> result) { served.push_back(result ? 3 : -3); });
    EXPECT_FALSE(p.try_acquire());
    lease->release();
    EXPECT_TRUE(served.empty());  // never inside the call that gave it back
    co_await test.turn();
  }(*this, pool, order));
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST_F(ConnectionPoolTest, WorksWithFuturesFromAnotherThread) {
  Pool pool = make();
  auto& loop = fixture_.loop;
  std::thread runner([&loop] { loop.run(); });
  std::promise<std::future<Result<Lease<FakeConnection>>>> asked;
  loop.post([&] { asked.set_value(pool.acquire(5s, boost::asio::use_future)); });
  auto future = asked.get_future().get();
  auto result = future.get();
  EXPECT_TRUE(result);
  loop.post([&loop, lease = std::move(*result)]() mutable {
    lease.release();
    loop.stop();
  });
  runner.join();
  EXPECT_EQ(pool.gauges().idle, 1U);
}

TEST_F(ConnectionPoolTest, ATimeoutExplainsItself) {
  config_.max_size = 1;
  Pool pool = make();
  fixture_.run([](Pool& p) -> Task<> {
    auto lease = co_await p.acquire();
    const auto late = co_await p.acquire(1ms);
    EXPECT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::timed_out);
    EXPECT_NE(late.error().message.find("connection_pool_test.cpp"), std::string::npos) << late.error().message;
  }(pool));
}

TEST_F(ConnectionPoolTest, RefusedDialsEndTheAcquireWithTheirError) {
  config_.retry_attempts = 0;
  network_.is_refusing = true;
  Pool pool = make();
  fixture_.run([](Pool& p) -> Task<> {
    const auto none = co_await p.acquire();
    EXPECT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::connection_refused);
    EXPECT_NE(none.error().to_string().find("venue:443: nobody listens"), std::string::npos);
  }(pool));
}

// Defect of the original: a cancelled acquire leaked its socket.
TEST_F(ConnectionPoolTest, ACancelledAcquireLeavesNothingBehind) {
  config_.max_size = 1;
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p) -> Task<> {
    auto lease = co_await p.acquire();
    boost::asio::cancellation_signal stop;
    std::optional<ErrorCode> outcome;
    p.acquire(5s, boost::asio::bind_cancellation_slot(stop.slot(), [&outcome](Result<Lease<FakeConnection>> result) {
                outcome = result ? ErrorCode{} : result.error().code;
              }));
    EXPECT_EQ(p.gauges().waiters, 1U);
    stop.emit(boost::asio::cancellation_type::total);
    EXPECT_EQ(p.gauges().waiters, 0U);
    co_await test.turn();
    EXPECT_EQ(outcome, ErrorCode::cancelled);
    // Cancelled when the connection is already on its way: it comes back.
    p.acquire(5s, boost::asio::bind_cancellation_slot(stop.slot(), [](Result<Lease<FakeConnection>>) {}));
    lease->release();
    stop.emit(boost::asio::cancellation_type::total);
    co_await test.turn();
  }(*this, pool));
  EXPECT_EQ(pool.gauges().idle, 1U);
  EXPECT_EQ(pool.stats().counters.cancelled, 1U);
}

TEST_F(ConnectionPoolTest, AnAcquireInARaceIsCancelledWhenItLoses) {
  using boost::asio::experimental::awaitable_operators::operator||;
  config_.max_size = 1;
  Pool pool = make();
  fixture_.run([](Pool& p, async::EventLoop& loop) -> Task<> {
    auto lease = co_await p.acquire();
    auto race = co_await (p.acquire(10s) || loop.sleep_for(1ms));
    EXPECT_EQ(race.index(), 1U);
    EXPECT_EQ(p.gauges().waiters, 0U);
  }(pool, fixture_.loop));
}

TEST_F(ConnectionPoolTest, ChecksIdleConnectionsAndClosesSickOnes) {
  config_.health_check_interval = 1ms;
  network_.is_healthy = false;
  Pool pool = make();
  fixture_.run([](Pool& p, Network& network, async::EventLoop& loop) -> Task<> {
    {
      auto lease = co_await p.acquire();
    }
    for (int i = 0; i < 500 && network.open > 0; ++i) co_await loop.sleep_for(5ms);
    EXPECT_EQ(network.checks, 1);
    EXPECT_EQ(network.open, 0);
  }(pool, network_, fixture_.loop));
  EXPECT_EQ(pool.stats().counters.failed_checks, 1U);
}

TEST_F(ConnectionPoolTest, ADialKeepsItsEndpointWhenTheListChanges) {
  network_.is_manual = true;
  network_.is_refusing = true;
  config_.retry_attempts = 0;
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    network.loop.spawn([](Pool& q) -> Task<> {
      const auto refused = co_await q.acquire();
      EXPECT_FALSE(refused);
    }(p));
    co_await test.turn();
    EXPECT_EQ(network.dialing.size(), 1U);
    std::vector<pool::Endpoint> more{{"venue", 443, true, "", 0, 1}};
    for (int i = 0; i < 40; ++i)
      more.push_back({"a standby with a long name " + std::to_string(i), 443, true, "", 1, 1});
    EXPECT_TRUE(p.set_endpoints(more));
    network.is_manual = false;
    network.dialing.front()->set();  // its refusal names the endpoint
    co_await test.turn();
  }(*this, pool, network_));
}

}  // namespace
}  // namespace marketprism::net::fake
