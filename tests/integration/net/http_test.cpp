#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;

// Every test runs over TCP and over TLS.
class HttpTest : public testing::TestWithParam<bool>, public LoopFixture {
 protected:
  HttpServerOptions server_options() const {
    HttpServerOptions options;
    if (GetParam()) options.tls = server_context();
    return options;
  }
  ConnectTarget target(std::uint16_t port) const {
    ConnectTarget out;
    out.host = "localhost";
    out.connect_to = "127.0.0.1";
    out.port = port;
    if (GetParam()) out.tls = client_context();
    return out;
  }
  std::unique_ptr<HttpConnection> connect(std::uint16_t port, HttpConnectionOptions options = {}) {
    auto connection = run(HttpConnection::connect(loop, target(port), soon(), options));
    EXPECT_TRUE(connection.has_value()) << connection.error().to_string();
    return std::move(connection.value());
  }
};

std::string get(std::string target, std::string method = "GET", std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  return make_http_request("localhost", request).value();
}

TEST_P(HttpTest, serves_many_requests_on_one_connection) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/hello", [](const HttpServerRequest& request) {
    HttpReply reply;
    reply.body = "hello " + request.head.query_value("name").value_or("nobody");
    return reply;
  });
  server.handle("POST", "/echo/*", [](const HttpServerRequest& request) {
    HttpReply reply;
    reply.status = 201;
    reply.body = request.body;
    return reply;
  });
  const auto port = server.listen().value();
  const auto connection = connect(port);
  for (int i = 0; i < 20; ++i) {
    const std::string text = get("/hello?name=a%20b" + std::to_string(i));
    const auto response = run(connection->send(text));
    ASSERT_TRUE(response) << response.error().to_string();
    EXPECT_EQ((*response)->status(), 200);
    EXPECT_EQ((*response)->body, "hello a b" + std::to_string(i));
    EXPECT_TRUE(connection->is_reusable());
  }
  const std::string big(3'000'000, 'x');
  const std::string text = get("/echo/1", "POST", big);
  const auto response = run(connection->send(text));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->status(), 201);
  EXPECT_EQ((*response)->body, big);
  EXPECT_EQ(server.statistics().accepted, 1U);
  EXPECT_EQ(server.statistics().requests, 21U);
}

TEST_P(HttpTest, waits_for_slow_handlers_and_serves_others_meanwhile) {
  HttpServer server(loop, server_options());
  async::Signal go(loop);
  server.handle("GET", "/slow", [&go](const HttpServerRequest&) -> Task<HttpReply> {
    co_await go.wait();
    HttpReply reply;
    reply.body = "slow";
    co_return reply;
  });
  server.handle("GET", "/go", [&go](const HttpServerRequest&) {
    go.set();
    return HttpReply{};
  });
  const auto port = server.listen().value();
  const auto first = connect(port);
  const auto second = connect(port);
  const std::string slow = get("/slow");
  const std::string trigger = get("/go");
  std::string body;
  loop.spawn([](HttpConnection& connection, const std::string& text, std::string& out) -> Task<> {
    const auto response = co_await connection.send(text);
    if (response) out = (*response)->body;
  }(*first, slow, body));
  while (!go.has_waiter()) loop.context().run_one();
  ASSERT_TRUE(run(second->send(trigger)));
  while (body.empty()) loop.context().run_one();
  EXPECT_EQ(body, "slow");
}

TEST_P(HttpTest, unknown_paths_and_methods_and_heads) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/a", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.body = "body";
    return reply;
  });
  const auto connection = connect(server.listen().value());
  const std::string missing = get("/b");
  EXPECT_EQ((*run(connection->send(missing)))->status(), 404);
  const std::string post = get("/a", "POST");
  EXPECT_EQ((*run(connection->send(post)))->status(), 405);
  const std::string head = get("/a", "HEAD");
  HttpConnection::SendOptions options;
  options.is_head = true;
  const auto response = run(connection->send(head, options));
  ASSERT_TRUE(response);
  EXPECT_EQ((*response)->status(), 200);
  EXPECT_EQ((*response)->head.find("Content-Length"), "4");
  EXPECT_EQ((*response)->body, "");
  EXPECT_TRUE(connection->is_reusable());
  EXPECT_EQ(server.statistics().accepted, 1U);
}

TEST_P(HttpTest, a_reply_may_close_the_connection) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.close = true;
    return reply;
  });
  const auto connection = connect(server.listen().value());
  const std::string text = get("/");
  ASSERT_TRUE(run(connection->send(text)));
  EXPECT_FALSE(connection->is_reusable());
  const auto again = run(connection->send(text));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::closed);
  EXPECT_EQ(connection->progress(), HttpProgress::nothing_written);
}

TEST_P(HttpTest, an_idle_connection_notices_its_end) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/", [](const HttpServerRequest&) { return HttpReply{}; });
  const auto connection = connect(server.listen().value());
  const std::string text = get("/");
  ASSERT_TRUE(run(connection->send(text)));
  EXPECT_TRUE(connection->is_reusable());
  bool was_closed = false;
  connection->on_closed([&] {
    was_closed = true;
    loop.stop();
  });
  loop.post([&] { server.cut_all(); });
  loop.run();
  EXPECT_TRUE(was_closed);
  EXPECT_FALSE(connection->is_reusable());
  EXPECT_EQ(server.statistics().open, 0U);
}

TEST_P(HttpTest, the_server_holds_its_limits) {
  HttpServerOptions options = server_options();
  options.head_bytes_max = 1000;
  options.body_bytes_max = 2000;
  HttpServer server(loop, options);
  server.handle("*", "/*", [](const HttpServerRequest&) { return HttpReply{}; });
  const auto port = server.listen().value();
  HttpRequest request;
  request.headers.add("X", std::string(1000, 'x'));
  const std::string big_head = make_http_request("localhost", request).value();
  auto connection = connect(port);
  auto response = run(connection->send(big_head));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->status(), 431);
  EXPECT_FALSE(connection->is_open());
  // Larger than all buffers between the two: the answer comes while the request is still being written.
  const std::string big_body = get("/", "POST", std::string(20'000'000, 'x'));
  connection = connect(port);
  response = run(connection->send(big_body));
  if (response) {
    EXPECT_EQ((*response)->status(), 413);
  } else {
    EXPECT_EQ(response.error().code, ErrorCode::connection_reset);  // the reset may overtake the answer
  }
  EXPECT_FALSE(connection->is_open());
}

TEST_P(HttpTest, the_client_holds_its_limits) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.body.assign(5000, 'x');
    return reply;
  });
  HttpConnectionOptions options;
  options.body_bytes_max = 4999;
  const auto connection = connect(server.listen().value(), options);
  const std::string text = get("/");
  const auto response = run(connection->send(text));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::too_large);
  EXPECT_THAT(response.error().message, HasSubstr("localhost:"));
  EXPECT_EQ(connection->progress(), HttpProgress::response_begun);
  EXPECT_FALSE(connection->is_open());
}

TEST_P(HttpTest, deadlines_hold_in_every_phase) {
  HttpServer server(loop, server_options());
  async::Signal never(loop);
  server.handle("GET", "/", [&never](const HttpServerRequest&) -> Task<HttpReply> {
    co_await never.wait();
    co_return HttpReply{};
  });
  const auto port = server.listen().value();
  HttpConnectionOptions options;
  options.head_timeout = std::chrono::milliseconds(50);
  auto connection = connect(port, options);
  const std::string text = get("/");
  auto response = run(connection->send(text));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
  EXPECT_THAT(response.error().message, HasSubstr("waiting for the response"));
  EXPECT_EQ(connection->progress(), HttpProgress::written);
  never.cancel();
  connection = connect(port);
  HttpConnection::SendOptions total;
  total.deadline = loop.refresh_now() + std::chrono::milliseconds(50);
  response = run(connection->send(text, total));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
  never.cancel();
}

TEST_P(HttpTest, destroying_the_connection_ends_a_waiting_request) {
  HttpServer server(loop, server_options());
  async::Signal never(loop);
  server.handle("GET", "/", [&never](const HttpServerRequest&) -> Task<HttpReply> {
    co_await never.wait();
    co_return HttpReply{};
  });
  auto connection = connect(server.listen().value());
  const std::string text = get("/");
  std::optional<ErrorCode> code;
  loop.spawn([](HttpConnection& on, const std::string& request, std::optional<ErrorCode>& out) -> Task<> {
    const auto response = co_await on.send(request);
    out = response ? ErrorCode::closed : response.error().code;
  }(*connection, text, code));
  while (!never.has_waiter()) loop.context().run_one();
  connection.reset();
  EXPECT_EQ(code, ErrorCode::cancelled);
  never.cancel();
}

TEST_P(HttpTest, stops_gently) {
  HttpServer server(loop, server_options());
  async::Signal go(loop);
  server.handle("GET", "/", [&go](const HttpServerRequest&) -> Task<HttpReply> {
    co_await go.wait();
    co_return HttpReply{};
  });
  const auto port = server.listen().value();
  const auto idle = connect(port);
  const auto busy = connect(port);
  const std::string text = get("/");
  std::optional<int> status;
  loop.spawn([](HttpConnection& on, const std::string& request, std::optional<int>& out) -> Task<> {
    const auto response = co_await on.send(request);
    out = response ? (*response)->status() : 0;
  }(*busy, text, status));
  while (!go.has_waiter()) loop.context().run_one();
  // The handler answers once the stop has begun, which the idle connection notices.
  idle->on_closed([&go] { go.set(); });
  EXPECT_EQ(run(server.stop(soon())), 0U);
  while (!status) loop.context().run_one();
  EXPECT_EQ(status, 200);
  EXPECT_FALSE(busy->is_reusable());
  const auto refused = run(HttpConnection::connect(loop, target(port), soon()));
  EXPECT_FALSE(refused);
  EXPECT_TRUE(server.listen());  // on the same port again
  EXPECT_EQ(server.port(), port);
}

TEST_P(HttpTest, stop_cuts_what_does_not_end) {
  HttpServer server(loop, server_options());
  async::Signal never(loop);
  server.handle("GET", "/", [&never](const HttpServerRequest&) -> Task<HttpReply> {
    co_await never.wait();
    co_return HttpReply{};
  });
  const auto connection = connect(server.listen().value());
  const std::string text = get("/");
  loop.spawn(
      [](HttpConnection& on, const std::string& request) -> Task<> { co_await on.send(request); }(*connection, text));
  while (!never.has_waiter()) loop.context().run_one();
  EXPECT_EQ(run(server.stop(loop.refresh_now())), 1U);
  never.cancel();
}

INSTANTIATE_TEST_SUITE_P(transports, HttpTest, testing::Bool(),
                         [](const auto& instance) { return instance.param ? std::string("tls") : std::string("tcp"); });

}  // namespace
}  // namespace marketprism::net
