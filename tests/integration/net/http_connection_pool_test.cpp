// HttpConnectionPool against HttpServer, over TCP and over TLS.
#include "marketprism/net/http_connection_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpConnectionPoolTest : public testing::TestWithParam<bool>, public LoopFixture {
 protected:
  HttpConnectionPoolTest() {
    options_.config.connections.min_size = 0;
    if (GetParam()) options_.tls = client_context();
  }

  std::unique_ptr<HttpServer> make_server() {
    HttpServerOptions options;
    if (GetParam()) options.tls = server_context();
    auto server = std::make_unique<HttpServer>(loop, options);
    server->handle("*", "/*", [this](const HttpServerRequest& request) {
      ++served_;
      HttpReply reply;
      reply.body = std::string(request.method()) + " " + std::string(request.path()) + " " + request.body;
      if (keep_alive_s_ > 0) reply.headers.add("Keep-Alive", "timeout=" + std::to_string(keep_alive_s_));
      return reply;
    });
    return server;
  }

  wire::Url url(std::uint16_t port, const std::string& target = "/a") const {
    return wire::parse_url((GetParam() ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port) + target)
        .value();
  }

  HttpConnectionPool make_pool() {
    auto pool = HttpConnectionPool::create(loop, options_);
    EXPECT_TRUE(pool);
    return std::move(*pool);
  }

  static Task<Result<HttpResponse>> fetch(HttpConnectionPool& pool, wire::Url url, HttpRequest request) {
    auto response = co_await pool.request(std::move(url), std::move(request));
    if (!response) co_return std::unexpected(std::move(response.error()));
    co_return response->take();
  }

  // Not a default argument: g++ 12 destroys a braced temporary twice inside a co_await expression.
  static Task<Result<HttpResponse>> fetch(HttpConnectionPool& pool, wire::Url url) {
    HttpRequest request;
    return fetch(pool, std::move(url), std::move(request));
  }

  HttpPoolOptions options_;
  int served_ = 0;
  int keep_alive_s_ = 0;
};

TEST_P(HttpConnectionPoolTest, KeepsOneConnectionForRequestsOneAfterTheOther) {
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  for (int i = 0; i < 20; ++i) {
    const auto response = run(fetch(pool, url(port, "/x/" + std::to_string(i))));
    ASSERT_TRUE(response) << response.error().to_string();
    EXPECT_EQ(response->body, "GET /x/" + std::to_string(i) + " ");
  }
  EXPECT_EQ(server->statistics().accepted, 1U);
  const auto summary = pool.summary();
  EXPECT_DOUBLE_EQ(summary.hit_rate, 19.0 / 20.0);
  EXPECT_DOUBLE_EQ(summary.reuse_rate, 19.0 / 20.0);
  EXPECT_EQ(pool.request_counters().succeeded, 20U);
  ASSERT_EQ(pool.connections().size(), 1U);
  EXPECT_GT(summary.connection_bytes, 1024U);
  EXPECT_EQ(pool.connections()[0].memory_bytes, summary.connection_bytes);
}

TEST_P(HttpConnectionPoolTest, GetsWhatAUrlNames) {
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  const auto get = [&pool](std::string text) -> Task<Result<std::string>> {
    const auto response = co_await pool.get(std::move(text));
    if (!response) co_return std::unexpected(response.error());
    co_return (*response)->body;
  };
  EXPECT_EQ(run(get(url(port, "/x").to_string())), "GET /x ");
  const auto refused = run(get("localhost"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, wire::parse_url("localhost").error().message);
}

TEST_P(HttpConnectionPoolTest, ConcurrentRequestsShareTheHostsLimit) {
  options_.config.max_per_host = 3;
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  int done = 0;
  run([](HttpConnectionPoolTest& test, HttpConnectionPool& p, wire::Url u, int& count) -> Task<> {
    async::Signal all(test.loop);
    for (int i = 0; i < 30; ++i) {
      test.loop.spawn([](HttpConnectionPool& q, wire::Url v, int& n, async::Signal& end) -> Task<> {
        const auto response = co_await fetch(q, v);
        EXPECT_TRUE(response) << response.error().to_string();
        if (++n == 30) end.set();
      }(p, u, count, all));
    }
    co_await all.wait();
  }(*this, pool, url(port), done));
  EXPECT_EQ(done, 30);
  EXPECT_LE(server->statistics().accepted, 3U);
}

TEST_P(HttpConnectionPoolTest, AHostGivesUpAnIdleConnectionWhenAnotherNeedsThePlace) {
  options_.config.connections.max_size = 1;
  const auto first = make_server();
  const auto second = make_server();
  const auto first_port = first->listen().value();
  const auto second_port = second->listen().value();
  auto pool = make_pool();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(run(fetch(pool, url(first_port))));
    EXPECT_TRUE(run(fetch(pool, url(second_port))));
  }
  EXPECT_EQ(pool.summary().gauges.size, 1U);
  EXPECT_EQ(pool.summary().counters.closed[static_cast<std::size_t>(pool::CloseReason::evicted)], 5U);
}

TEST_P(HttpConnectionPoolTest, WhatAServerCutsWhileIdleIsNotUsedAgain) {
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(run(fetch(pool, url(port))));
    server->cut_all();
    run([](async::EventLoop& l, HttpConnectionPool& p) -> Task<> {
      for (int k = 0; k < 500 && p.summary().gauges.idle > 0; ++k) co_await l.sleep_for(1ms);
    }(loop, pool));
    EXPECT_EQ(pool.summary().gauges.size, 0U);
  }
  EXPECT_EQ(pool.request_counters().retried, 0U);
}

TEST_P(HttpConnectionPoolTest, AnIdempotentRequestOnADyingConnectionIsSentAgain) {
  auto server = make_server();
  int cuts = 0;
  HttpServer* raw = server.get();
  server->handle("*", "/cut", [&cuts, raw](const HttpServerRequest& request) {
    HttpReply reply;
    reply.body = "survived " + std::string(request.method());
    if (cuts-- > 0) raw->cut_all();
    return reply;
  });
  const auto port = server->listen().value();
  auto pool = make_pool();
  cuts = 2;
  const auto response = run(fetch(pool, url(port, "/cut")));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(response->body, "survived GET");
  EXPECT_EQ(pool.request_counters().retried, 2U);
  cuts = 1;
  HttpRequest post;
  post.method = "POST";
  post.body = "order";
  EXPECT_FALSE(run(fetch(pool, url(port, "/cut"), post)));  // it may have been carried out: the caller decides
  EXPECT_EQ(pool.request_counters().retried, 2U);
  cuts = 100;
  EXPECT_FALSE(run(fetch(pool, url(port, "/cut"))));
  EXPECT_EQ(pool.request_counters().retried, 5U);
}

TEST_P(HttpConnectionPoolTest, ADeadPrimaryIsLeftForTheStandby) {
  const auto dead = make_server();
  const auto dead_port = dead->listen().value();
  dead->stop_accepting();
  const auto standby = make_server();
  const auto port = standby->listen().value();
  auto pool = make_pool();
  const auto origin = url(dead_port);
  ASSERT_TRUE(pool.set_endpoints(
      origin, {{"127.0.0.1", dead_port, GetParam(), "", 0, 1}, {"127.0.0.1", port, GetParam(), "", 1, 1}}));
  const auto response = run(fetch(pool, origin));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(served_, 1);
  EXPECT_FALSE(pool.set_endpoints(origin, {}));
}

TEST_P(HttpConnectionPoolTest, MovesToOtherEndpointsWhileItRuns) {
  const auto before = make_server();
  const auto before_port = before->listen().value();
  const auto after = make_server();
  const auto after_port = after->listen().value();
  auto pool = make_pool();
  const auto origin = url(before_port);
  EXPECT_TRUE(run(fetch(pool, origin)));
  EXPECT_TRUE(pool.set_endpoints(origin, {{"127.0.0.1", after_port, GetParam(), "", 0, 1}}));
  EXPECT_EQ(pool.summary().gauges.idle, 0U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(run(fetch(pool, origin)));
  EXPECT_EQ(before->statistics().requests, 1U);
  EXPECT_EQ(after->statistics().requests, 3U);
}

TEST_P(HttpConnectionPoolTest, SizesAndTimesChangeWhileItRuns) {
  const auto server = make_server();
  const auto port = server->listen().value();
  const auto other = make_server();
  const auto other_port = other->listen().value();
  auto pool = make_pool();
  const auto hold = [&](std::uint16_t to, std::size_t count) {
    std::vector<HttpLease> leases;
    for (std::size_t i = 0; i < count; ++i) {
      auto lease = run(pool.acquire(url(to), 10s));
      if (!lease) break;
      leases.push_back(std::move(*lease));
    }
    return leases;
  };
  const auto is_full = [&](std::uint16_t to) { return !run(pool.acquire(url(to), 50ms)); };
  EXPECT_EQ(hold(port, 3).size(), 3U);
  EXPECT_EQ(pool.summary().gauges.idle, 3U);
  EXPECT_TRUE(pool.resize(2, 2));
  EXPECT_EQ(pool.summary().gauges.idle, 2U);
  {
    const auto leases = hold(port, 2);
    EXPECT_EQ(leases.size(), 2U);
    EXPECT_TRUE(is_full(port));
    EXPECT_TRUE(is_full(other_port));  // two over all hosts
  }
  EXPECT_TRUE(pool.resize(3, 2));
  const auto leases = hold(port, 2);
  EXPECT_EQ(leases.size(), 2U);
  EXPECT_EQ(hold(other_port, 1).size(), 1U);
  EXPECT_EQ(pool.close_idle(), 1U);
  EXPECT_EQ(pool.summary().gauges.size, 2U);
  pool::HttpPoolConfig config = options_.config;
  config.connections.max_size = 0;
  EXPECT_FALSE(pool.reconfigure(config));
  config.connections.max_size = 8;
  config.keep_alive = 1ms;
  EXPECT_TRUE(pool.reconfigure(config));
}

TEST_P(HttpConnectionPoolTest, SharesALimitWithAnotherPool) {
  const auto server = make_server();
  const auto port = server->listen().value();
  const auto ledger = std::make_shared<pool::PermitLedger>(1);
  auto one = make_pool();
  auto two = make_pool();
  EXPECT_TRUE(one.use_ledger(ledger));
  EXPECT_TRUE(two.use_ledger(ledger));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(run(fetch(one, url(port))));
    EXPECT_TRUE(run(fetch(two, url(port))));
  }
  EXPECT_EQ(one.summary().gauges.size + two.summary().gauges.size, 1U);
  EXPECT_EQ(one.use_ledger(ledger).error().code, ErrorCode::invalid_argument);
}

TEST_P(HttpConnectionPoolTest, AnAnnouncedKeepAliveIsObeyed) {
  keep_alive_s_ = 3;
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  EXPECT_TRUE(run(fetch(pool, url(port))));
  EXPECT_TRUE(run(fetch(pool, url(port))));
  ASSERT_EQ(pool.summary().gauges.idle, 1U);
  run([](async::EventLoop& l, HttpConnectionPool& p) -> Task<> {
    for (int k = 0; k < 300 && p.summary().gauges.idle > 0; ++k) co_await l.sleep_for(10ms);
  }(loop, pool));
  EXPECT_EQ(pool.summary().counters.closed[static_cast<std::size_t>(pool::CloseReason::idle)], 1U);
}

TEST_P(HttpConnectionPoolTest, KeepWarmOpensConnectionsBeforeTheFirstRequest) {
  options_.config.connections.min_size = 2;
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  ASSERT_TRUE(pool.keep_warm(url(port)));
  run([](async::EventLoop& l, HttpConnectionPool& p) -> Task<> {
    for (int k = 0; k < 500 && p.summary().gauges.idle < 2; ++k) co_await l.sleep_for(2ms);
  }(loop, pool));
  EXPECT_TRUE(run(fetch(pool, url(port))));
  EXPECT_DOUBLE_EQ(pool.summary().hit_rate, 1.0);
}

TEST_P(HttpConnectionPoolTest, AResponseKeepsItsConnectionUntilItIsDone) {
  options_.config.max_per_host = 1;
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  run([](HttpConnectionPool& p, wire::Url u) -> Task<> {
    HttpRequest get;
    auto held = co_await p.request(u, get);
    EXPECT_EQ((*held)->body, "GET /a ");
    const auto second = co_await p.acquire(u, 5ms);
    EXPECT_EQ(second.error().code, ErrorCode::timed_out);
    const auto response = held->take();
    const auto third = co_await p.acquire(u, 5s);
    EXPECT_TRUE(third);
  }(pool, url(port)));
}

TEST_P(HttpConnectionPoolTest, DrainLetsNobodyInAndClosesAll) {
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  EXPECT_TRUE(run(fetch(pool, url(port))));
  EXPECT_EQ(run(pool.drain(5s)), 0U);
  EXPECT_EQ(pool.summary().gauges.size, 0U);
  const auto refused = run(fetch(pool, url(port)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::closed);
  EXPECT_FALSE(run(fetch(pool, url(1, "/other"))));
}

TEST_P(HttpConnectionPoolTest, BadRequestsAndOptionsAreNamed) {
  const auto server = make_server();
  const auto port = server->listen().value();
  auto pool = make_pool();
  HttpRequest smuggling;
  smuggling.headers.add("X-Note", "a\r\nEvil: yes");
  const auto refused = run(fetch(pool, url(port), smuggling));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(served_, 0);
  const auto scheme = run(fetch(pool, wire::parse_url("ws://127.0.0.1:1/").value()));
  EXPECT_EQ(scheme.error().code, ErrorCode::unsupported);
  options_.config.proxy = "https://proxy:3128";
  EXPECT_THAT(HttpConnectionPool::create(loop, options_).error().to_string(),
              HasSubstr("proxy: a proxy of scheme 'https'"));
  options_.config.proxy = "";
  options_.config.connections.max_size = 0;
  EXPECT_THAT(HttpConnectionPool::create(loop, options_).error().message, HasSubstr("max_size is 0"));
}

TEST_P(HttpConnectionPoolTest, ARefusedConnectionEndsWithItsCause) {
  options_.config.connections.retry_attempts = 0;
  const auto server = make_server();
  const auto port = server->listen().value();
  server->stop_accepting();
  auto pool = make_pool();
  const auto response = run(fetch(pool, url(port)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::connection_refused) << response.error().to_string();
}

TEST_P(HttpConnectionPoolTest, HostsBeyondTheLimitReplaceUnusedOnes) {
  options_.hosts_max = 1;
  const auto first = make_server();
  const auto second = make_server();
  const auto first_port = first->listen().value();
  const auto second_port = second->listen().value();
  auto pool = make_pool();
  EXPECT_TRUE(run(fetch(pool, url(first_port))));
  EXPECT_EQ(run(fetch(pool, url(second_port))).error().code, ErrorCode::exhausted);  // the first still has a connection
  first->cut_all();
  run([](async::EventLoop& l, HttpConnectionPool& p) -> Task<> {
    for (int k = 0; k < 500 && p.summary().gauges.size > 0; ++k) co_await l.sleep_for(1ms);
  }(loop, pool));
  EXPECT_TRUE(run(fetch(pool, url(second_port))));
}

INSTANTIATE_TEST_SUITE_P(Transports, HttpConnectionPoolTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "tls" : "tcp"; });

}  // namespace
}  // namespace marketprism::net
