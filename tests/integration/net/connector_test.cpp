#include "marketprism/net/connector.hpp"

#include <optional>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/dns.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

class ConnectorTest : public testing::Test, public LoopFixture {
 protected:
  ConnectTarget target(std::uint16_t port, bool tls = false) const {
    ConnectTarget out;
    out.host = "localhost";
    out.connect_to = "127.0.0.1";
    out.port = port;
    if (tls) out.tls = client_context();
    return out;
  }
  Error failure_of(ConnectTarget where, std::optional<Instant> deadline = {}) {
    const auto transport = run(connect(loop, std::move(where), deadline.value_or(soon())));
    EXPECT_FALSE(transport.has_value());
    return transport ? Error{} : transport.error();
  }
  // A port that was free a moment ago.
  std::uint16_t closed_port() {
    Listener listener(loop);
    const auto port = listener.listen("127.0.0.1", 0).value();
    listener.close();
    return port;
  }
};

Task<> hold(Socket& socket) { co_await read_to_end(socket); }

Task<> reset_after_hello(Socket& socket) {
  std::array<std::byte, 1> first;
  co_await socket.read_some(first);
  // Closing with unread bytes makes the kernel send a reset.
  socket.close();
}

Task<> close_after_hello(Socket& socket) {
  std::array<std::byte, 4096> hello;
  co_await socket.read_some(hello);
  socket.close();
}

Task<> speak_http(Socket& socket) {
  std::array<std::byte, 4096> hello;
  co_await socket.read_some(hello);
  send_text(socket, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  co_await read_to_end(socket);
}

TEST_F(ConnectorTest, refused) {
  const auto port = closed_port();
  const Error error = failure_of(target(port));
  EXPECT_EQ(error.code, ErrorCode::connection_refused);
  EXPECT_THAT(error.to_string(),
              AllOf(HasSubstr("localhost:" + std::to_string(port)), HasSubstr("nothing listens there")));
  EXPECT_FALSE(error.is_terminal);
}

TEST_F(ConnectorTest, a_name_that_does_not_resolve) {
  ConnectTarget where = target(443);
  where.connect_to.clear();
  where.host = "no-such-host.invalid";
  const Error error = failure_of(where);
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.to_string(), HasSubstr("no-such-host.invalid"));
  where.host = "";
  EXPECT_EQ(failure_of(where).code, ErrorCode::invalid_argument);
}

TEST_F(ConnectorTest, resolves_names_and_takes_addresses_as_they_are) {
  const auto numeric = run(resolve(loop, "::1", soon()));
  ASSERT_TRUE(numeric);
  ASSERT_EQ(numeric->size(), 1U);
  EXPECT_TRUE(numeric->front().is_v6());
  const auto local = run(resolve(loop, "localhost", soon()));
  ASSERT_TRUE(local) << local.error().to_string();
  EXPECT_TRUE(local->front().is_loopback());
}

TEST_F(ConnectorTest, tells_who_it_is_connected_to) {
  for (const bool tls : {false, true}) {
    HttpServerOptions options;
    if (tls) options.tls = server_context();
    HttpServer server(loop, options);
    const auto port = server.listen().value();
    const auto transport = run(connect(loop, target(port, tls), soon()));
    ASSERT_TRUE(transport) << transport.error().to_string();
    const TransportInfo& info = (*transport)->info();
    EXPECT_EQ(info.peer, "localhost:" + std::to_string(port));
    EXPECT_EQ(info.remote_address, "127.0.0.1:" + std::to_string(port));
    EXPECT_THAT(info.local_address, HasSubstr("127.0.0.1:"));
    EXPECT_EQ(info.tls_version, tls ? "TLSv1.3" : "");
  }
}

TEST_F(ConnectorTest, reset_and_close_in_the_tls_handshake) {
  for (const auto& script : {RawPeer::Script(reset_after_hello), RawPeer::Script(close_after_hello)}) {
    RawPeer peer(loop, script);
    const Error error = failure_of(target(peer.port(), true));
    EXPECT_EQ(error.code, ErrorCode::connection_reset);
    EXPECT_THAT(error.to_string(),
                AllOf(HasSubstr("localhost:" + std::to_string(peer.port())), HasSubstr("in the TLS handshake")));
  }
}

TEST_F(ConnectorTest, a_peer_without_tls) {
  RawPeer peer(loop, speak_http);
  const Error error = failure_of(target(peer.port(), true));
  EXPECT_EQ(error.code, ErrorCode::tls_failed);
  EXPECT_TRUE(error.is_terminal);
  EXPECT_THAT(error.to_string(), HasSubstr("does not speak TLS"));
}

TEST_F(ConnectorTest, a_silent_peer_meets_the_deadline) {
  RawPeer peer(loop, hold);
  const Error error = failure_of(target(peer.port(), true), loop.refresh_now() + milliseconds(50));
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(error.to_string(), HasSubstr("TLS handshake took too long"));
}

TEST_F(ConnectorTest, wrong_expired_and_unknown_certificates) {
  SelfSignedOptions expired;
  expired.valid_for = std::chrono::minutes(30);  // from an hour ago
  SelfSignedOptions other;
  other.hosts = {"other.example"};
  struct Case {
    SelfSignedOptions options;
    bool trust;
    const char* message;
  };
  for (const Case& one :
       {Case{expired, true, "expired on"}, Case{other, true, "is for other.example, not for localhost"},
        Case{{}, false, "authority that is not trusted here"}}) {
    const SelfSigned certificates = make_self_signed(one.options).value();
    HttpServerOptions options;
    options.tls = TlsContext::make_server(certificates.server_options()).value();
    HttpServer server(loop, options);
    ConnectTarget where = target(server.listen().value());
    TlsClientOptions client;
    if (one.trust) client.ca_pem = certificates.ca_pem;
    where.tls = TlsContext::make_client(client).value();
    const Error error = failure_of(where);
    EXPECT_EQ(error.code, ErrorCode::tls_failed);
    EXPECT_TRUE(error.is_terminal);
    EXPECT_THAT(error.to_string(), AllOf(HasSubstr(one.message), HasSubstr("localhost:" + std::to_string(where.port))));
    client.verify = false;
    where.tls = TlsContext::make_client(client).value();
    EXPECT_TRUE(run(connect(loop, where, soon())).has_value());
  }
}

TEST_F(ConnectorTest, cancellation_ends_a_handshake_and_leaves_nothing) {
  RawPeer peer(loop, hold);
  boost::asio::cancellation_signal cancel;
  std::optional<Result<TransportPtr>> outcome;
  boost::asio::co_spawn(loop.context(), connect(loop, target(peer.port(), true), soon()),
                        boost::asio::bind_cancellation_slot(
                            cancel.slot(), [&](const std::exception_ptr& error, Result<TransportPtr> result) {
                              EXPECT_FALSE(error);
                              outcome = std::move(result);
                              loop.stop();
                            }));
  std::function<void()> cancel_once_connected = [&] {
    if (peer.connections() == 0) {
      loop.post([&] { cancel_once_connected(); });
    } else {
      cancel.emit(boost::asio::cancellation_type::terminal);
    }
  };
  loop.post([&] { cancel_once_connected(); });
  loop.run();
  ASSERT_TRUE(outcome.has_value());
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().code, ErrorCode::cancelled);
}

TEST_F(ConnectorTest, a_port_in_use_is_named) {
  HttpServer first(loop, {});
  HttpServerOptions options;
  options.port = first.listen().value();
  HttpServer second(loop, options);
  auto port = second.listen();
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().code, ErrorCode::already_exists);
  EXPECT_THAT(port.error().message, AllOf(HasSubstr("127.0.0.1:" + std::to_string(options.port)), HasSubstr("in use")));
  options.address = "not an address";
  EXPECT_EQ(HttpServer(loop, options).listen().error().code, ErrorCode::invalid_argument);
  options.address = "192.0.2.1";
  EXPECT_EQ(HttpServer(loop, options).listen().error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace marketprism::net
