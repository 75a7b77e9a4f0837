// Once warm, no request, message or acquire costs an allocation on the thread of its loop.

#include <gtest/gtest.h>

#include "marketprism/async/runtime.hpp"
#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/net/connection_pool.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

Task<std::size_t> ask(HttpConnection& connection, std::string_view request, int count) {
  const memory::AllocationCounter allocations;
  for (int i = 0; i < count; ++i) {
    const auto response = co_await connection.send(request);
    if (!response) co_return SIZE_MAX;
  }
  co_return allocations.count();
}

Task<std::size_t> ask(HttpConnectionPool& pool, const wire::Url& url, std::string_view request, int count) {
  const memory::AllocationCounter allocations;
  HttpConnectionPool::Prepared prepared;
  prepared.text = request;
  for (int i = 0; i < count; ++i) {
    const auto response = co_await pool.request(url, prepared);
    if (!response) co_return SIZE_MAX;
  }
  co_return allocations.count();
}

using Pool = ConnectionPool<HttpConnectionPtr, HttpConnector>;

Task<std::size_t> borrow(Pool& pool, int count) {
  const memory::AllocationCounter allocations;
  for (int i = 0; i < count; ++i) {
    const auto lease = co_await pool.acquire();
    if (!lease) co_return SIZE_MAX;
  }
  co_return allocations.count();
}

Task<std::size_t> talk(WebSocketConnection& connection, std::string_view text, int count) {
  const memory::AllocationCounter allocations;
  for (int i = 0; i < count; ++i) {
    if (!connection.send_text(text)) co_return SIZE_MAX;
    for (bool answered = false; !answered;) {
      const auto received = co_await connection.read_some();
      if (!received) co_return SIZE_MAX;
      while (connection.next_message() != nullptr) answered = true;
    }
  }
  co_return allocations.count();
}

Task<> echo(WebSocketConnection& connection, const HttpServerRequest&) {
  while (true) {
    const auto received = co_await connection.read_some();
    if (!received) co_return;
    while (const auto message = connection.next_message()) static_cast<void>(connection.send_text(message->data));
  }
}

// Under a sanitizer coroutine frames outgrow what Asio keeps for reuse, and every malloc is counted, OpenSSL's as well.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

TEST(AllocationTest, none_for_a_pooled_request_or_an_acquire_once_warm) {
  if (is_sanitized) GTEST_SKIP() << "a build without sanitizers proves it";
  async::Runtime servers;
  HttpServer server(servers.loop(0));
  server.handle("GET", "/", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.body.assign(200, 'x');
    return reply;
  });
  const std::uint16_t port = server.listen().value();
  servers.start();

  LoopFixture client;
  HttpPoolOptions options;
  options.config.connections.min_size = 0;
  auto http = HttpConnectionPool::create(client.loop, options).value();
  const auto url = wire::parse_url("http://127.0.0.1:" + std::to_string(port) + "/").value();
  const std::string request = make_http_request(url.host_header(), HttpRequest{}).value();
  client.run(ask(http, url, request, 50));
  EXPECT_EQ(client.run(ask(http, url, request, 200)), 0U);

  // The server stands for a proxy that forwards.
  options.config.proxy = "http://127.0.0.1:" + std::to_string(port);
  auto forwarded = HttpConnectionPool::create(client.loop, options).value();
  const auto origin = wire::parse_url("http://a-host-with-a-rather-long-name.invalid:8080/").value();
  client.run(ask(forwarded, origin, request, 50));
  EXPECT_EQ(client.run(ask(forwarded, origin, request, 200)), 0U);

  pool::PoolConfig config;
  config.min_size = 0;
  auto pool = Pool::create(client.loop, config, {{"127.0.0.1", port}}, HttpConnector(client.loop, nullptr)).value();
  pool.start();
  client.run(borrow(pool, 50));
  EXPECT_EQ(client.run(borrow(pool, 200)), 0U);
  servers.stop();
  servers.join();
}

TEST(AllocationTest, none_for_a_request_or_a_message_once_warm) {
  if (is_sanitized) GTEST_SKIP() << "a build without sanitizers proves it";
  ASSERT_TRUE(memory::counts_allocations());
  for (const bool tls : {false, true}) {
    async::Runtime servers;
    HttpServerOptions options;
    if (tls) options.tls = server_context();
    HttpServer server(servers.loop(0), options);
    server.handle("GET", "/", [](const HttpServerRequest&) {
      HttpReply reply;
      reply.body.assign(200, 'x');
      return reply;
    });
    server.handle_upgrade("/stream", accept_websocket({}, echo));
    const std::string port = std::to_string(server.listen().value());
    servers.start();

    LoopFixture client;
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = server.port();
    if (tls) target.tls = client_context();
    const auto http = client.run(HttpConnection::connect(client.loop, target, client.soon())).value();
    const std::string request = make_http_request("localhost", HttpRequest{}).value();
    client.run(ask(*http, request, 50));
    EXPECT_EQ(client.run(ask(*http, request, 200)), 0U) << (tls ? "tls" : "tcp");

    WebSocketConnectTarget stream;
    stream.url = wire::parse_url((tls ? "wss://127.0.0.1:" : "ws://127.0.0.1:") + port + "/stream").value();
    stream.tls = target.tls;
    const auto socket = client.run(WebSocketConnection::connect(client.loop, stream, client.soon())).value();
    const std::string text(200, 'x');
    client.run(talk(*socket, text, 50));
    EXPECT_EQ(client.run(talk(*socket, text, 200)), 0U) << (tls ? "tls" : "tcp");
    servers.stop();
    servers.join();
  }
}

}  // namespace
}  // namespace marketprism::net
