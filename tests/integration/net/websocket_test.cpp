#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;

class WebSocketTest : public testing::TestWithParam<bool>, public LoopFixture {
 protected:
  HttpServerOptions server_options() const {
    HttpServerOptions options;
    if (GetParam()) options.tls = server_context();
    return options;
  }
  WebSocketConnectTarget target(std::uint16_t port) const {
    WebSocketConnectTarget out;
    const std::string scheme = GetParam() ? "wss" : "ws";
    out.url = wire::parse_url(scheme + "://localhost:" + std::to_string(port) + "/stream").value();
    out.connect_to = "127.0.0.1";
    if (GetParam()) out.tls = client_context();
    return out;
  }
  std::unique_ptr<WebSocketConnection> connect(WebSocketConnectTarget where, WebSocketOptions options = {}) {
    auto connection = run(WebSocketConnection::connect(loop, std::move(where), soon(), options));
    EXPECT_TRUE(connection.has_value()) << connection.error().to_string();
    return std::move(connection.value());
  }
};

Task<> echo(WebSocketConnection& connection, const HttpServerRequest&) {
  while (true) {
    const auto received = co_await connection.read_some();
    if (!received) co_return;
    while (const auto message = connection.next_message()) {
      if (message->kind == WebSocketMessageKind::text) {
        static_cast<void>(connection.send_text(message->data));
      } else {
        static_cast<void>(connection.send_binary(message->data));
      }
    }
  }
}

Task<Result<std::vector<std::string>>> collect(WebSocketConnection& connection, std::size_t count) {
  std::vector<std::string> out;
  while (out.size() < count) {
    const auto received = co_await connection.read_some();
    if (!received) co_return std::unexpected(received.error());
    while (const auto message = connection.next_message()) out.emplace_back(message->data);
  }
  co_return std::move(out);
}

TEST_P(WebSocketTest, echoes_messages_of_all_sizes) {
  HttpServer server(loop, server_options());
  WebSocketServerOptions options;
  server.handle_upgrade("/stream", accept_websocket(options, echo));
  const auto connection = connect(target(server.listen().value()));
  std::vector<std::string> sent;
  for (const std::size_t size : {0, 1, 125, 126, 1000, 65535, 65536, 300000}) {
    sent.emplace_back(size, 'a');
    ASSERT_TRUE(connection->send_text(sent.back()));
  }
  const auto received = run(collect(*connection, sent.size()));
  ASSERT_TRUE(received) << received.error().to_string();
  EXPECT_EQ(*received, sent);
  const auto closed = run(connection->close(WebSocketCloseCode::normal, "bye", soon()));
  EXPECT_TRUE(closed) << closed.error().to_string();
  EXPECT_EQ(connection->close_code(), WebSocketCloseCode::normal);
}

TEST_P(WebSocketTest, compresses_when_both_want_it) {
  HttpServer server(loop, server_options());
  WebSocketServerOptions options;
  options.policy.deflate.emplace();
  server.handle_upgrade("/stream", accept_websocket(options, echo));
  auto where = target(server.listen().value());
  where.deflate.emplace();
  const auto connection = connect(where);
  EXPECT_TRUE(connection->is_compressed());
  std::vector<std::string> sent;
  for (int i = 0; i < 50; ++i) {
    sent.push_back("{\"symbol\":\"BTCUSDT\",\"price\":\"" + std::string(300, '1') + std::to_string(i) + "\"}");
    ASSERT_TRUE(connection->send_text(sent.back()));
  }
  const auto received = run(collect(*connection, sent.size()));
  ASSERT_TRUE(received) << received.error().to_string();
  EXPECT_EQ(*received, sent);
  EXPECT_LT(connection->statistics().bytes_received, 5000U);
  EXPECT_LT(connection->statistics().bytes_sent, 5000U);
}

TEST_P(WebSocketTest, the_largest_limits_mean_none) {
  HttpServer server(loop, server_options());
  WebSocketServerOptions options;
  options.policy.deflate.emplace();
  options.connection.message_bytes_max = options.connection.write_queue_bytes_max = SIZE_MAX;
  server.handle_upgrade("/stream", accept_websocket(options, echo));
  auto where = target(server.listen().value());
  where.deflate.emplace();
  where.route.attempt_delay = Nanoseconds::max();
  WebSocketOptions boundless = options.connection;
  boundless.ping_interval = boundless.pong_timeout = boundless.silence_timeout = Nanoseconds::max();
  const auto connection = connect(where, boundless);
  const std::vector<std::string> sent{std::string(5'000, 'a'), std::string(100'000, 'b')};
  for (const std::string& text : sent) ASSERT_TRUE(connection->send_text(text));
  const auto received = run(collect(*connection, sent.size()));
  ASSERT_TRUE(received) << received.error().to_string();
  EXPECT_EQ(*received, sent);
  EXPECT_EQ(connection->statistics().pings_sent, 0U);
}

TEST_P(WebSocketTest, agrees_on_a_subprotocol_and_passes_headers) {
  HttpServer server(loop, server_options());
  WebSocketServerOptions options;
  options.policy.subprotocols = {"v2", "v1"};
  std::string seen;
  server.handle_upgrade(
      "/stream",
      accept_websocket(options, [&seen](WebSocketConnection& connection, const HttpServerRequest& request) -> Task<> {
        seen = std::string(request.head.find("X-Key").value_or("none"));
        static_cast<void>(connection.send_text(connection.subprotocol()));
        co_return;
      }));
  auto where = target(server.listen().value());
  where.subprotocols = {"v1"};
  where.headers.add("X-Key", "secret");
  const auto connection = connect(where);
  EXPECT_EQ(connection->subprotocol(), "v1");
  const auto received = run(collect(*connection, 1));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->front(), "v1");
  EXPECT_EQ(seen, "secret");
}

TEST_P(WebSocketTest, a_path_without_websocket_is_rejected_with_its_status) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/stream", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.status = 429;
    return reply;
  });
  const auto limited = run(WebSocketConnection::connect(loop, target(server.listen().value()), soon()));
  ASSERT_FALSE(limited);
  EXPECT_EQ(limited.error().code, ErrorCode::rate_limited);
  EXPECT_THAT(limited.error().to_string(), HasSubstr("localhost"));
  auto elsewhere = target(server.port());
  elsewhere.url.path = "/elsewhere";
  const auto missing = run(WebSocketConnection::connect(loop, elsewhere, soon()));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::rejected);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("404"));
}

TEST_P(WebSocketTest, both_sides_learn_the_close_code) {
  HttpServer server(loop, server_options());
  std::optional<WebSocketCloseCode> seen;
  std::string reason;
  server.handle_upgrade("/stream",
                        accept_websocket({}, [&](WebSocketConnection& connection, const HttpServerRequest&) -> Task<> {
                          while (co_await connection.read_some()) {
                            while (connection.next_message()) {
                            }
                          }
                          seen = connection.close_code();
                          reason = connection.close_reason();
                        }));
  const auto connection = connect(target(server.listen().value()));
  ASSERT_TRUE(run(connection->close(static_cast<WebSocketCloseCode>(4001), "over", soon())));
  EXPECT_EQ(connection->close_code(), static_cast<WebSocketCloseCode>(4001));
  EXPECT_FALSE(connection->is_open());
  while (!seen) loop.context().run_one();
  EXPECT_EQ(seen, static_cast<WebSocketCloseCode>(4001));
  EXPECT_EQ(reason, "over");
  EXPECT_EQ(connection->send_text("late").error().code, ErrorCode::connection_closed);
  const auto read = run(connection->read_some());
  EXPECT_EQ(read.error().code, ErrorCode::connection_closed);
}

TEST_P(WebSocketTest, a_close_waits_while_another_coroutine_reads) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  const auto connection = connect(target(server.listen().value()));
  std::vector<std::string> got;
  std::optional<ErrorCode> ended;
  loop.spawn([](WebSocketConnection& on, std::vector<std::string>& out, std::optional<ErrorCode>& code) -> Task<> {
    while (true) {
      const auto received = co_await on.read_some();
      if (!received) {
        code = received.error().code;
        co_return;
      }
      while (const auto message = on.next_message()) out.emplace_back(message->data);
    }
  }(*connection, got, ended));
  ASSERT_TRUE(connection->send_text("before the close"));
  while (got.empty()) loop.context().run_one();
  ASSERT_TRUE(run(connection->close(WebSocketCloseCode::normal, "", soon())));
  while (!ended) loop.context().run_one();
  EXPECT_EQ(ended, ErrorCode::connection_closed);
  EXPECT_THAT(got, testing::ElementsAre("before the close"));
}

TEST_P(WebSocketTest, two_closes_wait_while_another_coroutine_reads) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  const auto connection = connect(target(server.listen().value()));
  bool has_ended = false;
  loop.spawn([](WebSocketConnection& on, bool& done) -> Task<> {
    while (co_await on.read_some()) {
      while (on.next_message()) {
      }
    }
    done = true;
  }(*connection, has_ended));
  int closed = 0;
  for (int i = 0; i < 2; ++i) {
    loop.spawn([](WebSocketConnection& on, int& count, Instant deadline) -> Task<> {
      const auto done = co_await on.close(WebSocketCloseCode::normal, "", deadline);
      EXPECT_TRUE(done);
      ++count;
    }(*connection, closed, soon()));
  }
  run([](EventLoop& on, const int& count, const bool& ended, Instant deadline) -> Task<> {
    while ((count < 2 || !ended) && on.refresh_now() < deadline) co_await on.sleep_for(std::chrono::milliseconds(1));
  }(loop, closed, has_ended, soon()));
  EXPECT_EQ(closed, 2);
  EXPECT_TRUE(has_ended);
}

TEST_P(WebSocketTest, pings_and_measures_the_round_trip) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  WebSocketOptions options;
  options.ping_interval = std::chrono::milliseconds(10);
  const auto connection = connect(target(server.listen().value()), options);
  while (connection->statistics().pongs_received < 3) {
    ASSERT_TRUE(run(connection->read_some()));
    EXPECT_FALSE(connection->next_message());
  }
  EXPECT_GT(connection->statistics().round_trip_last.count(), 0);
  EXPECT_LE(connection->statistics().round_trip_min, connection->statistics().round_trip_last);
}

TEST_P(WebSocketTest, stamps_messages_with_the_time_of_the_read) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  const auto connection = connect(target(server.listen().value()));
  const auto wall = [] { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); };
  const UnixTime before = wall();
  connection->cork();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(connection->send_text("x"));
  ASSERT_TRUE(connection->uncork());
  std::vector<UnixTime> stamps;
  while (stamps.size() < 10) {
    ASSERT_TRUE(run(connection->read_some()));
    while (const auto message = connection->next_message()) stamps.push_back(message->receive_time);
  }
  EXPECT_GE(stamps.front(), before);
  EXPECT_LE(stamps.back(), wall());
  EXPECT_TRUE(std::is_sorted(stamps.begin(), stamps.end()));
  EXPECT_GE(connection->last_receive(), Instant{});
}

TEST_P(WebSocketTest, a_full_queue_refuses_and_a_reading_peer_drains_it) {
  HttpServer server(loop, server_options());
  async::Signal go(loop);
  std::size_t received = 0;
  server.handle_upgrade("/stream",
                        accept_websocket({}, [&](WebSocketConnection& connection, const HttpServerRequest&) -> Task<> {
                          co_await go.wait();
                          while (co_await connection.read_some()) {
                            while (connection.next_message()) ++received;
                          }
                        }));
  WebSocketOptions options;
  options.write_queue_bytes_max = 1'000'000;
  const auto connection = connect(target(server.listen().value()), options);
  const std::string text(10'000, 'x');
  std::size_t sent = 0;
  Result<> result;
  while ((result = connection->send_text(text)) && sent < 100'000) ++sent;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::exhausted);
  EXPECT_TRUE(connection->is_open());
  EXPECT_LE(connection->write_queue_bytes(), 1'000'000U);
  loop.post([&] { go.set(); });
  ASSERT_TRUE(run(connection->flush()));
  EXPECT_EQ(connection->write_queue_bytes(), 0U);
  ASSERT_TRUE(run(connection->close(WebSocketCloseCode::normal, "", soon())));
  while (received < sent) loop.context().run_one();
  EXPECT_EQ(received, sent);  // what was taken arrived, what was refused did not
}

TEST_P(WebSocketTest, cancel_and_destruction_end_a_waiting_read) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  const auto port = server.listen().value();
  for (const bool destroy : {false, true}) {
    auto connection = connect(target(port));
    std::optional<ErrorCode> code;
    loop.spawn([](WebSocketConnection& on, std::optional<ErrorCode>& out) -> Task<> {
      const auto received = co_await on.read_some();
      out = received ? ErrorCode::closed : received.error().code;
    }(*connection, code));
    loop.post([&] {
      if (destroy) {
        connection.reset();
      } else {
        connection->cancel();
      }
    });
    while (!code) loop.context().run_one();
    EXPECT_EQ(code, ErrorCode::cancelled);
  }
  while (server.statistics().open != 0) loop.context().run_one();
}

TEST_P(WebSocketTest, a_stop_waits_until_the_handlers_it_cut_have_ended) {
  HttpServer server(loop, server_options());
  bool ended = false;
  server.handle_upgrade(
      "/stream",
      accept_websocket({}, [&ended](WebSocketConnection& connection, const HttpServerRequest& request) -> Task<> {
        co_await echo(connection, request);
        ended = true;
      }));
  const auto connection = connect(target(server.listen().value()));
  ASSERT_TRUE(connection->send_text("x"));
  ASSERT_TRUE(run(connection->read_some()));
  EXPECT_EQ(run(server.stop(loop.refresh_now())), 1U);
  EXPECT_TRUE(ended);
  EXPECT_EQ(server.statistics().open, 0U);
}

TEST_P(WebSocketTest, the_server_s_end_is_the_connection_s) {
  HttpServer server(loop, server_options());
  server.handle_upgrade("/stream", accept_websocket({}, echo));
  const auto connection = connect(target(server.listen().value()));
  loop.post([&] { server.cut_all(); });
  const auto received = run(connection->read_some());
  ASSERT_FALSE(received);
  EXPECT_EQ(connection->close_code(), WebSocketCloseCode::abnormal);
  EXPECT_THAT(received.error().message, HasSubstr("without a WebSocket close"));
  EXPECT_FALSE(connection->is_open());
}

INSTANTIATE_TEST_SUITE_P(transports, WebSocketTest, testing::Bool(),
                         [](const auto& instance) { return instance.param ? std::string("tls") : std::string("tcp"); });

}  // namespace
}  // namespace marketprism::net
