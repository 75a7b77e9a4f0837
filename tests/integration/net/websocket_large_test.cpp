// Many and large messages there and back over sockets, modelled on the categories 9, 12 and 13 of the Autobahn test
// suite, written from RFC 6455 and RFC 7692. One message in many frames is in tests/unit/wire/websocket_large_test.cpp.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using Kind = wire::WebSocketMessageKind;

class WebSocketLargeTest : public testing::Test, public LoopFixture {
 protected:
  static WebSocketOptions roomy() {
    WebSocketOptions options;
    options.write_queue_bytes_max = 64UL << 20;
    return options;
  }

  /// A connection to a server that sends back what comes, compressed if `deflate` says so.
  std::unique_ptr<WebSocketConnection> connect(std::optional<wire::DeflateOptions> deflate = {}) {
    WebSocketServerOptions options;
    options.connection = roomy();
    if (deflate) options.policy.deflate.emplace();
    if (port_ == 0) {
      server_.handle_upgrade("/stream", accept_websocket(options, echo));
      port_ = server_.listen().value();
    }
    WebSocketConnectTarget target;
    target.url = wire::parse_url("ws://127.0.0.1:" + std::to_string(port_) + "/stream").value();
    target.deflate = deflate;
    auto connection = run(WebSocketConnection::connect(loop, std::move(target), soon(), roomy()));
    EXPECT_TRUE(connection.has_value()) << connection.error().to_string();
    return std::move(connection.value());
  }

  static Task<> echo(WebSocketConnection& connection, const HttpServerRequest&) {
    while (co_await connection.read_some()) {
      while (const auto message = connection.next_message())
        EXPECT_TRUE(send(connection, message->kind, message->data));
    }
  }

  static Result<> send(WebSocketConnection& connection, Kind kind, std::string_view data) {
    return kind == Kind::text ? connection.send_text(data) : connection.send_binary(data);
  }

  /// Sends one message and compares what comes back, so many times.
  static Task<> there_and_back(WebSocketConnection& connection, Kind kind, const std::string& data, int times) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(send(connection, kind, data));
      auto message = connection.next_message();
      while (!message) {
        const auto received = co_await connection.read_some();
        EXPECT_TRUE(received) << received.error().to_string();
        if (!received) co_return;
        message = connection.next_message();
      }
      EXPECT_EQ(message->kind, kind);
      EXPECT_TRUE(message->data == data) << message->data.size() << " bytes, not the " << data.size() << " sent";
    }
  }

  /// Like a venue's: text that is much the same from level to level.
  static std::string book(std::size_t bytes) {
    Random random(bytes);
    std::string text = R"({"e":"depthUpdate","s":"BTCUSDT","b":[)";
    while (text.size() < bytes) text += "[\"" + std::to_string(60'000 + random.below(2000)) + ".10\",\"0.5\"],";
    text.resize(bytes);
    return text;
  }

 private:
  HttpServer server_{loop, {}};
  std::uint16_t port_ = 0;
};

TEST_F(WebSocketLargeTest, MessagesUpTo16MiBComeBack) {  // 9.1, 9.2
  const auto connection = connect();
  for (const std::size_t size : {64UZ << 10, 256UZ << 10, 1UZ << 20, 4UZ << 20, 8UZ << 20, 16UZ << 20}) {
    const std::string data = book(size);
    run(there_and_back(*connection, Kind::text, data, 1));
    run(there_and_back(*connection, Kind::binary, data, 1));
  }
}

TEST_F(WebSocketLargeTest, AThousandMessagesOneAfterTheOther) {  // 9.7, 9.8
  const auto connection = connect();
  for (const std::size_t size : {0UZ, 16UZ, 64UZ, 256UZ, 1024UZ, 4096UZ}) {
    run(there_and_back(*connection, Kind::text, book(size), 1000));
    run(there_and_back(*connection, Kind::binary, book(size), 1000));
  }
}

TEST_F(WebSocketLargeTest, CompressedMessagesOfAllSizes) {  // 12.1 to 12.5
  const auto connection = connect(wire::DeflateOptions{});
  ASSERT_TRUE(connection->is_compressed());
  for (std::size_t size = 16; size <= 128 << 10; size *= 2) {
    if (size == 32 || size == 128 || size == 512 || size == 2048) continue;  // as there
    run(there_and_back(*connection, size > 4096 ? Kind::binary : Kind::text, book(size), size <= 4096 ? 1000 : 100));
  }
  run(there_and_back(*connection, Kind::binary, book(16 << 20), 1));
}

TEST_F(WebSocketLargeTest, CompressedAsTheParametersSay) {  // 13.1 to 13.7
  struct Row {
    bool server_forgets, client_forgets;
    int server_bits, client_bits;
  };
  constexpr Row rows[] = {{false, false, 15, 15}, {true, false, 15, 15}, {false, false, 9, 15}, {false, false, 15, 9},
                          {true, true, 9, 9},     {true, true, 15, 15},  {false, false, 8, 8}};
  for (const Row& row : rows) {
    const auto connection = connect(wire::DeflateOptions{.wanted = {.server_no_context_takeover = row.server_forgets,
                                                                    .client_no_context_takeover = row.client_forgets,
                                                                    .server_max_window_bits = row.server_bits,
                                                                    .client_max_window_bits = row.client_bits}});
    ASSERT_TRUE(connection->is_compressed());
    for (const std::size_t size : {16UZ, 1024UZ, 8192UZ, 128UZ << 10}) {
      run(there_and_back(*connection, Kind::text, book(size), size <= 1024 ? 200 : 20));
    }
  }
}

}  // namespace
}  // namespace marketprism::net
