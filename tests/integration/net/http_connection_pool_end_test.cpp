// How an HttpConnectionPool ends, and how it treats connections that end in its users' hands.
#include <optional>

#include <gtest/gtest.h>

#include "marketprism/net/connection_pool_manager.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

class HttpConnectionPoolEndTest : public testing::Test, public LoopFixture {
 protected:
  // Answers every request on every connection like this; nothing: never.
  std::unique_ptr<RawPeer> make_peer(std::string answer) {
    return std::make_unique<RawPeer>(
        loop,
        [answer](Socket& socket) -> Task<> {
          while (true) {
            const std::string request = co_await read_until(socket, "\r\n\r\n");
            if (!request.ends_with("\r\n\r\n")) co_return;
            send_text(socket, answer);
          }
        },
        RawPeer::Order::side_by_side);
  }
  static wire::Url url(const RawPeer& peer) {
    return wire::parse_url("http://127.0.0.1:" + std::to_string(peer.port()) + "/").value();
  }
  HttpConnectionPool make_pool() {
    auto pool = HttpConnectionPool::create(loop, options());
    EXPECT_TRUE(pool);
    return std::move(*pool);
  }
  static HttpPoolOptions options() {
    HttpPoolOptions out;
    out.config.connections.name = "rest";
    out.config.connections.min_size = 0;
    return out;
  }
  // Sends one request, and counts its end.
  void start_request(HttpConnectionPool& pool, wire::Url to, HttpRequestOptions with = {}) {
    loop.spawn([](HttpConnectionPool& p, wire::Url u, HttpRequestOptions o, int& good, int& bad) -> Task<> {
      HttpRequest get;
      const auto response = co_await p.request(std::move(u), std::move(get), o);
      ++(response ? good : bad);
    }(pool, std::move(to), with, succeeded, failed));
  }
  template <class Condition>
  void until(Condition what) {
    run([](async::EventLoop& l, Condition& done) -> Task<> {
      for (int i = 0; i < 2'000 && !done(); ++i) co_await l.sleep_for(1ms);
    }(loop, what));
    EXPECT_TRUE(what());
  }
  void pass_time() {
    run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(60ms); }(loop));
  }

  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
  int succeeded = 0;
  int failed = 0;
};

TEST_F(HttpConnectionPoolEndTest, DestroyingItEndsItsRequestsAtOnce) {
  const auto silent = make_peer("");
  for (const bool is_replaced : {false, true}) {
    std::optional<HttpConnectionPool> pool(make_pool());
    failed = 0;
    const int before = silent->connections();
    start_request(*pool, url(*silent));
    until([&] { return silent->connections() == before + 1; });
    EXPECT_EQ(failed, 0);
    if (is_replaced) {
      *pool = make_pool();
    } else {
      pool.reset();
    }
    until([&] { return failed == 1; });
  }
}

// The second request waits for its turn to connect; the budget goes with the manager.
TEST_F(HttpConnectionPoolEndTest, NothingIsDialledAfterItsEnd) {
  const auto silent = make_peer("");
  auto pools = std::make_unique<ConnectionPoolManager>(loop, ConnectionPoolManagerOptions{.connects = {1, 20ms, 1}});
  HttpConnectionPool* const pool = pools->add_http(options()).value();
  start_request(*pool, url(*silent));
  start_request(*pool, url(*silent));
  until([&] { return silent->connections() == 1; });
  pools.reset();
  pass_time();
  EXPECT_EQ(silent->connections(), 1);
  EXPECT_EQ(failed, 2);
}

// Those that wait for a connection to any host are refused when the drain begins, not when the hosts before are done.
TEST_F(HttpConnectionPoolEndTest, ADrainStopsAllHostsAtOnce) {
  const auto first = make_peer(ok + "\r\n");
  const auto second = make_peer(ok + "\r\n");
  auto pool = make_pool();
  ASSERT_TRUE(pool.resize(2, 1));
  auto one = run(pool.acquire(url(*first)));
  auto two = run(pool.acquire(url(*second)));
  ASSERT_TRUE(one && two);
  start_request(pool, url(*first));
  start_request(pool, url(*second));
  std::optional<std::size_t> left;
  loop.spawn(
      [](HttpConnectionPool& p, std::optional<std::size_t>& out) -> Task<> { out = co_await p.drain(1h); }(pool, left));
  until([&] { return failed == 2; });
  EXPECT_FALSE(left);
  one->release();
  two->release();
  until([&] { return left.has_value(); });
  EXPECT_EQ(left, 0U);
}

TEST_F(HttpConnectionPoolEndTest, ARequestMayWaitForEver) {
  const auto peer = make_peer(ok + "\r\n");
  auto pool = make_pool();
  HttpRequestOptions patient;
  patient.timeout = Nanoseconds::max();
  start_request(pool, url(*peer), patient);
  until([&] { return succeeded + failed == 1; });
  EXPECT_EQ(succeeded, 1);
  EXPECT_EQ(run(pool.drain(Nanoseconds::max())), 0U);
}

TEST_F(HttpConnectionPoolEndTest, AConnectionThatEndedInItsHoldersHandsIsNotLentAgain) {
  for (const std::string& answer : {ok + "Connection: close\r\n\r\n", std::string("nonsense\r\n\r\n")}) {
    const auto peer = make_peer(answer);
    auto pool = make_pool();
    run([](HttpConnectionPool& p, wire::Url u) -> Task<> {
      auto lease = co_await p.acquire(u);
      const std::string text = make_http_request(u.host_header(), HttpRequest()).value();
      const auto response = co_await (**lease)->send(text);
      static_cast<void>(response);
    }(pool, url(*peer)));
    EXPECT_EQ(pool.summary().gauges.idle, 0U) << answer;
  }
}

TEST_F(HttpConnectionPoolEndTest, BytesThatNobodyAskedForAreNamedAndCounted) {
  const auto twice = make_peer(ok + "\r\n" + ok + "\r\n");
  auto pool = make_pool();
  EXPECT_FALSE(pool.last_fault());
  start_request(pool, url(*twice));
  until([&] { return succeeded == 1; });
  EXPECT_EQ(pool.request_counters().faults, 1U);
  ASSERT_TRUE(pool.last_fault());
  EXPECT_EQ(pool.last_fault()->code, ErrorCode::malformed);
  EXPECT_NE(pool.last_fault()->message.find("more than one response to one request"), std::string::npos);
  EXPECT_EQ(pool.summary().gauges.idle, 0U);

  RawPeer eager(
      loop,
      [this](Socket& socket) -> Task<> {
        send_text(socket, ok + "\r\n");
        co_await read_to_end(socket);
      },
      RawPeer::Order::side_by_side);
  {
    const auto lease = run(pool.acquire(url(eager)));
    EXPECT_TRUE(lease);
    until([&] { return pool.request_counters().faults == 2; });
  }
  EXPECT_NE(pool.last_fault()->message.find("nobody had asked for"), std::string::npos);
  EXPECT_EQ(pool.summary().gauges.size, 0U);
}

TEST_F(HttpConnectionPoolEndTest, EveryEndpointsKeepAliveIsObeyed) {
  int waiting = 0;
  const auto answer_together = [&](Socket& socket) -> Task<> {
    co_await read_until(socket, "\r\n\r\n");
    ++waiting;
    while (waiting < 2) co_await socket.loop().sleep_for(1ms);
    send_text(socket, ok + "Keep-Alive: timeout=1\r\n\r\n");
    co_await read_to_end(socket);
  };
  RawPeer first(loop, answer_together);
  RawPeer second(loop, answer_together);
  auto pool = make_pool();
  ASSERT_TRUE(pool.set_endpoints(
      url(first), {{"127.0.0.1", first.port(), false, "", 0, 1}, {"127.0.0.1", second.port(), false, "", 0, 1}}));
  start_request(pool, url(first));
  start_request(pool, url(first));
  until([&] { return succeeded == 2; });
  EXPECT_EQ(first.connections() + second.connections(), 2);
  EXPECT_EQ(first.connections(), 1);
  until([&] { return pool.summary().counters.closed[static_cast<std::size_t>(pool::CloseReason::idle)] == 2; });
}

}  // namespace
}  // namespace marketprism::net
