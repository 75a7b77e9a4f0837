// How a ConnectionPool ends: drain, destruction, the end of its loop.
#include <gtest/gtest.h>

#include "marketprism/net/connection_pool.hpp"
#include "tests/integration/net/connection_pool_fixture.hpp"

namespace marketprism::net::fake {
namespace {

TEST_F(ConnectionPoolTest, ALeaseHeldForTooLongIsReportedOnceWithThePlaceThatTookIt) {
  config_.leak_threshold = 20ms;
  Pool pool = make();
  testing::internal::CaptureStderr();
  unsigned line = 0;
  fixture_.run([](Pool& p, unsigned& place, async::EventLoop& loop) -> Task<> {
    place = std::source_location::current().line() + 1;
    auto held = co_await p.acquire();
    for (int i = 0; i < 500 && p.stats().counters.overdue == 0; ++i) {
      auto brief = co_await p.acquire();
      EXPECT_TRUE(brief);
      brief->release();
      co_await loop.sleep_for(2ms);
    }
    co_await loop.sleep_for(60ms);  // time enough to report it again, or the others
  }(pool, line, fixture_.loop));
  const std::string said = testing::internal::GetCapturedStderr();
  const std::string place = "connection_pool_end_test.cpp:" + std::to_string(line);
  EXPECT_NE(said.find(place), std::string::npos) << said;
  EXPECT_EQ(said.find(place), said.rfind(place)) << said;
  EXPECT_EQ(pool.stats().counters.overdue, 1U);
}

// Defect of the original: stop() closed borrowed connections, and acquire worked after it.
TEST_F(ConnectionPoolTest, DrainWaitsForLeasesAndLetsNobodyIn) {
  Pool pool = make();
  const auto left = fixture_.run([](ConnectionPoolTest& test, Pool& p, async::EventLoop& loop) -> Task<std::size_t> {
    auto lease = std::make_shared<Lease<FakeConnection>>((co_await p.acquire()).value());
    loop.spawn([](ConnectionPoolTest& t, Pool& q, std::shared_ptr<Lease<FakeConnection>> held) -> Task<> {
      co_await t.turn();
      EXPECT_TRUE((*held)->is_open());
      const auto refused = co_await q.acquire();
      EXPECT_EQ(refused.error().code, ErrorCode::closed);
      held->release();
    }(test, p, lease));
    co_return co_await p.drain(10s);
  }(*this, pool, fixture_.loop));
  EXPECT_EQ(left, 0U);
  EXPECT_EQ(network_.open, 0);
}

TEST_F(ConnectionPoolTest, DrainCutsWhatIsLeftAndSaysHowMuch) {
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_EQ(co_await p.drain(0s), 1U);
    EXPECT_EQ(network.aborted, 1);
    EXPECT_EQ(network.open, 1);  // its holder may still look at it
    lease->release();
    co_await test.turn();
    EXPECT_EQ(network.open, 0);
  }(*this, pool, network_));
}

TEST_F(ConnectionPoolTest, DrainMayWaitForEver) {
  Pool pool = make();
  const auto left = fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<std::size_t> {
    auto lease = std::make_shared<Lease<FakeConnection>>((co_await p.acquire()).value());
    network.loop.spawn([](ConnectionPoolTest& t, Network& n, std::shared_ptr<Lease<FakeConnection>> held) -> Task<> {
      co_await t.turn();
      EXPECT_EQ(n.aborted, 0);
      held->release();
    }(test, network, lease));
    co_return co_await p.drain(Nanoseconds::max());
  }(*this, pool, network_));
  EXPECT_EQ(left, 0U);
}

// Each is resumed while the others are still being told.
TEST_F(ConnectionPoolTest, AllWhoDrainAreToldOfTheEnd) {
  Pool pool = make();
  int ended = 0;
  fixture_.run([](ConnectionPoolTest& test, Pool& p, async::EventLoop& loop, int& count) -> Task<> {
    auto lease = co_await p.acquire();
    for (int i = 0; i < 4; ++i) {
      loop.spawn([](Pool& q, int& n) -> Task<> {
        EXPECT_EQ(co_await q.drain(1h), 0U);
        ++n;
      }(p, count));
    }
    co_await test.turn();
    EXPECT_EQ(count, 0);
    lease->release();
    co_await test.turn();
  }(*this, pool, fixture_.loop, ended));
  EXPECT_EQ(ended, 4);
}

TEST_F(ConnectionPoolTest, DrainCancelsDials) {
  network_.is_manual = true;
  config_.min_size = 2;
  Pool pool = make();
  fixture_.run([](ConnectionPoolTest& test, Pool& p, Network& network) -> Task<> {
    co_await test.turn();
    EXPECT_EQ(network.dialing.size(), 2U);
    EXPECT_EQ(co_await p.drain(5s), 0U);
    co_await test.turn();
    EXPECT_EQ(network.cancelled_dials, 2);
  }(*this, pool, network_));
}

TEST_F(ConnectionPoolTest, ALeaseMayOutliveItsPool) {
  Lease<FakeConnection> lease;
  {
    Pool pool = make();
    fixture_.run(
        [](Pool& p, Lease<FakeConnection>& out) -> Task<> { out = (co_await p.acquire()).value(); }(pool, lease));
  }
  EXPECT_TRUE(lease->is_open());
  lease.release();
  fixture_.run([](ConnectionPoolTest& test) -> Task<> { co_await test.turn(); }(*this));
  EXPECT_EQ(network_.open, 0);
}

// The loop ends with dials, waiters, watches and leases in it: nothing leaks (the sanitizer looks) and nothing is
// called.
TEST_F(ConnectionPoolTest, TheLoopMayEndAtAnyTime) {
  auto loop = std::make_unique<async::EventLoop>();
  Network network(*loop);
  {
    auto pool = Pool::create(*loop, config_, {{"venue", 443}}, FakeConnector(network));
    pool->start();
    auto shared = std::make_shared<Pool>(std::move(*pool));
    loop->spawn([](std::shared_ptr<Pool> p) -> Task<> {
      auto first = co_await p->acquire();
      auto second = co_await p->acquire();
      auto never = co_await p->acquire();
      ADD_FAILURE() << "there are only two";
    }(shared));
    network.is_manual = false;
    async::block_on(*loop, [](async::EventLoop& l) -> Task<> { co_await l.sleep_for(5ms); }(*loop));
    EXPECT_EQ(shared->gauges().waiters, 1U);
  }
  loop.reset();
  EXPECT_EQ(network.open, 0);
}

}  // namespace
}  // namespace marketprism::net::fake
