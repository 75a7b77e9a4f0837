// Plain requests through a proxy that forwards them (RFC 9112, section 3.2.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/body_sources.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/test_proxy.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpForwardingTest : public testing::Test, public LoopFixture {
 public:
  HttpForwardingTest() {
    options_.config.connections.min_size = 0;
    for (HttpServer* server : {&server_, &other_}) {
      server->handle("*", "/*", [this](const HttpServerRequest& request) {
        host_ = request.head.find("Host").value_or("none");
        has_credentials_ = request.head.find("Proxy-Authorization").has_value();
        HttpReply reply;
        reply.body = std::string(request.method()) + " " + std::string(request.head.target()) + " " + request.body;
        if (request.path() == "/elsewhere") {
          reply.status = 307;
          reply.headers.add("Location", url(other_port_, "/there").to_string());
        }
        return reply;
      });
    }
    port_ = server_.listen().value();
    other_port_ = other_.listen().value();
  }

  void use_proxy(std::uint16_t port, const std::string& user = "") {
    options_.config.proxy = "http://" + user + "127.0.0.1:" + std::to_string(port);
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  }
  // Names that nobody here can resolve: the proxy does it.
  static wire::Url url(std::uint16_t port, const std::string& target, const std::string& host = "venue.invalid") {
    return wire::parse_url("http://" + host + ":" + std::to_string(port) + target).value();
  }
  Result<HttpResponse> fetch(const wire::Url& from, HttpRequest request = {}, HttpRequestOptions how = {}) {
    return run([](HttpConnectionPool& pool, wire::Url u, HttpRequest what,
                  HttpRequestOptions as) -> Task<Result<HttpResponse>> {
      auto response = co_await pool.request(std::move(u), std::move(what), as);
      if (!response) co_return std::unexpected(std::move(response.error()));
      co_return response->take();
    }(*pool_, from, std::move(request), how));
  }

  HttpServer server_{loop};
  HttpServer other_{loop};
  std::uint16_t port_ = 0;
  std::uint16_t other_port_ = 0;
  TestProxy proxy_{loop, TestProxy::Kind::http};
  HttpPoolOptions options_;
  std::optional<HttpConnectionPool> pool_;
  std::string host_;
  bool has_credentials_ = false;
};

TEST_F(HttpForwardingTest, OriginsShareTheProxysConnections) {
  proxy_.refuses_tunnels = true;
  use_proxy(proxy_.port());
  for (int i = 0; i < 2; ++i) {
    for (const std::uint16_t port : {port_, other_port_}) {
      const auto response = fetch(url(port, "/a?b=c"));
      ASSERT_TRUE(response) << response.error().to_string();
      EXPECT_EQ(response->body, "GET /a?b=c ");
      const std::string authority = "venue.invalid:" + std::to_string(port);
      EXPECT_EQ(host_, authority);
      EXPECT_THAT(proxy_.last_head(),
                  AllOf(StartsWith("GET http://" + authority + "/a?b=c HTTP/1.1\r\n"),
                        HasSubstr("\r\nHost: " + authority + "\r\n"), Not(HasSubstr("Proxy-Authorization"))));
    }
  }
  EXPECT_EQ(proxy_.connections(), 1);
  EXPECT_EQ(pool_->stats().size(), 1U);
  EXPECT_THAT(pool_->stats().front().name, HasSubstr("proxy://127.0.0.1:" + std::to_string(proxy_.port())));
}

TEST_F(HttpForwardingTest, BodiesFromMemoryAndFromASource) {
  use_proxy(proxy_.port());
  HttpRequest request;
  request.method = "POST";
  request.body.assign(400'000, 'x');
  const auto from_memory = fetch(url(port_, "/a"), request);
  ASSERT_TRUE(from_memory) << from_memory.error().to_string();
  EXPECT_TRUE(from_memory->body == "POST /a " + request.body);
  EXPECT_LT(pool_->connections().size(), 2U);
  const auto source = std::make_shared<TestSource>(loop, many_pieces());
  source->announce();
  request.body.clear();
  request.body_source = source;
  const auto from_source = fetch(url(port_, "/a"), request);
  ASSERT_TRUE(from_source) << from_source.error().to_string();
  EXPECT_TRUE(from_source->body == "POST /a " + joined(many_pieces()));
}

TEST_F(HttpForwardingTest, CredentialsAreForTheProxyOnly) {
  TestProxy strict(loop, TestProxy::Kind::http, "YWxAaWNlOnM6Y3JldA==");  // al@ice, s:cret
  use_proxy(strict.port(), "al%40ice:s%3Acret@");
  const auto response = fetch(url(port_, "/a"));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->status(), 200);
  EXPECT_THAT(strict.last_head(), HasSubstr("\r\nProxy-Authorization: Basic YWxAaWNlOnM6Y3JldA==\r\n"));
  EXPECT_FALSE(has_credentials_);
  // The proxy's own answer is one like any other.
  use_proxy(strict.port());
  const auto refused = fetch(url(port_, "/a"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status(), 407);
}

TEST_F(HttpForwardingTest, ALentConnectionForwardsToo) {
  proxy_.refuses_tunnels = true;
  use_proxy(proxy_.port());
  run([](HttpForwardingTest& test) -> Task<> {
    HttpRequest options;
    options.method = "OPTIONS";
    options.target = "*";
    const std::string texts[] = {make_http_request("venue.invalid", HttpRequest()).value(),
                                 make_http_request("venue.invalid", options).value()};
    const auto lease = co_await test.pool_->acquire(url(test.port_, "/"));
    EXPECT_TRUE(lease);
    if (!lease) co_return;
    for (const std::string& text : texts) {
      const auto response = co_await (**lease)->send(text);
      EXPECT_TRUE(response);
    }
  }(*this));
  const std::string origin = "http://venue.invalid:" + std::to_string(port_);
  EXPECT_EQ(proxy_.asked(), (std::vector<std::string>{origin + "/", origin}));
}

TEST_F(HttpForwardingTest, AddressesAndDefaultPortsAreWrittenAsInUrls) {
  use_proxy(proxy_.port());
  const std::pair<const char*, const char*> cases[] = {{"http://venue.invalid/a", "http://venue.invalid/a"},
                                                       {"http://[2001:db8::1]/", "http://[2001:db8::1]/"},
                                                       {"http://[2001:db8::1]:81/", "http://[2001:db8::1]:81/"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_TRUE(fetch(wire::parse_url(text).value()));
    EXPECT_EQ(proxy_.asked().back(), expected);
  }
}

TEST_F(HttpForwardingTest, ARedirectToAnotherOriginGoesByTheSameConnection) {
  use_proxy(proxy_.port());
  HttpRequestOptions how;
  how.redirects_max = 1;
  const auto response = fetch(url(port_, "/elsewhere"), {}, how);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->body, "GET /there ");
  EXPECT_EQ(host_, "venue.invalid:" + std::to_string(other_port_));
  EXPECT_EQ(proxy_.connections(), 1);
}

// The proxy would send a forwarded request to the url's own host.
TEST_F(HttpForwardingTest, EndpointsOfOnesOwnAreReachedByTunnels) {
  use_proxy(proxy_.port());
  ASSERT_TRUE(pool_->set_endpoints(url(80, "/"), {{"replica.invalid", other_port_, false, "", 0, 1}}));
  const auto response = fetch(url(80, "/a"));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(host_, "venue.invalid");
  EXPECT_EQ(proxy_.asked(), std::vector<std::string>{"replica.invalid:" + std::to_string(other_port_)});
}

TEST_F(HttpForwardingTest, ExceptionsGoDirectly) {
  const auto environment = [this](const char* name) {
    if (std::string_view(name) == "http_proxy") return "http://127.0.0.1:" + std::to_string(proxy_.port());
    return std::string(std::string_view(name) == "no_proxy" ? "direct.invalid" : "");
  };
  options_.route.proxies =
      std::make_shared<const ProxySettings>(ProxySettings::parse("environment", environment).value());
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  EXPECT_EQ(fetch(url(port_, "/a", "127.0.0.1"))->status(), 200);
  EXPECT_EQ(fetch(url(port_, "/a", "direct.invalid")).error().code, ErrorCode::not_found);
  EXPECT_EQ(proxy_.connections(), 0);
  EXPECT_EQ(fetch(url(port_, "/a", "isdirect.invalid"))->status(), 200);
  EXPECT_EQ(proxy_.connections(), 1);
}

TEST_F(HttpForwardingTest, FailuresNameTheHostAndTheProxy) {
  const auto expect = [this](ErrorCode code, const char* says) {
    const auto response = fetch(url(port_, "/a"));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, code);
    EXPECT_THAT(response.error().to_string(), AllOf(StartsWith("venue.invalid:" + std::to_string(port_)),
                                                    HasSubstr("by the proxy 127.0.0.1:"), HasSubstr(says)));
  };
  std::uint16_t port = 0;
  {
    RawPeer gone(loop, [](Socket&) -> Task<> { co_return; });
    port = gone.port();
  }
  options_.config.connections.retry_attempts = 0;
  run([](EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
  use_proxy(port);
  expect(ErrorCode::connection_refused, "connection refused");
  options_.connection.head_timeout = 50ms;
  RawPeer silent(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  use_proxy(silent.port());
  expect(ErrorCode::timed_out, "timed out waiting for the response");
  RawPeer garbled(loop, [](Socket& socket) -> Task<> {
    co_await read_until(socket, "\r\n\r\n");
    send_text(socket, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });
  use_proxy(garbled.port());
  expect(ErrorCode::malformed, "HTTP");
}

}  // namespace
}  // namespace marketprism::net
