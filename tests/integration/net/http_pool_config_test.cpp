// What an HttpConnectionPool is told: endpoints, hosts, options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/gzip_decoder.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpPoolConfigTest : public testing::Test, public LoopFixture {
 protected:
  HttpPoolConfigTest() { options_.config.connections.min_size = 0; }

  std::unique_ptr<HttpServer> make_server(const std::string& body, TlsContextPtr tls = nullptr) {
    HttpServerOptions options;
    options.tls = std::move(tls);
    options.read_timeout = 200ms;  // for a TLS hello to a server without TLS
    auto server = std::make_unique<HttpServer>(loop, options);
    server->handle("*", "/*", [body](const HttpServerRequest&) {
      HttpReply reply;
      reply.body = body;
      return reply;
    });
    EXPECT_TRUE(server->listen());
    return server;
  }
  static wire::Url url(const std::string& text) { return wire::parse_url(text).value(); }
  static wire::Url url(const HttpServer& server) { return url("http://127.0.0.1:" + std::to_string(server.port())); }
  HttpConnectionPool make_pool() { return HttpConnectionPool::create(loop, options_).value(); }
  std::string fetch(HttpConnectionPool& pool, const wire::Url& to) {
    return run([](HttpConnectionPool& p, wire::Url u) -> Task<std::string> {
      HttpRequest get;
      auto response = co_await p.request(std::move(u), std::move(get));
      if (!response) co_return response.error().to_string();
      co_return response->take().body;
    }(pool, to));
  }
  template <class Condition>
  void until(Condition what) {
    run([](async::EventLoop& l, Condition& done) -> Task<> {
      for (int i = 0; i < 2'000 && !done(); ++i) co_await l.sleep_for(1ms);
    }(loop, what));
    EXPECT_TRUE(what());
  }

  HttpPoolOptions options_;
};

TEST_F(HttpPoolConfigTest, EndpointsOfAnHttpsUrlAreSpokenToInTls) {
  options_.tls = client_context();
  options_.config.connections.retry_attempts = 0;
  const auto secure = make_server("secure", server_context());
  const auto plain = make_server("plain");
  auto pool = make_pool();
  const auto origin = url("https://localhost:1/");
  ASSERT_TRUE(pool.set_endpoints(origin, {{"127.0.0.1", secure->port()}}));
  EXPECT_EQ(fetch(pool, origin), "secure");
  ASSERT_TRUE(pool.set_endpoints(origin, {{"127.0.0.1", plain->port()}}));  // of a host that is known, too
  EXPECT_NE(fetch(pool, origin), "plain");
  EXPECT_EQ(plain->statistics().requests, 0U);
}

TEST_F(HttpPoolConfigTest, EndpointsThatContradictTheUrlAreRefused) {
  auto pool = make_pool();
  const auto refused = pool.set_endpoints(url("http://venue.invalid/"), {{"127.0.0.1", 1, true}});
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("127.0.0.1:1 asks for TLS"));
  const auto scheme = pool.set_endpoints(url("wss://venue.invalid/"), {{"127.0.0.1", 1, true}});
  EXPECT_EQ(scheme.error().code, ErrorCode::unsupported);
}

TEST_F(HttpPoolConfigTest, TimesAndSizesWithoutEndAreTakenAsSuch) {
  options_.config.total_timeout = options_.config.read_timeout = options_.config.dns_ttl = Nanoseconds::max();
  options_.config.keep_alive = Nanoseconds::max();
  for (Nanoseconds* time : {&options_.connection.write_timeout, &options_.connection.head_timeout,
                            &options_.connection.read_timeout, &options_.route.attempt_delay}) {
    *time = Nanoseconds::max();
  }
  options_.connection.body_bytes_max = SIZE_MAX;
  HttpServer server(loop);
  const std::string body(100'000, 'x');
  server.handle("GET", "/*", [&](const HttpServerRequest&) -> Task<HttpReply> {
    co_await loop.sleep_for(30ms);  // some ticks of the loop
    HttpReply reply;
    reply.body = gzip(body);
    reply.headers.add("Content-Encoding", "gzip");
    co_return reply;
  });
  ASSERT_TRUE(server.listen());
  auto pool = make_pool();
  EXPECT_TRUE(fetch(pool, url("http://localhost:" + std::to_string(server.port()) + "/")) == body);
  options_.hosts_max = SIZE_MAX;
  EXPECT_THAT(HttpConnectionPool::create(loop, options_).error().message, HasSubstr("hosts_max"));
}

TEST_F(HttpPoolConfigTest, OptionsThatCannotWorkAreNamed) {
  const auto refusal = [&](auto change) {
    HttpPoolOptions changed = options_;
    change(changed);
    const auto made = HttpConnectionPool::create(loop, changed);
    return made ? std::string("taken") : made.error().message;
  };
  EXPECT_THAT(refusal([](auto& o) { o.connection.head_bytes_max = 0; }), HasSubstr("connection.head_bytes_max is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.fields_max = 0; }), HasSubstr("connection.fields_max is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.body_bytes_max = 0; }), HasSubstr("connection.body_bytes_max is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.stream_bytes = 0; }), HasSubstr("connection.stream_bytes is 0"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.write_timeout = 0ns; }),
              HasSubstr("connection.write_timeout must be"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.head_timeout = -1ns; }), HasSubstr("connection.head_timeout must be"));
  EXPECT_THAT(refusal([](auto& o) { o.connection.read_timeout = 0ns; }), HasSubstr("connection.read_timeout must be"));
  EXPECT_THAT(refusal([](auto& o) { o.route.attempt_delay = -1ns; }), HasSubstr("route.attempt_delay is negative"));
  EXPECT_THAT(refusal([](auto& o) { o.hosts_max = 0; }), HasSubstr("hosts_max 0 is not within"));
  EXPECT_EQ(refusal([](auto& o) { o.route.attempt_delay = 0ns; }), "taken");
}

TEST_F(HttpPoolConfigTest, TheSummaryIsThatOfOnePool) {
  options_.config.connections.max_size = 10;
  options_.config.max_per_host = 10;
  options_.hosts_max = 2;
  const auto first = make_server("first");
  const auto second = make_server("second");
  const auto third = make_server("third");
  auto pool = make_pool();
  EXPECT_EQ(fetch(pool, url(*first)), "first");
  EXPECT_EQ(fetch(pool, url(*second)), "second");
  EXPECT_EQ(pool.summary().max_size, 10U);
  EXPECT_EQ(pool.summary().pools, 2U);
  {
    auto lease = run(pool.acquire(url(*first)));
    EXPECT_DOUBLE_EQ(pool.summary().utilization, 0.1);
  }
  pool.close_idle();
  EXPECT_EQ(fetch(pool, url(*third)), "third");  // replaces one of them
  const pool::PoolSummary summary = pool.summary();
  EXPECT_EQ(summary.counters.acquired, 4U);
  EXPECT_EQ(summary.counters.created, 3U);
  EXPECT_EQ(summary.pools, 2U);
  EXPECT_EQ(summary.max_size, 10U);
  EXPECT_GT(summary.connect_mean_ns, 0);
  EXPECT_EQ(pool.stats().size(), 3U);
  EXPECT_EQ(pool.stats().back().connect.count, 1U);
}

TEST_F(HttpPoolConfigTest, HostsThatWereSetUpAreNotReplaced) {
  options_.hosts_max = 2;
  const auto replica = make_server("replica");
  const auto warm = make_server("warm");
  const auto other = make_server("other");
  auto pool = make_pool();
  const auto origin = url("http://venue.invalid/");
  ASSERT_TRUE(pool.set_endpoints(origin, {{"127.0.0.1", replica->port()}}));
  ASSERT_TRUE(pool.keep_warm(url(*warm)));
  EXPECT_EQ(fetch(pool, origin), "replica");
  EXPECT_EQ(fetch(pool, url(*warm)), "warm");
  pool.close_idle();
  EXPECT_THAT(fetch(pool, url(*other)), HasSubstr("2 hosts are in use"));
  EXPECT_EQ(fetch(pool, origin), "replica");
  EXPECT_EQ(other->statistics().requests, 0U);
}

}  // namespace
}  // namespace marketprism::net
