// A WebSocket client against servers that break the protocol or stall, and a server against such clients.
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "marketprism/wire/websocket_frame.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string frame(wire::WebSocketOpcode opcode, std::string_view payload, bool is_final = true) {
  wire::WebSocketFrameHeader header;
  header.opcode = opcode;
  header.is_final = is_final;
  std::string out;
  wire::append_frame(out, header, payload);
  return out;
}

std::string close_frame(std::uint16_t code) {
  const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return frame(wire::WebSocketOpcode::close, std::string_view(bytes, 2));
}

// Answers the handshake as it should be; returns false if the client left.
Task<bool> upgrade(Socket& socket) {
  const std::string text = co_await read_until(socket, "\r\n\r\n");
  const auto head = wire::parse_request_head(text);
  if (!head) co_return false;
  const wire::WebSocketPolicy policy;
  send_text(socket, wire::answer_websocket_request(*head, policy).response);
  co_return true;
}

class WebSocketPeerTest : public testing::Test, public LoopFixture {
 protected:
  using After = std::function<Task<>(Socket&)>;

  // A connection to a server that shakes hands and then follows the script.
  std::unique_ptr<WebSocketConnection> connect(After after, WebSocketOptions options = {}) {
    peer = std::make_unique<RawPeer>(loop, [after = std::move(after)](Socket& socket) -> Task<> {
      const bool goes_on = co_await upgrade(socket);
      if (goes_on) co_await after(socket);
    });
    return run(WebSocketConnection::connect(loop, target(), soon(), options)).value();
  }
  WebSocketConnectTarget target() const {
    WebSocketConnectTarget out;
    out.url = wire::parse_url("ws://127.0.0.1:" + std::to_string(peer->port()) + "/").value();
    return out;
  }
  // Sends these bytes, then keeps what the client answers until it closes.
  After sends(std::string bytes, bool then_close = false) {
    return [this, bytes, then_close](Socket& socket) -> Task<> {
      send_text(socket, bytes);
      if (then_close) {
        socket.close();
      } else {
        answer = co_await read_to_end(socket);
        answered = true;
      }
    };
  }
  // All messages until the connection fails; the failure is left in `error`.
  std::vector<std::string> read_all(WebSocketConnection& connection) {
    std::vector<std::string> out;
    while (true) {
      const auto received = run(connection.read_some());
      if (!received) {
        error = received.error();
        return out;
      }
      while (const auto message = connection.next_message()) out.emplace_back(message->data);
    }
  }

  std::unique_ptr<RawPeer> peer;
  Error error;
  std::string answer;
  bool answered = false;
};

TEST_F(WebSocketPeerTest, bytes_behind_the_handshake_are_the_first_messages) {
  peer = std::make_unique<RawPeer>(loop, [](Socket& socket) -> Task<> {
    const std::string text = co_await read_until(socket, "\r\n\r\n");
    const wire::WebSocketPolicy policy;
    const auto response = wire::answer_websocket_request(wire::parse_request_head(text).value(), policy).response;
    send_text(socket, response + frame(wire::WebSocketOpcode::text, "at once") + close_frame(1000));
    co_await read_to_end(socket);
  });
  const auto connection = run(WebSocketConnection::connect(loop, target(), soon())).value();
  const auto message = connection->next_message();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->data, "at once");
  EXPECT_GT(message->receive_time, UnixTime{});
  EXPECT_FALSE(connection->next_message());
  EXPECT_EQ(run(connection->read_some()).error().code, ErrorCode::connection_closed);
}

TEST_F(WebSocketPeerTest, frames_may_come_byte_by_byte) {
  const std::string bytes = frame(wire::WebSocketOpcode::text, "hel", false) + frame(wire::WebSocketOpcode::ping, "p") +
                            frame(wire::WebSocketOpcode::continuation, "lo") +
                            frame(wire::WebSocketOpcode::text, std::string(300, 'x')) + close_frame(1001);
  const auto connection = connect([bytes](Socket& socket) -> Task<> {
    for (const char c : bytes) {
      send_text(socket, std::string_view(&c, 1));
      co_await socket.wait_writable();  // lets the other side run
    }
    co_await read_to_end(socket);
  });
  EXPECT_THAT(read_all(*connection), testing::ElementsAre("hello", std::string(300, 'x')));
  EXPECT_EQ(error.code, ErrorCode::connection_closed);
  EXPECT_EQ(connection->close_code(), WebSocketCloseCode::going_away);
}

TEST_F(WebSocketPeerTest, broken_frames_end_it_with_the_right_code) {
  struct Case {
    std::string bytes;
    ErrorCode code;
    std::uint16_t close_code;
  };
  WebSocketOptions options;
  options.message_bytes_max = 1000;
  std::string masked;
  wire::WebSocketFrameHeader header;
  header.is_masked = true;
  header.mask_key = 7;
  wire::append_frame(masked, header, "x");
  for (const Case& one :
       {Case{std::string("\xF1\x00", 2), ErrorCode::malformed, 1002}, Case{masked, ErrorCode::malformed, 1002},
        Case{frame(wire::WebSocketOpcode::continuation, "x"), ErrorCode::malformed, 1002},
        Case{frame(wire::WebSocketOpcode::text, "\xFF"), ErrorCode::malformed, 1007},
        Case{frame(wire::WebSocketOpcode::text, std::string(1001, 'x')), ErrorCode::too_large, 1009},
        Case{std::string("\x82\x7F\x00\x00\x00\x7F\xFF\xFF\xFF\xFF", 10), ErrorCode::too_large, 1009}}) {
    answered = false;
    const auto connection = connect(sends(frame(wire::WebSocketOpcode::text, "good") + one.bytes), options);
    EXPECT_THAT(read_all(*connection), testing::ElementsAre("good"));  // what came before is still delivered
    EXPECT_EQ(error.code, one.code) << error.message;
    EXPECT_THAT(error.message, HasSubstr("127.0.0.1:"));
    while (!answered) loop.context().run_one();
    // A masked close frame with the code.
    ASSERT_GE(answer.size(), 8U);
    EXPECT_EQ(static_cast<unsigned char>(answer[0]), 0x88);
    const auto high = static_cast<unsigned char>(answer[6] ^ answer[2]);
    const auto low = static_cast<unsigned char>(answer[7] ^ answer[3]);
    EXPECT_EQ(high * 256 + low, one.close_code);
  }
}

TEST_F(WebSocketPeerTest, an_end_in_the_middle_of_a_frame_is_abnormal) {
  const auto connection = connect(sends(frame(wire::WebSocketOpcode::text, "hello").substr(0, 4), true));
  EXPECT_TRUE(read_all(*connection).empty());
  EXPECT_EQ(connection->close_code(), WebSocketCloseCode::abnormal);
  EXPECT_THAT(error.message, HasSubstr("without a WebSocket close"));
}

TEST_F(WebSocketPeerTest, no_pong_no_connection) {
  WebSocketOptions options;
  options.ping_interval = std::chrono::milliseconds(20);
  options.pong_timeout = std::chrono::milliseconds(20);
  const auto connection = connect(sends(frame(wire::WebSocketOpcode::pong, "not asked for")), options);
  EXPECT_TRUE(read_all(*connection).empty());
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(error.message, AllOf(HasSubstr("127.0.0.1:"), HasSubstr("ping")));
}

TEST_F(WebSocketPeerTest, silence_ends_it_when_asked_to) {
  WebSocketOptions options;
  options.ping_interval = Nanoseconds(0);
  options.silence_timeout = std::chrono::milliseconds(50);
  const auto connection = connect(sends(frame(wire::WebSocketOpcode::text, "x")), options);
  EXPECT_EQ(read_all(*connection).size(), 1U);
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(error.message, HasSubstr("silent"));
}

TEST_F(WebSocketPeerTest, a_close_without_answer_meets_the_deadline) {
  const auto connection = connect(sends(frame(wire::WebSocketOpcode::text, "x")));
  const auto closed =
      run(connection->close(WebSocketCloseCode::normal, "", loop.refresh_now() + std::chrono::milliseconds(50)));
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::timed_out);
  EXPECT_FALSE(connection->is_open());
}

TEST_F(WebSocketPeerTest, a_handshake_that_stalls_or_lies_fails) {
  peer = std::make_unique<RawPeer>(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  auto connection =
      run(WebSocketConnection::connect(loop, target(), loop.refresh_now() + std::chrono::milliseconds(50)));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::timed_out);
  for (const std::string_view lie : {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                                     "Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
                                     "HTTP/1.1 101 Switching Protocols\r\n\r\n", "garbage\r\n\r\n"}) {
    peer = std::make_unique<RawPeer>(loop, [lie](Socket& socket) -> Task<> {
      co_await read_until(socket, "\r\n\r\n");
      send_text(socket, lie);
      co_await read_to_end(socket);
    });
    connection = run(WebSocketConnection::connect(loop, target(), soon()));
    ASSERT_FALSE(connection) << lie;
    EXPECT_EQ(connection.error().code, ErrorCode::malformed) << lie;
  }
  peer = std::make_unique<RawPeer>(loop, [](Socket& socket) -> Task<> {
    co_await read_until(socket, "\r\n\r\n");
    send_text(socket, "HTTP/1.1 101 Sw");
    socket.close();
  });
  connection = run(WebSocketConnection::connect(loop, target(), soon()));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::connection_closed);
}

TEST_F(WebSocketPeerTest, wss_without_tls_settings_is_refused) {
  WebSocketConnectTarget secure;
  secure.url = wire::parse_url("wss://localhost/").value();
  EXPECT_EQ(run(WebSocketConnection::connect(loop, secure, soon())).error().code, ErrorCode::invalid_argument);
  for (const char* scheme : {"ftp://127.0.0.1:1/", "http://127.0.0.1:1/"}) {
    WebSocketConnectTarget other;
    other.url = wire::parse_url(scheme).value();
    EXPECT_EQ(run(WebSocketConnection::connect(loop, other, soon())).error().code, ErrorCode::unsupported);
  }
}

// A server must outlive whatever a client sends, and say goodbye to it.
TEST_F(WebSocketPeerTest, a_server_survives_garbage) {
  HttpServer server(loop, {});
  int ended = 0;
  server.handle_upgrade(
      "/*", accept_websocket({}, [&ended](WebSocketConnection& connection, const HttpServerRequest&) -> Task<> {
        while (co_await connection.read_some()) {
          while (const auto message = connection.next_message()) {
            static_cast<void>(connection.send_binary(message->data));
          }
        }
        ++ended;
      }));
  const auto port = server.listen().value();
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    std::string bytes;
    for (int i = 0; i < 5; ++i) {
      wire::WebSocketFrameHeader header;
      header.opcode = static_cast<wire::WebSocketOpcode>(random.below(16));
      header.is_final = random.chance(0.7);
      header.is_masked = random.chance(0.9);
      header.mask_key = static_cast<std::uint32_t>(random.next());
      wire::append_frame(bytes, header, std::string(random.below(200), 'x'));
    }
    run([](EventLoop& on, std::uint16_t to, std::string text) -> Task<> {
      Socket socket(on, "server");
      const Socket::Endpoint endpoint(boost::asio::ip::address_v4::loopback(), to);
      co_await socket.connect(endpoint, 0);
      send_text(
          socket,
          "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" +
              text);
      socket.shutdown_send();
      co_await read_to_end(socket);
    }(loop, port, bytes));
  }
  while (ended < 50) loop.context().run_one();
  EXPECT_EQ(server.statistics().upgrades, 50U);
  while (server.statistics().open != 0) loop.context().run_one();
}

}  // namespace
}  // namespace marketprism::net
