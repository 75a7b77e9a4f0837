// WebSocketConnectionPool and leased WebSocket connections against a venue that speaks a toy protocol:
// "subscribe ID a,b" → "ok ID", then "data NAME" for each; names that begin with "bad" → "no ID".
#include "marketprism/net/websocket_connection_pool.hpp"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/connection_pool_manager.hpp"
#include "marketprism/net/websocket_connector.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

class Venue {
 public:
  explicit Venue(async::EventLoop& loop, TlsContextPtr tls = nullptr) : server_(loop, options(std::move(tls))) {
    server_.handle_upgrade("/ws", accept_websocket({}, [this](WebSocketConnection& connection,
                                                              const HttpServerRequest&) { return serve(connection); }));
    port_ = server_.listen().value();
  }
  HttpServer& server() { return server_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t open() const { return subscribed_.size(); }
  [[nodiscard]] std::multiset<std::string> subscribed() const {
    std::multiset<std::string> all;
    for (const auto& [connection, names] : subscribed_) all.insert(names.begin(), names.end());
    return all;
  }

 private:
  static HttpServerOptions options(TlsContextPtr tls) {
    HttpServerOptions made;
    made.tls = std::move(tls);
    return made;
  }

  Task<> serve(WebSocketConnection& connection) {
    subscribed_[&connection];
    while (co_await connection.read_some()) {
      while (const auto message = connection.next_message()) answer(connection, std::string(message->data));
    }
    subscribed_.erase(&connection);
  }

  void answer(WebSocketConnection& connection, const std::string& text) {
    std::istringstream words(text);
    std::string verb;
    std::string id;
    words >> verb >> id;
    std::string name;
    std::vector<std::string> names;
    while (words >> name) names.push_back(name);
    for (const auto& one : names) {
      if (one.starts_with("bad")) return static_cast<void>(connection.send_text("no " + id));
    }
    static_cast<void>(connection.send_text("ok " + id));
    for (const auto& one : names) {
      if (verb == "subscribe") {
        subscribed_[&connection].insert(one);
        static_cast<void>(connection.send_text("data " + one));
      } else {
        subscribed_[&connection].erase(one);
      }
    }
  }

  HttpServer server_;
  std::uint16_t port_ = 0;
  std::map<WebSocketConnection*, std::set<std::string>> subscribed_;
};

class Handler final : public WebSocketStreamHandler {
 public:
  WebSocketConnectionPool* pool = nullptr;
  std::set<std::string> up;
  std::map<std::string, int> messages;
  std::vector<std::string> ended;
  int downs = 0;
  int lost = 0;
  int closed_by_us = 0;

  std::string subscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return text("subscribe", streams, id);
  }
  std::string unsubscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return text("unsubscribe", streams, id);
  }
  void on_message(std::uint32_t connection, const WebSocketReceived& message) override {
    const std::string data(message.data);
    const std::string word = data.substr(data.find(' ') + 1);
    if (data.starts_with("ok ")) pool->acknowledge(connection, std::stoll(word));
    if (data.starts_with("no ")) {
      pool->refuse(connection, std::stoll(word), Error{ErrorCode::rejected, "unknown stream", true, nullptr});
    }
    if (data.starts_with("data ")) ++messages[word];
  }
  void on_stream_up(std::string_view stream, std::uint32_t) override { up.emplace(stream); }
  void on_stream_down(std::string_view stream, std::string_view) override {
    ++downs;
    up.erase(std::string(stream));
  }
  void on_stream_end(std::string_view stream, const std::optional<Error>&) override {
    ended.emplace_back(stream);
    up.erase(std::string(stream));
  }
  void on_close(std::uint32_t, WebSocketCloseCode, std::string_view, bool is_ours) override {
    ++(is_ours ? closed_by_us : lost);
  }

 private:
  static std::string text(const std::string& verb, std::span<const std::string> streams, std::int64_t id) {
    std::string made = verb + " " + std::to_string(id);
    for (const auto& stream : streams) made += " " + stream;
    return made;
  }
};

class WebSocketConnectionPoolTest : public testing::TestWithParam<bool>, public LoopFixture {
 protected:
  WebSocketConnectionPoolTest() {
    options_.connections.name = "venue";
    options_.connections.max_size = 4;
    options_.connections.min_size = 0;
    options_.connections.dial_backoff = {1ms, 20ms, 0ms};
    options_.slots.streams_per_connection = 3;
    options_.slots.messages = {100, 1s, 100};
    if (GetParam()) options_.tls = client_context();
  }

  std::unique_ptr<Venue> make_venue() { return std::make_unique<Venue>(loop, GetParam() ? server_context() : nullptr); }
  wire::Url url(const Venue& venue) const {
    return wire::parse_url((GetParam() ? "wss://localhost:" : "ws://127.0.0.1:") + std::to_string(venue.port()) + "/ws")
        .value();
  }
  std::unique_ptr<WebSocketConnectionPool> make_pool(const Venue& venue) {
    auto pool = std::make_unique<WebSocketConnectionPool>(loop, options_, std::vector{url(venue)}, handler_);
    handler_.pool = pool.get();
    pool->start();
    return pool;
  }
  /// Runs the loop until `what` holds, for some seconds at most.
  template <class Condition>
  void until(Condition what) {
    run([](async::EventLoop& l, Condition& done) -> Task<> {
      for (int i = 0; i < 2'000 && !done(); ++i) co_await l.sleep_for(2ms);
    }(loop, what));
    EXPECT_TRUE(what());
  }

  WebSocketPoolOptions options_;
  Handler handler_;
};

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

TEST_P(WebSocketConnectionPoolTest, RotatesWithoutABreak) {
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool->subscribe("s" + std::to_string(i)));
  until([&] { return handler_.up.size() == 3; });
  pool->announce_closing(1);
  until([&] { return pool->slot_stats().rotations == 1 && venue->open() == 1; });
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_EQ(handler_.closed_by_us, 1);
  EXPECT_EQ(pool->slot_stats().moved, 3U);
  EXPECT_EQ(venue->subscribed().size(), 3U);
}

TEST_P(WebSocketConnectionPoolTest, ARefusedStreamEnds) {
  options_.slots.streams_per_message = 1;
  const auto venue = make_venue();
  const auto pool = make_pool(*venue);
  EXPECT_TRUE(pool->subscribe("good"));
  EXPECT_TRUE(pool->subscribe("bad"));
  until([&] { return handler_.up.size() == 1 && handler_.ended.size() == 1; });
  EXPECT_EQ(handler_.ended[0], "bad");
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

using LeasedPool = ConnectionPool<WebSocketConnectionPtr, WebSocketConnector>;

TEST_P(WebSocketConnectionPoolTest, ConnectionsCanBeLeasedOneByOne) {
  const auto venue = make_venue();
  ConnectionPoolManager pools(loop);
  WebSocketConnectTarget target;
  target.tls = options_.tls;
  pool::PoolConfig config = options_.connections;
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
