// WebSocketConnectionPool and leased WebSocket connections against the toy venue.
#include "marketprism/net/websocket_connection_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/connection_pool_manager.hpp"
#include "marketprism/net/websocket_connector.hpp"
#include "tests/integration/net/open_files.hpp"
#include "tests/integration/net/raw_peer.hpp"
#include "tests/integration/net/toy_venue.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

TEST_P(WebSocketConnectionPoolTest, SpreadsStreamsOverAsFewConnectionsAsNeeded) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  EXPECT_EQ(pool->subscribe("s0").error().code, ErrorCode::already_exists);
  until([&] { return handler_.up.size() == 7 && handler_.messages.size() == 7; });
  EXPECT_EQ(venue->open(), 3U);
  EXPECT_EQ(venue->subscribed().size(), 7U);
  EXPECT_TRUE(pool->unsubscribe("s3"));
  until([&] { return venue->subscribed().size() == 6; });
  EXPECT_EQ(handler_.ended, std::vector<std::string>{"s3"});
  EXPECT_STREQ(loop.pulse().longest_handler_name, "WebSocket messages");
  std::size_t bytes = 0;
  for (const auto& info : pool->connections()) {
    EXPECT_GT(info.memory_bytes, 1024U);
    bytes += info.memory_bytes;
  }
  EXPECT_EQ(pool->stats().connection_bytes, bytes);
}

TEST_P(WebSocketConnectionPoolTest, BringsStreamsBackAfterACut) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 5; });
  venue->server().cut_all();
  until([&] { return handler_.downs == 5 && handler_.up.size() == 5; });
  EXPECT_EQ(handler_.lost, 2);
  EXPECT_EQ(venue->subscribed().size(), 5U);
  EXPECT_EQ(pool->slot_stats().interrupted, 5U);
}

// The first venue upgrades every connection and cuts it before it has answered anything.
TEST_P(WebSocketConnectionPoolTest, LeavesAVenueThatUpgradesAndCuts) {
  const auto broken = make_venue();
  broken->cut_at_once();
  const auto venue = make_venue();
  const auto pool = make_pool({url(*broken), url(*venue)});
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  EXPECT_EQ(venue->subscribed().size(), 1U);
  EXPECT_GE(broken->accepted(), 1);
}

TEST_P(WebSocketConnectionPoolTest, RotatesWithoutABreak) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 3; });
  pool->announce_closing(1);
  until([&] { return pool->slot_stats().rotations == 1 && venue->open() == 1; });
  until([&] { return handler_.closed_by_us == 1; });  // we hear of the end after the venue
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_EQ(pool->slot_stats().moved, 3U);
  EXPECT_EQ(venue->subscribed().size(), 3U);
}

// The pool gives it up, but its streams were interrupted: whoever records them must learn of the gap.
TEST_P(WebSocketConnectionPoolTest, AConnectionGivenUpAsDeadWasLost) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i), 200ms));
  until([&] { return handler_.up.size() == 2; });
  until([&] { return handler_.downs >= 2 && handler_.lost >= 1; });  // nothing was said: all are silent
  EXPECT_EQ(handler_.closed_by_us, 0);
}

// By its handler, when it tells of the first of two streams that are down: nothing more is told.
TEST_P(WebSocketConnectionPoolTest, ADestroyedPoolTellsNothing) {
  const auto venue = make_venue();
  auto pool = make_pool(*venue);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i), 200ms));
  until([&] { return handler_.up.size() == 2; });
  handler_.when_down = [&] { pool.reset(); };
  until([&] { return pool == nullptr && venue->open() == 0; });
  EXPECT_EQ(handler_.downs, 1);
  EXPECT_EQ(handler_.lost, 0);
}

// A connection that waits for the one before it to say the rest is replaced itself, over and over.
TEST_P(WebSocketConnectionPoolTest, ReplacesAConnectionThatIsStillTakingOver) {
  options_.config.slots.streams_per_message = 3;
  const auto venue = make_venue();
  venue->pause_after_first_request(100ms);
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 3; });
  handler_.warn_at_once = true;
  pool->announce_closing(1);
  until([&] {
    venue->publish();
    return pool->slot_stats().rotations >= 20;
  });
  handler_.warn_at_once = false;
  const auto heard = [&] {
    int all = 0;
    for (const auto& [stream, count] : handler_.messages) all += count;
    return all;
  };
  until([&] { return venue->open() == 1 && heard() == venue->sent(); });
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_EQ(handler_.lost, 0);
}

TEST_P(WebSocketConnectionPoolTest, MovesToOtherEndpointsWhileItRuns) {
  const auto before = make_venue();
  const auto after = make_venue();
  const auto pool = make_pool(*before);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 3; });
  EXPECT_FALSE(pool->set_endpoints({}));
  EXPECT_FALSE(pool->set_endpoints({wire::parse_url("http://127.0.0.1:1/").value()}));
  EXPECT_TRUE(pool->set_endpoints({url(*after)}));
  until([&] { return before->open() == 0 && after->subscribed().size() == 3; });
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_TRUE(pool->set_endpoints({url(*before), url(*after)}));  // the better one is taken as soon as it is there
  until([&] { return before->subscribed().size() == 3 && after->open() == 0; });
  EXPECT_EQ(handler_.downs, 0);
}

TEST_P(WebSocketConnectionPoolTest, SizesChangeWhileItRuns) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 9; });
  EXPECT_EQ(pool->resize(2).error().code, ErrorCode::exhausted);
  for (int i = 0; i < 6; i += 2) EXPECT_TRUE(pool->unsubscribe("s" + std::to_string(i)));
  until([&] { return venue->subscribed().size() == 6; });
  EXPECT_TRUE(pool->resize(2));
  until([&] { return venue->open() == 2; });
  EXPECT_EQ(handler_.up.size(), 6U);
  EXPECT_EQ(handler_.downs, 0);
}

TEST_P(WebSocketConnectionPoolTest, LeasesShareALimitAndCanBeLetGo) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  ToyHandler other_handler;
  auto other = WebSocketConnectionPool::create(loop, options_, {url(*venue)}, other_handler).value();
  const auto ledger = std::make_shared<pool::PermitLedger>(1);
  ASSERT_TRUE(pool->use_ledger(ledger));
  ASSERT_TRUE(other.use_ledger(ledger));
  EXPECT_TRUE(run(pool->acquire(2s)));
  EXPECT_TRUE(run(other.acquire(2s)));  // the idle one of the first pool makes room
  until([&] { return pool->lease_stats()->gauges.size == 0; });
  EXPECT_EQ(other.close_idle(), 1U);
  until([&] { return ledger->available() == 1; });  // after the goodbye
}

TEST_P(WebSocketConnectionPoolTest, HandshakesAreMadeAsTheOptionsSay) {
  options_.subprotocols = {"other", "toy"};
  options_.deflate = wire::DeflateOptions();
  options_.headers = {{"User-Agent", "test"}};
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  EXPECT_TRUE(run(pool->acquire()));
  EXPECT_EQ(venue->agreed(), (std::vector<std::string>{"toy deflate test", "toy deflate test"}));
  EXPECT_EQ(pool->stats().type, pool::PoolType::websocket);
  EXPECT_EQ(pool->lease_stats()->type, pool::PoolType::websocket);
}

TEST(WebSocketPoolOptions, HaveTheStatedDefaults) {
  const WebSocketPoolOptions options;
  EXPECT_TRUE(options.config.validate());
  EXPECT_EQ(options.config.connections.max_size, 20U);
  EXPECT_EQ(options.config.connections.min_size, 2U);
  EXPECT_EQ(options.config.connections.type, pool::PoolType::websocket);
  EXPECT_EQ(options.config.close_timeout, 10s);
}

TEST_P(WebSocketConnectionPoolTest, RefusesWhatContradictsItselfByName) {
  const std::vector<wire::Url> urls{wire::parse_url("ws://127.0.0.1:1/").value()};
  ConnectionPoolManager pools(loop);
  const auto refusal = [&](const WebSocketPoolOptions& options, const std::vector<wire::Url>& places) {
    const auto made = WebSocketConnectionPool::create(loop, options, places, handler_);
    const auto added = pools.add_websocket(options, places, handler_);
    EXPECT_TRUE(!made && !added);
    if (made || added) return std::string();
    EXPECT_EQ(made.error().message, added.error().message);
    EXPECT_TRUE(made.error().is_terminal);
    return made.error().to_string();
  };
  EXPECT_THAT(refusal(options_, {}), testing::HasSubstr("pool 'venue' has no url"));
  EXPECT_THAT(refusal(options_, {wire::parse_url("ftp://host:1/").value()}), testing::HasSubstr("not ws or wss"));
  WebSocketPoolOptions no_room = options_;
  no_room.config.connections.max_size = 0;
  EXPECT_THAT(refusal(no_room, urls), testing::HasSubstr("max_size is 0"));
  WebSocketPoolOptions bad_leases = options_;
  bad_leases.leases = options_.config.connections;
  bad_leases.leases->max_connecting = 0;
  EXPECT_THAT(refusal(bad_leases, urls), testing::HasSubstr("pool 'venue leases': max_connecting is 0"));
  WebSocketPoolOptions no_messages = options_;
  no_messages.websocket.message_bytes_max = 0;
  EXPECT_THAT(refusal(no_messages, urls), testing::HasSubstr("websocket.message_bytes_max is 0"));
  WebSocketPoolOptions no_pause = options_;
  no_pause.ping_text = "ping";
  EXPECT_THAT(refusal(no_pause, urls), testing::HasSubstr("ping_text_after"));
  WebSocketPoolOptions no_tls = options_;
  no_tls.tls = nullptr;
  EXPECT_THAT(refusal(no_tls, {wire::parse_url("wss://127.0.0.1:1/").value()}), testing::HasSubstr("TLS context"));
  EXPECT_TRUE(pools.names().empty());
}

TEST_P(WebSocketConnectionPoolTest, ARefusedStreamEnds) {
  options_.config.slots.streams_per_message = 1;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("good"));
  EXPECT_TRUE(pool->subscribe("bad"));
  until([&] { return handler_.up.size() == 1 && handler_.ended.size() == 1; });
  EXPECT_EQ(handler_.ended[0], "bad");
}

TEST_P(WebSocketConnectionPoolTest, SendTellsWhyNothingWasSent) {
  options_.websocket.write_queue_bytes_max = 64;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  EXPECT_TRUE(pool->send(1, "subscribe 77"));
  EXPECT_EQ(pool->send(1, "\xFF").error().code, ErrorCode::malformed);
  EXPECT_EQ(pool->send(1, std::string(100, 'x')).error().code, ErrorCode::exhausted);
  EXPECT_EQ(pool->send(2, "x").error().code, ErrorCode::closed);
  EXPECT_EQ(handler_.sent, (std::vector<std::string>{"subscribe 1 s", "subscribe 77"}));
}

TEST_P(WebSocketConnectionPoolTest, ARequestThatIsNoTextEndsItsStreams) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("good"));
  EXPECT_TRUE(pool->subscribe("\xFF"));  // in the same message
  until([&] { return handler_.ended.size() == 1 && handler_.up.size() == 1; });
  EXPECT_EQ(handler_.ended[0], "\xFF");
  EXPECT_EQ(handler_.lost, 0);
  EXPECT_EQ(pool->slot_stats().refused, 1U);
}

// The queue has no room for it: the connection is cut, so that nobody takes the stream for asked for.
TEST_P(WebSocketConnectionPoolTest, AConnectionThatCannotTakeARequestIsCut) {
  options_.websocket.write_queue_bytes_max = 64;
  options_.config.slots.streams_per_message = 1;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe(std::string(100, 's')));
  until([&] { return handler_.lost >= 2; });
  EXPECT_TRUE(handler_.sent.empty());
  EXPECT_GE(venue->accepted(), 2);
}

TEST_P(WebSocketConnectionPoolTest, DrainSaysGoodbye) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  run(pool->drain(soon()));
  EXPECT_EQ(handler_.ended.size(), 1U);
  EXPECT_EQ(pool->subscribe("t").error().code, ErrorCode::closed);
  until([&] { return venue->open() == 0; });
}

// The peer accepts and never answers the handshake: the dial, and its socket, end with the pool.
TEST_P(WebSocketConnectionPoolTest, ARemovedPoolLeavesNoDialBehind) {
  RawPeer mute(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  const std::size_t before = open_sockets();
  ConnectionPoolManager pools(loop);
  const std::string where = (GetParam() ? "wss://localhost:" : "ws://127.0.0.1:") + std::to_string(mute.port());
  const auto added = pools.add_websocket(options_, {wire::parse_url(where).value()}, handler_);
  ASSERT_TRUE(added);
  EXPECT_TRUE((*added)->subscribe("s"));
  until([&] { return mute.connections() == 1; });
  EXPECT_EQ(run(pools.remove("venue", 2s)).value(), 0U);
  EXPECT_LE(open_sockets(), before + 1);  // the peer's end may not have noticed yet
  until([&] { return open_sockets() == before; });
}

TEST_P(WebSocketConnectionPoolTest, ADestroyedPoolLeavesNoDialBehind) {
  RawPeer mute(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  const std::size_t before = open_sockets();
  const std::string where = (GetParam() ? "wss://localhost:" : "ws://127.0.0.1:") + std::to_string(mute.port());
  auto pool = make_pool({wire::parse_url(where).value()});
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return mute.connections() == 1; });
  pool.reset();
  until([&] { return open_sockets() == before; });
}

// A venue that does not answer the goodbye holds nothing up for longer than it may.
TEST_P(WebSocketConnectionPoolTest, DrainCutsWhatHasNotEndedByItsDeadline) {
  options_.config.close_timeout = 3600s;
  const auto venue = make_venue();
  venue->pause_after_first_request(3s);
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("s"));
  until([&] { return handler_.up.size() == 1; });
  EXPECT_EQ(run(pool->drain(loop.refresh_now() + 20ms)), 0U);
  EXPECT_EQ(handler_.closed_by_us, 1);
}

using LeasedPool = ConnectionPool<WebSocketConnectionPtr, WebSocketConnector>;

TEST_P(WebSocketConnectionPoolTest, ConnectionsCanBeLeasedOneByOne) {
  const auto venue = make_venue();
  ConnectionPoolManager pools(loop);
  WebSocketConnectTarget target;
  target.tls = options_.tls;
  pool::PoolConfig config = options_.config.connections;
  config.type = pool::PoolType::websocket;
  config.name = "leased";
  config.health_check_interval = 20ms;
  std::vector<pool::Endpoint> endpoints{
      {GetParam() ? "localhost" : "127.0.0.1", venue->port(), GetParam(), "/ws", 0, 1}};
  const auto added = pools.add<WebSocketConnectionPtr>(config, endpoints, WebSocketConnector(loop, target));
  ASSERT_TRUE(added) << added.error().to_string();
  run([](LeasedPool& pool) -> Task<> {
    for (int i = 0; i < 5; ++i) {
      auto lease = co_await pool.acquire();
      EXPECT_TRUE(lease) << lease.error().to_string();
      if (!lease) co_return;
      EXPECT_TRUE((*lease)->send_text("subscribe 7"));
      const auto read = co_await (*lease)->read_some();
      EXPECT_TRUE(read);
      const auto message = (*lease)->next_message();
      EXPECT_TRUE(message && message->data == "ok 7");
    }
  }(**added));
  EXPECT_EQ((*added)->stats().counters.reused, 4U);
  until([&] { return (*added)->stats().counters.health_checks > 0; });
  EXPECT_EQ((*added)->stats().counters.failed_checks, 0U);
  venue->server().cut_all();
  until([&] { return (*added)->gauges().size == 0; });  // the next check finds out
  EXPECT_EQ(run(pools.remove("leased", 5s)).value(), 0U);
}

TEST_P(WebSocketConnectionPoolTest, PoolsAreKnownByName) {
  const auto venue = make_venue();
  ConnectionPoolManager pools(loop, {.connects = {1, 3600s, 2}});
  const auto streams = pools.add_websocket(options_, {url(*venue)}, handler_);
  ASSERT_TRUE(streams);
  handler_.pool = *streams;
  HttpPoolOptions http;
  http.config.connections.name = "rest";
  http.tls = options_.tls;
  ASSERT_TRUE(pools.add_http(http));
  EXPECT_EQ(pools.add_http(http).error().code, ErrorCode::already_exists);
  EXPECT_EQ(pools.names(), (std::vector<std::string>{"venue", "rest"}));
  // Two connects are in the budget of all pools together.
  for (int i = 0; i < 9; ++i) EXPECT_TRUE((*streams)->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 6; });
  EXPECT_EQ(pools.summary().gauges.size, 2U);
  EXPECT_EQ(pools.stats("venue").size(), 1U);
  EXPECT_EQ(pools.stats("none").size(), 0U);
  EXPECT_EQ(run(pools.remove("rest", 1s)).value(), 0U);
  EXPECT_EQ(run(pools.remove("rest", 1s)).error().code, ErrorCode::not_found);
  EXPECT_EQ(run(pools.drain(5s)), 0U);
  EXPECT_EQ(pools.add_http(http).error().code, ErrorCode::closed);
}

INSTANTIATE_TEST_SUITE_P(Transports, WebSocketConnectionPoolTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "tls" : "tcp"; });

}  // namespace
}  // namespace marketprism::net
