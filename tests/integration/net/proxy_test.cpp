// Connections through HTTP and SOCKS5 proxies, good ones and bad ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/proxy_tunnel.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/open_files.hpp"
#include "tests/integration/net/test_proxy.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ProxyTest : public testing::TestWithParam<TestProxy::Kind>, public LoopFixture {
 protected:
  [[nodiscard]] bool is_http() const { return GetParam() == TestProxy::Kind::http; }
  std::string url_of(std::uint16_t port, const std::string& user = "") const {
    return (is_http() ? "http://" : "socks5://") + user + "127.0.0.1:" + std::to_string(port);
  }
  ConnectTarget target(const std::string& proxy, std::string host, std::uint16_t port) const {
    ConnectTarget out;
    out.host = std::move(host);
    out.port = port;
    out.route.proxies = std::make_shared<const ProxySettings>(ProxySettings::parse(proxy).value());
    return out;
  }
  /// What connecting through a proxy that does this gives.
  Error error_of(RawPeer::Script script, const std::string& user = "", Nanoseconds timeout = 20s) {
    RawPeer proxy(loop, std::move(script));
    const auto made =
        run(connect(loop, target(url_of(proxy.port(), user), "venue.example", 443), loop.refresh_now() + timeout));
    EXPECT_FALSE(made.has_value());
    if (made) return {};
    EXPECT_THAT(made.error().to_string(),
                AllOf(HasSubstr("venue.example:443: the proxy 127.0.0.1:"), Not(HasSubstr("secret"))));
    return made.error();
  }
};

/// Answers the first bytes with these and goes on reading, or closes.
RawPeer::Script answer(std::string text, bool closes = false) {
  return [text = std::move(text), closes](Socket& socket) -> Task<> {
    std::array<std::byte, 1024> first;
    co_await socket.read_some(first);
    send_text(socket, text);
    if (closes) {
      socket.close();
    } else {
      co_await read_to_end(socket);
    }
  };
}

/// Answers one after the other, each after some bytes came.
RawPeer::Script answers(std::vector<std::string> texts) {
  return [texts = std::move(texts)](Socket& socket) -> Task<> {
    std::array<std::byte, 1024> bytes;
    for (const std::string& text : texts) {
      co_await socket.read_some(bytes);
      send_text(socket, text);
    }
    co_await read_to_end(socket);
  };
}

TEST_P(ProxyTest, RequestsGoThroughItPlainAndOverTls) {
  for (const bool tls : {false, true}) {
    TestProxy proxy(loop, GetParam());
    HttpServerOptions server_options;
    if (tls) server_options.tls = server_context();
    HttpServer server(loop, server_options);
    server.handle("GET", "/a", [](const HttpServerRequest&) { return HttpReply{.body = "through"}; });
    const auto port = server.listen().value();
    HttpPoolOptions options;
    options.config.connections.min_size = 0;
    options.config.proxy = url_of(proxy.port());
    if (tls) options.tls = client_context();
    auto pool = HttpConnectionPool::create(loop, options);
    ASSERT_TRUE(pool);
    // A name that nobody here can resolve: the proxy does it. Over TLS the certificate's name is checked end to end.
    const std::string host = tls ? "localhost" : "venue.invalid";
    const auto url = wire::parse_url((tls ? "https://" : "http://") + host + ":" + std::to_string(port) + "/a").value();
    for (int i = 0; i < 3; ++i) {
      const auto body = run([](HttpConnectionPool& p, wire::Url u) -> Task<std::string> {
        HttpRequest request;
        auto response = co_await p.request(std::move(u), std::move(request));
        if (!response) co_return response.error().to_string();
        co_return response->take().body;
      }(*pool, url));
      EXPECT_EQ(body, "through");
    }
    const std::string there = host + ":" + std::to_string(port);
    if (is_http() && !tls) {  // forwarded
      EXPECT_EQ(proxy.asked(), std::vector<std::string>(3, "http://" + there + "/a"));
    } else {
      EXPECT_EQ(proxy.asked(), std::vector<std::string>{there});
    }
    EXPECT_EQ(proxy.connections(), 1);  // kept
    run(pool->drain(1s));
  }
}

TEST_P(ProxyTest, UserAndPassword) {
  RawPeer venue(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  // "al@ice" and "s:cret" as each protocol writes them.
  const std::string expected =
      is_http() ? "YWxAaWNlOnM6Y3JldA==" : std::string("\x01\x06") + "al@ice" + "\x06" + "s:cret";
  TestProxy proxy(loop, GetParam(), expected);
  const auto good =
      run(connect(loop, target(url_of(proxy.port(), "al%40ice:s%3Acret@"), "127.0.0.1", venue.port()), soon()));
  EXPECT_TRUE(good) << good.error().to_string();
  for (const char* user : {"", "al%40ice:wrong!@"}) {
    const auto bad = run(connect(loop, target(url_of(proxy.port(), user), "127.0.0.1", venue.port()), soon()));
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, ErrorCode::permission_denied) << bad.error().to_string();
    EXPECT_TRUE(bad.error().is_terminal);
    EXPECT_THAT(bad.error().to_string(), Not(HasSubstr("wrong!")));
  }
}

TEST_P(ProxyTest, AProxyThatIsNotThereIsNamed) {
  std::uint16_t port = 0;
  {
    RawPeer gone(loop, answer(""));
    port = gone.port();
  }
  run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
  const auto refused = run(connect(loop, target(url_of(port), "venue.example", 443), soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::connection_refused);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("the proxy 127.0.0.1:" + std::to_string(port)));
}

TEST_P(ProxyTest, SilenceMeetsTheDeadline) {
  const std::size_t before = open_sockets();
  EXPECT_EQ(error_of(answer(""), "", 50ms).code, ErrorCode::timed_out);
  EXPECT_EQ(error_of(answer(is_http() ? "HTTP/1.1 200 " : "\x05"), "", 50ms).code, ErrorCode::timed_out);
  run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
  EXPECT_EQ(open_sockets(), before);
}

TEST_P(ProxyTest, AnEndBeforeTheAnswer) {
  EXPECT_EQ(error_of(answer("", true)).code, ErrorCode::connection_closed);
  EXPECT_EQ(error_of(answer(is_http() ? "HTTP/1.1 200 OK\r\n" : "\x05", true)).code, ErrorCode::connection_closed);
}

TEST_P(ProxyTest, GarbageIsNoAnswer) {
  EXPECT_EQ(error_of(answer("SSH-2.0-OpenSSH_9.2\r\n\r\n")).code, ErrorCode::malformed);
  EXPECT_EQ(error_of(answer(std::string(40'000, 'x'))).code, is_http() ? ErrorCode::too_large : ErrorCode::malformed);
  EXPECT_EQ(error_of(answer(std::string(64, '\0'))).code, ErrorCode::malformed);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ProxyTest, testing::Values(TestProxy::Kind::http, TestProxy::Kind::socks5),
                         [](const auto& which) { return which.param == TestProxy::Kind::http ? "http" : "socks5"; });

using HttpProxyTest = ProxyTest;
INSTANTIATE_TEST_SUITE_P(Http, HttpProxyTest, testing::Values(TestProxy::Kind::http));

TEST_P(HttpProxyTest, Refusals) {
  const auto status = [](const char* line) {
    return answer(std::string("HTTP/1.1 ") + line + "\r\nContent-Length: 0\r\n\r\n");
  };
  const Error who = error_of(status("407 Proxy Authentication Required"));
  EXPECT_EQ(who.code, ErrorCode::permission_denied);
  EXPECT_TRUE(who.is_terminal);
  EXPECT_THAT(who.to_string(), AllOf(HasSubstr("407"), HasSubstr("put user and password")));
  EXPECT_EQ(error_of(status("403 Forbidden")).code, ErrorCode::permission_denied);
  const Error later = error_of(status("503 Service Unavailable"));
  EXPECT_EQ(later.code, ErrorCode::rejected);
  EXPECT_FALSE(later.is_terminal);
  EXPECT_THAT(later.to_string(), HasSubstr("503 Service Unavailable"));
}

TEST_P(HttpProxyTest, BytesBeforeOursAreNotTheHosts) {
  EXPECT_EQ(error_of(answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n")).code, ErrorCode::malformed);
}

using SocksProxyTest = ProxyTest;
INSTANTIATE_TEST_SUITE_P(Socks, SocksProxyTest, testing::Values(TestProxy::Kind::socks5));

TEST_P(SocksProxyTest, RefusalCodes) {
  const std::pair<int, ErrorCode> codes[] = {{1, ErrorCode::rejected},           {2, ErrorCode::permission_denied},
                                             {3, ErrorCode::rejected},           {4, ErrorCode::rejected},
                                             {5, ErrorCode::connection_refused}, {6, ErrorCode::rejected},
                                             {7, ErrorCode::unsupported},        {8, ErrorCode::unsupported},
                                             {9, ErrorCode::malformed},          {255, ErrorCode::malformed}};
  for (const auto& [code, expected] : codes) {
    const std::string reply = std::string("\x05") + static_cast<char>(code) + std::string("\x00\x01\0\0\0\0\0\0", 8);
    EXPECT_EQ(error_of(answers({std::string("\x05\x00", 2), reply})).code, expected) << code;
  }
}

TEST_P(SocksProxyTest, WrongVersionsMethodsAndTypes) {
  const std::string welcome("\x05\x00", 2);
  EXPECT_EQ(error_of(answer(std::string("\x04\x00", 2))).code, ErrorCode::malformed);
  EXPECT_EQ(error_of(answer("\x05\x01")).code, ErrorCode::malformed);  // GSSAPI was not offered
  EXPECT_EQ(error_of(answer("\x05\x02")).code, ErrorCode::malformed);  // nor was a password
  EXPECT_EQ(error_of(answer("\x05\xFF")).code, ErrorCode::permission_denied);
  EXPECT_EQ(error_of(answer("\x05\xFF"), "u:secret@").code, ErrorCode::permission_denied);
  EXPECT_EQ(error_of(answers({"\x05\x02", std::string("\x02\x00", 2)}), "u:secret@").code, ErrorCode::malformed);
  EXPECT_EQ(error_of(answers({welcome, std::string("\x04\x00\x00\x01", 4)})).code, ErrorCode::malformed);
  EXPECT_EQ(error_of(answers({welcome, std::string("\x05\x00\x00\x02", 4)})).code, ErrorCode::malformed);
}

TEST_P(SocksProxyTest, ALongNameAndALongPasswordAreNotSent) {
  RawPeer proxy(loop, answer(""));
  Socket socket(loop, "proxy");
  const auto address = boost::asio::ip::make_address("127.0.0.1");
  ASSERT_TRUE(run(socket.connect(Socket::Endpoint(address, proxy.port()), 0)));
  const Proxy settings{Proxy::Kind::socks5, "127.0.0.1", proxy.port(), "", ""};
  const auto refused = run(open_tunnel(socket, settings, std::string(256, 'a'), 443, soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(error_of(answer("\x05\x02"), std::string(256, 'u') + ":secret@").code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace marketprism::net
