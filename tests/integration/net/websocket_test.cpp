#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

INSTANTIATE_TEST_SUITE_P(transports, WebSocketTest, testing::Bool(),
                         [](const auto& info) { return info.param ? std::string("tls") : std::string("tcp"); });

}  // namespace
}  // namespace marketprism::net
