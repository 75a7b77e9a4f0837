#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/net/websocket_connection_pool.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {

using namespace std::chrono_literals;

/// A venue that speaks a toy protocol: "subscribe ID a b" → "ok ID", then "data NAME" for each; names that begin with
/// "bad" → "no ID".
class Venue {
 public:
  explicit Venue(async::EventLoop& loop, TlsContextPtr tls = nullptr)
      : loop_(loop), server_(loop, options(std::move(tls))) {
    WebSocketServerOptions accepted;
    accepted.policy = {.subprotocols = {"toy"}, .deflate = wire::DeflateOptions(), .headers = {}};
    server_.handle_upgrade(
        "/ws", accept_websocket(
                   std::move(accepted), [this](WebSocketConnection& connection, const HttpServerRequest& request) {
                     agreed_.push_back(connection.subprotocol() + (connection.is_compressed() ? " deflate " : " ") +
                                       std::string(request.head.find("user-agent").value_or("")));
                     return serve(connection);
                   }));
    port_ = server_.listen().value();
  }
  HttpServer& server() { return server_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Of each connection: subprotocol, compression, User-Agent.
  [[nodiscard]] const std::vector<std::string>& agreed() const { return agreed_; }
  [[nodiscard]] int accepted() const { return accepted_; }
  [[nodiscard]] std::size_t open() const { return subscribed_.size(); }
  /// Cuts each connection, without a close frame, when it is that old.
  void cut_after(Nanoseconds age) { cut_after_ = age; }
  /// Cuts each connection before it is asked for anything.
  void cut_at_once() { cuts_at_once_ = true; }
  [[nodiscard]] int cuts() const { return cuts_; }
  /// Pings each connection.
  void ping_every(Nanoseconds interval) { ping_every_ = interval; }
  [[nodiscard]] std::uint64_t pongs() const {
    std::uint64_t all = 0;
    for (const auto& [connection, names] : subscribed_) all += connection->statistics().pongs_received;
    return all;
  }
  /// Reads nothing for so long after the first request on a connection, a close least of all.
  void pause_after_first_request(Nanoseconds pause) { pause_ = pause; }
  /// Messages of data sent, over all connections.
  [[nodiscard]] int sent() const { return sent_; }
  /// No more data of this stream.
  void mute(std::string stream) { muted_ = std::move(stream); }
  /// Sends this on all connections.
  void say(std::string_view text) {
    for (const auto& [connection, names] : subscribed_) static_cast<void>(connection->send_text(text));
  }
  /// One round of data for every subscription.
  void publish() {
    for (const auto& [connection, names] : subscribed_) {
      for (const auto& name : names) {
        if (name != muted_) send_data(*connection, name);
      }
    }
  }
  [[nodiscard]] std::multiset<std::string> subscribed() const {
    std::multiset<std::string> all;
    for (const auto& [connection, names] : subscribed_) all.insert(names.begin(), names.end());
    return all;
  }

 private:
  struct Cut {
    Venue& venue;
    WebSocketConnection& connection;
    void make() {
      ++venue.cuts_;
      connection.cancel();
    }
  };

  Task<> ping(WebSocketConnection* connection) {
    while (subscribed_.contains(connection)) {
      static_cast<void>(connection->send_ping("x"));
      co_await loop_.sleep_for(ping_every_);
    }
  }

  static HttpServerOptions options(TlsContextPtr tls) {
    HttpServerOptions made;
    made.tls = std::move(tls);
    return made;
  }

  Task<> serve(WebSocketConnection& connection) {
    subscribed_[&connection];
    ++accepted_;
    if (cuts_at_once_) connection.cancel();
    if (ping_every_.count() > 0) loop_.spawn(ping(&connection));
    Cut cut{*this, connection};
    async::Timer timer([](void* self) { static_cast<Cut*>(self)->make(); }, &cut);
    if (cut_after_.count() > 0) loop_.timers().arm(timer, loop_.refresh_now() + cut_after_);
    while (co_await connection.read_some()) {
      bool is_first = false;
      while (const auto message = connection.next_message()) {
        is_first = subscribed_[&connection].empty();
        answer(connection, std::string(message->data));
      }
      if (is_first && pause_.count() > 0) co_await loop_.sleep_for(pause_);
    }
    subscribed_.erase(&connection);
  }

  void send_data(WebSocketConnection& connection, const std::string& name) {
    if (connection.send_text("data " + name)) ++sent_;
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
        send_data(connection, one);
      } else {
        subscribed_[&connection].erase(one);
      }
    }
  }

  async::EventLoop& loop_;
  HttpServer server_;
  std::uint16_t port_ = 0;
  Nanoseconds cut_after_{0};
  bool cuts_at_once_ = false;
  Nanoseconds ping_every_{0};
  Nanoseconds pause_{0};
  int sent_ = 0;
  int cuts_ = 0;
  int accepted_ = 0;
  std::vector<std::string> agreed_;
  std::string muted_;
  std::map<WebSocketConnection*, std::set<std::string>> subscribed_;
};

/// Speaks the toy protocol for a pool, and counts.
class ToyHandler final : public WebSocketStreamHandler {
 public:
  WebSocketConnectionPool* pool = nullptr;
  std::set<std::string> up;
  std::map<std::string, int> messages;
  std::vector<std::string> ended;
  std::vector<std::string> sent;
  std::vector<std::string> went_down;
  int downs = 0;
  std::function<void()> when_down;
  int lost = 0;
  int closed_by_us = 0;
  bool warn_at_once = false;  // as if the venue were about to cut every connection as soon as it carries something

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
    if (data.starts_with("data ")) {
      ++messages[word];
      pool->on_stream_message(connection, word);
    }
  }
  void on_sent(std::uint32_t, std::string_view text) override { sent.emplace_back(text); }
  void on_stream_up(std::string_view stream, std::uint32_t connection) override {
    up.emplace(stream);
    if (warn_at_once) pool->announce_closing(connection);
  }
  void on_stream_down(std::string_view stream, std::string_view) override {
    ++downs;
    if (when_down) when_down();
    went_down.emplace_back(stream);
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
    options_.config.connections.name = "venue";
    options_.config.connections.max_size = 4;
    options_.config.connections.min_size = 0;
    options_.config.connections.dial_backoff = {1ms, 20ms, 0ms};
    options_.config.slots.streams_per_connection = 3;
    options_.config.slots.messages = {100, 1s, 100};
    if (GetParam()) options_.tls = client_context();
  }

  std::unique_ptr<Venue> make_venue() { return std::make_unique<Venue>(loop, GetParam() ? server_context() : nullptr); }
  wire::Url url(const Venue& venue) const {
    return wire::parse_url((GetParam() ? "wss://localhost:" : "ws://127.0.0.1:") + std::to_string(venue.port()) + "/ws")
        .value();
  }
  std::unique_ptr<WebSocketConnectionPool> make_pool(const Venue& venue) { return make_pool(std::vector{url(venue)}); }
  std::unique_ptr<WebSocketConnectionPool> make_pool(const std::vector<wire::Url>& urls) {
    auto pool = std::make_unique<WebSocketConnectionPool>(
        WebSocketConnectionPool::create(loop, options_, urls, handler_).value());
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
  ToyHandler handler_;
};

}  // namespace marketprism::net
