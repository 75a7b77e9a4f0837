#include <array>
#include <string>

#include <gtest/gtest.h>

#include "marketprism/net/tcp_connector.hpp"
#include "marketprism/net/tls_transport.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

class TcpPoolTest : public testing::Test, public LoopFixture {
 protected:
  static pool::PoolConfig config() {
    pool::PoolConfig made;
    made.name = "tcp";
    made.type = pool::PoolType::tcp;
    made.max_size = 2;
    made.min_size = 0;
    made.health_check_interval = std::chrono::hours(1);
    return made;
  }
  TcpConnectionPool pool_to(std::uint16_t port, pool::PoolConfig of = config()) {
    auto made =
        TcpConnectionPool::create(loop, std::move(of), {{.host = "127.0.0.1", .port = port}}, TcpConnector(loop));
    made->start();
    return std::move(*made);
  }
  // Lends a connection, says something, and gives the answer.
  static Task<std::string> ask(TcpConnectionPool& pool, std::string question) {
    auto lease = co_await pool.acquire();
    if (!lease) co_return lease.error().to_string();
    Transport& transport = ***lease;
    const auto sent = co_await transport.write(question);
    std::array<std::byte, 100> buffer;
    const auto count = co_await transport.read_some(buffer);
    if (!sent || !count) {
      lease->mark_broken();
      co_return "broken";
    }
    co_return std::string(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  Task<> until(std::function<bool()> is_so) {
    const Instant end = soon();
    while (!is_so() && loop.refresh_now() < end) co_await loop.sleep_for(std::chrono::milliseconds(2));
  }

  static Task<> echo(Socket& socket) {
    std::array<std::byte, 100> buffer;
    while (true) {
      const auto count = co_await socket.read_some(buffer);
      if (!count) co_return;
      send_text(socket, std::string_view(reinterpret_cast<const char*>(buffer.data()), *count));
    }
  }
};

TEST_F(TcpPoolTest, lends_one_connection_again_and_again) {
  RawPeer peer(loop, echo, RawPeer::Order::side_by_side);
  auto pool = pool_to(peer.port());
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(run(ask(pool, "question " + std::to_string(i))), "question " + std::to_string(i));
  EXPECT_EQ(peer.connections(), 1);
  EXPECT_EQ(pool.stats().counters.reused, 19U);
  EXPECT_EQ(pool.connections()[0].memory_bytes, 0U);  // a transport does not tell
  EXPECT_EQ(pool.stats().type, pool::PoolType::tcp);
}

TEST_F(TcpPoolTest, lends_tls_connections) {
  RawPeer peer(
      loop,
      [this](Socket& socket) -> Task<> {
        auto accepted = co_await accept_tls(std::move(socket), server_context(), soon());
        std::array<std::byte, 100> buffer;
        while (accepted) {
          const auto count = co_await (*accepted)->read_some(buffer);
          if (!count) co_return;
          const std::string text(reinterpret_cast<const char*>(buffer.data()), *count);
          static_cast<void>(co_await (*accepted)->write(text));
        }
      },
      RawPeer::Order::side_by_side);
  pool::PoolConfig checked = config();
  checked.health_check_interval = std::chrono::milliseconds(20);  // tickets that nobody has read are no offence
  auto made = TcpConnectionPool::create(loop, checked, {{.host = "localhost", .port = peer.port(), .is_tls = true}},
                                        TcpConnector(loop, client_context()));
  ASSERT_TRUE(made);
  made->start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(run(ask(*made, "hello")), "hello");
    const auto checks = made->stats().counters.health_checks;
    run(until([&] { return made->stats().counters.health_checks > checks + 1; }));
  }
  EXPECT_EQ(peer.connections(), 1);
}

// No health check is due for an hour: the end itself is noticed.
TEST_F(TcpPoolTest, drops_an_idle_connection_when_the_peer_ends_it) {
  bool shall_end = false;
  RawPeer peer(
      loop,
      [&](Socket& socket) -> Task<> {
        static_cast<void>(co_await read_until(socket, "once"));
        send_text(socket, "once");
        while (!shall_end) co_await loop.sleep_for(std::chrono::milliseconds(1));
      },
      RawPeer::Order::side_by_side);
  auto pool = pool_to(peer.port());
  EXPECT_EQ(run(ask(pool, "once")), "once");
  EXPECT_EQ(pool.stats().gauges.idle, 1U);
  shall_end = true;
  run(until([&] { return pool.stats().gauges.size == 0; }));
  EXPECT_EQ(pool.stats().gauges.size, 0U);
  EXPECT_EQ(run(ask(pool, "once")), "once");
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(TcpPoolTest, a_peer_that_talks_unasked_fails_the_check) {
  RawPeer peer(
      loop,
      [&](Socket& socket) -> Task<> {
        static_cast<void>(co_await read_until(socket, "ask"));
        send_text(socket, "ask");
        co_await loop.sleep_for(std::chrono::milliseconds(10));
        send_text(socket, "and something else");
        static_cast<void>(co_await read_to_end(socket));
      },
      RawPeer::Order::side_by_side);
  pool::PoolConfig checked = config();
  checked.health_check_interval = std::chrono::milliseconds(50);
  auto pool = pool_to(peer.port(), checked);
  EXPECT_EQ(run(ask(pool, "ask")), "ask");
  run(until([&] { return pool.stats().gauges.size == 0; }));
  EXPECT_EQ(pool.stats().gauges.size, 0U);
}

TEST_F(TcpPoolTest, needs_a_context_for_tls) {
  auto made =
      TcpConnectionPool::create(loop, config(), {{.host = "127.0.0.1", .port = 1, .is_tls = true}}, TcpConnector(loop));
  ASSERT_TRUE(made);
  made->start();
  EXPECT_NE(run(ask(*made, "x")).find("no TLS context"), std::string::npos);
}

// The watch waits, sleeps over unread bytes, or has ended when the pool goes.
TEST_F(TcpPoolTest, ends_while_its_connections_are_watched) {
  RawPeer peer(
      loop,
      [&](Socket& socket) -> Task<> {
        static_cast<void>(co_await read_until(socket, "ask"));
        send_text(socket, "ask and more than is read at once" + std::string(200, '.'));
        static_cast<void>(co_await read_to_end(socket));
      },
      RawPeer::Order::side_by_side);
  for (int i = 0; i < 3; ++i) {
    auto pool = pool_to(peer.port());
    EXPECT_NE(run(ask(pool, "ask")), "broken");
    run([](EventLoop& on, int n) -> Task<> { co_await on.sleep_for(std::chrono::milliseconds(15 * n)); }(loop, i));
    EXPECT_EQ(run(pool.drain(std::chrono::seconds(5))), 0U);
  }
}

}  // namespace
}  // namespace marketprism::net
