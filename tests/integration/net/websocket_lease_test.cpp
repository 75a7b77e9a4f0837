// Leases of a WebSocketConnectionPool, rotation before the venue cuts, streams that fall silent, statistics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/net/open_files.hpp"
#include "tests/integration/net/toy_venue.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;

class WebSocketLeaseTest : public WebSocketConnectionPoolTest {
 protected:
  // One question and its answer.
  static Task<std::string> ask(WebSocketLease& lease, std::string question) {
    const auto sent = lease->send_text(question);
    if (!sent) co_return sent.error().to_string();
    while (true) {
      if (const auto message = lease->next_message()) co_return std::string(message->data);
      const auto read = co_await lease->read_some();
      if (!read) co_return read.error().to_string();
    }
  }
};

/// Has the pool made, with a fresh connection that waits for its first user.
Task<> use_up_one(WebSocketConnectionPool& pool) {
  auto lease = co_await pool.acquire();
  lease->mark_broken();
}

TEST_P(WebSocketLeaseTest, LendsOneConnectionToOneUserAtATime) {
  options_.config.connections.max_size = 2;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto first = co_await p.acquire();
    auto second = co_await p.acquire();
    EXPECT_TRUE(first && second);
    EXPECT_NE(first->connection_id(), second->connection_id());
    const auto third = co_await p.acquire(20ms);
    EXPECT_EQ(third.error().code, ErrorCode::timed_out);
    EXPECT_EQ(co_await ask(*first, "subscribe 1"), "ok 1");
    EXPECT_EQ(co_await ask(*second, "subscribe 2"), "ok 2");
    const auto id = first->connection_id();
    first->release();
    auto again = co_await p.acquire();
    EXPECT_EQ(again->connection_id(), id);
    EXPECT_EQ(again->use_count(), 2U);
    EXPECT_EQ(co_await ask(*again, "subscribe 3"), "ok 3");
  }(*pool));
  EXPECT_EQ(venue->accepted(), 2);
  ASSERT_TRUE(pool->lease_stats());
  EXPECT_EQ(pool->lease_stats()->counters.acquired, 3U);
  EXPECT_EQ(pool->lease_stats()->counters.reused, 1U);
  EXPECT_EQ(pool->lease_stats()->name, "venue leases");
  ASSERT_EQ(pool->connections().size(), 2U);
  std::size_t bytes = 0;
  for (const auto& info : pool->connections()) {
    EXPECT_GT(info.memory_bytes, 1024U);
    bytes += info.memory_bytes;
  }
  EXPECT_EQ(pool->lease_stats()->connection_bytes, bytes);
  EXPECT_EQ(run(pool->drain(soon())), 0U);
  EXPECT_EQ(run(pool->acquire()).error().code, ErrorCode::closed);
  until([&] { return venue->open() == 0; });
}

TEST_P(WebSocketLeaseTest, TheEndOfAnIdleConnectionShowsAtOnce) {
  options_.config.connections.health_check_interval = 0s;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  const auto use_once = [](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_TRUE(lease) << lease.error().to_string();
    EXPECT_EQ(co_await ask(*lease, "subscribe 1"), "ok 1");
  };
  for (int i = 0; i < 3; ++i) {
    run(use_once(*pool));
    EXPECT_EQ(pool->lease_stats()->gauges.idle, 1U);
    venue->server().cut_all();
    until([&] { return pool->lease_stats()->gauges.size == 0; });
  }
  EXPECT_EQ(pool->lease_stats()->counters.closed[static_cast<std::size_t>(pool::CloseReason::unhealthy)], 3U);
}

TEST_P(WebSocketLeaseTest, AFreshIdleConnectionIsWatchedTooAndKeepsItsGreeting) {
  options_.leases = options_.config.connections;
  options_.leases->min_size = 1;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  {
    const auto lease = run(pool->acquire());
    ASSERT_TRUE(lease);
  }
  until([&] { return pool->lease_stats()->gauges.idle == 1; });
  const int before = venue->accepted();
  venue->server().cut_all();
  until([&] { return venue->accepted() > before && pool->lease_stats()->gauges.idle == 1; });
  venue->say("welcome");
  // Not lent yet: what it says first is for the first user.
  run([](WebSocketConnectionPool& p, async::EventLoop& l) -> Task<> {
    co_await l.sleep_for(20ms);
    auto lease = co_await p.acquire();
    EXPECT_EQ(lease->use_count(), 1U);
    const auto read = co_await (*lease)->read_some();
    EXPECT_TRUE(read);
    const auto message = (*lease)->next_message();
    EXPECT_TRUE(message != nullptr && message->data == "welcome");
    EXPECT_EQ(co_await ask(*lease, "subscribe 1"), "ok 1");
  }(*pool, loop));
}

// A greeting is kept for the first user; until then the connection is read, checked and watched like any other.
TEST_P(WebSocketLeaseTest, AKeptGreetingHidesNothing) {
  options_.leases = options_.config.connections;
  options_.leases->min_size = 1;
  options_.leases->health_check_interval = 10ms;
  const auto venue = make_venue();
  venue->ping_every(5ms);
  const auto pool = make_pool(*venue);
  run(use_up_one(*pool));
  until([&] { return pool->lease_stats()->gauges.idle == 1 && venue->open() == 1; });
  venue->say("welcome");
  venue->say("again");
  const auto pongs = venue->pongs();
  const auto checks = pool->lease_stats()->counters.health_checks;
  until([&] { return venue->pongs() >= pongs + 3 && pool->lease_stats()->counters.health_checks >= checks + 3; });
  EXPECT_EQ(pool->lease_stats()->counters.failed_checks, 0U);
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_EQ(lease->use_count(), 1U);
    for (const std::string_view said : {"welcome", "again"}) {
      const auto read = co_await (*lease)->read_some();
      EXPECT_TRUE(read);
      const auto message = (*lease)->next_message();
      EXPECT_TRUE(message != nullptr && message->data == said);
    }
    EXPECT_EQ((*lease)->next_message(), nullptr);
    EXPECT_EQ(co_await ask(*lease, "subscribe 1"), "ok 1");
    lease->mark_broken();
  }(*pool));
  until([&] { return pool->lease_stats()->gauges.idle == 1 && venue->open() == 1; });
  const auto dials = venue->accepted();
  venue->say("welcome");
  const auto heard = venue->pongs();
  until([&] { return venue->pongs() >= heard + 3; });
  venue->server().cut_all();
  until([&] { return venue->accepted() > dials && pool->lease_stats()->gauges.idle == 1; });
}

TEST_P(WebSocketLeaseTest, OnlySoMuchIsKept) {
  options_.leases = options_.config.connections;
  options_.leases->min_size = 1;
  options_.websocket.read_bytes_start = options_.websocket.read_bytes_max = 4096;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  run(use_up_one(*pool));
  until([&] { return pool->lease_stats()->gauges.idle == 1 && venue->open() == 1; });
  const int before = venue->accepted();
  venue->say(std::string(10'000, 'x'));  // one always
  venue->say("and another");
  until([&] { return venue->accepted() > before; });
}

TEST_P(WebSocketLeaseTest, WhatWasMeantForOneUserNeverReachesTheNext) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_TRUE((*lease)->send_text("subscribe 1 late"));  // leaves without its answer
  }(*pool));
  until([&] { return pool->lease_stats()->gauges.size == 0; });
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_EQ(co_await ask(*lease, "subscribe 2"), "ok 2");
    lease->mark_broken();
  }(*pool));
  until([&] { return venue->open() == 0; });
}

TEST_P(WebSocketLeaseTest, PingsAreAnsweredWhileNobodyUsesTheConnection) {
  const auto venue = make_venue();
  venue->ping_every(5ms);
  const auto pool = make_pool(*venue);
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_EQ(co_await ask(*lease, "subscribe 1"), "ok 1");
  }(*pool));
  const auto before = venue->pongs();
  until([&] { return venue->pongs() >= before + 3; });
  run([](WebSocketConnectionPool& p) -> Task<> {
    auto lease = co_await p.acquire();
    EXPECT_EQ(lease->use_count(), 2U);
    EXPECT_EQ(co_await ask(*lease, "subscribe 2"), "ok 2");
  }(*pool));
}

TEST_P(WebSocketLeaseTest, LeakedNowhere) {
  const auto venue = make_venue();
  const std::size_t before = open_sockets();
  auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  const auto lease = run(pool->acquire());
  EXPECT_TRUE(lease);
  EXPECT_EQ(run(pool->drain(loop.refresh_now() + 50ms)), 1U);
  pool.reset();
  until([&] { return venue->open() == 0 && open_sockets() == before; });
}

// The venue cuts every connection at an age, as real ones do after 24 h: the pool has moved the streams before.
TEST_P(WebSocketLeaseTest, RotationComesBeforeTheVenuesCut) {
  options_.config.connections.max_lifetime = 300ms;
  options_.config.connections.lifetime_jitter = 0;
  const auto venue = make_venue();
  venue->cut_after(1500ms);
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 5; });
  until([&] {
    venue->publish();
    return pool->slot_stats().rotations >= 12;  // longer than any connection may live
  });
  EXPECT_EQ(venue->cuts(), 0);
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_EQ(handler_.lost, 0);
  EXPECT_GE(pool->slot_stats().moved, 30U);
  for (int i = 0; i < 5; ++i) EXPECT_GT(handler_.messages["s" + std::to_string(i)], 4);
}

// Without rotation the same venue breaks every stream: the test above can fail.
TEST_P(WebSocketLeaseTest, WithoutRotationTheCutIsFelt) {
  const auto venue = make_venue();
  venue->cut_after(200ms);
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.downs >= 2 && handler_.up.size() == 1; });
  EXPECT_GE(venue->cuts(), 2);
  EXPECT_EQ(pool->slot_stats().rotations, 0U);
}

TEST_P(WebSocketLeaseTest, AStreamThatFallsSilentIsAskedForElsewhere) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("loud", 200ms));
  EXPECT_TRUE(pool->subscribe("quiet", 200ms));
  EXPECT_TRUE(pool->subscribe("patient"));
  until([&] { return handler_.up.size() == 3; });
  venue->mute("quiet");
  until([&] {
    venue->publish();
    return pool->slot_stats().silent >= 1;
  });
  EXPECT_EQ(handler_.went_down, std::vector<std::string>{"quiet"});
  until([&] {
    venue->publish();
    return handler_.up.size() == 3;
  });
  EXPECT_GE(venue->accepted(), 2);
}

TEST_P(WebSocketLeaseTest, CountsWhatWentOverItsConnections) {
  options_.config.ping_interval = 20ms;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.messages.size() == 4 && pool->traffic().pongs_received >= 2; });
  std::uint64_t checks = 0;
  for (const auto& info : pool->connections()) checks += info.health_checks;
  EXPECT_GE(checks, 2U);
  venue->server().cut_all();
  until([&] { return handler_.lost == 2 && handler_.up.size() == 4; });
  const WebSocketTraffic traffic = pool->traffic();
  EXPECT_GE(traffic.messages_received, 8U + 4U);  // of closed connections too: "ok" and "data"
  EXPECT_GE(traffic.messages_sent, 4U);
  EXPECT_GT(traffic.bytes_received, traffic.messages_received * 4);
  EXPECT_GE(traffic.pings_sent, traffic.pongs_received);
  EXPECT_GT(traffic.round_trip_min, 0ns);
  EXPECT_EQ(pool->slot_stats().interrupted, 4U);
}

INSTANTIATE_TEST_SUITE_P(Transports, WebSocketLeaseTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "tls" : "tcp"; });

}  // namespace
}  // namespace marketprism::net
