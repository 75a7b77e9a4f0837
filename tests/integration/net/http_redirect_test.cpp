// Redirects through a pool; what each of them means is in the unit tests of take_redirect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpRedirectTest : public testing::Test, public LoopFixture {
 protected:
  HttpRedirectTest() {
    for (HttpServer* server : {&first_, &second_}) {
      server->handle("*", "/*", [](const HttpServerRequest& request) {
        HttpReply reply;
        reply.body = std::string(request.method()) + " " + std::string(request.head.target()) + " " + request.body;
        if (request.head.find("Authorization")) reply.body += " with a secret";
        return reply;
      });
      server->handle("*", "/to", [this](const HttpServerRequest& request) -> Task<HttpReply> {
        HttpReply reply;
        reply.status = std::stoi(request.head.query_value("status").value_or("302"));
        reply.headers.add("Location", request.head.query_value("at").value_or("/end"));
        reply.body = "moved";
        co_await loop.sleep_for(delay_);
        co_return reply;
      });
      EXPECT_TRUE(server->listen());
    }
    HttpPoolOptions options;
    options.config.connections.min_size = 0;
    pool_.emplace(HttpConnectionPool::create(loop, options).value());
    request_.headers.add("Authorization", "Bearer x");
    following_.redirects_max = 3;
  }
  static std::string origin(const HttpServer& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }
  std::string fetch(const std::string& target, HttpRequestOptions options) {
    const wire::Url url = wire::parse_url(origin(first_) + target).value();
    return run([](HttpConnectionPool& p, wire::Url u, HttpRequest r, HttpRequestOptions o) -> Task<std::string> {
      auto response = co_await p.request(std::move(u), std::move(r), o);
      if (!response) co_return std::string(name_of(response.error().code)) + ": " + response.error().message;
      co_return response->take().body;
    }(*pool_, url, request_, options));
  }

  HttpServer first_{loop};
  HttpServer second_{loop};
  std::optional<HttpConnectionPool> pool_;
  HttpRequest request_;
  HttpRequestOptions following_;
  Nanoseconds delay_{0};
};

TEST_F(HttpRedirectTest, AreGivenToTheCallerUnlessFollowed) {
  EXPECT_EQ(fetch("/to", {}), "moved");
  EXPECT_EQ(fetch("/to?at=/end%3Fa=b", following_), "GET /end?a=b  with a secret");
  EXPECT_EQ(first_.statistics().accepted, 1U);
}

TEST_F(HttpRedirectTest, KeepOrChangeTheMethodAndLeaveSecretsBehind) {
  request_.method = "POST";
  request_.body = "order";
  const std::string away = "&at=" + wire::percent_encode(origin(second_) + "/end");
  EXPECT_EQ(fetch("/to?status=307" + away, following_), "POST /end order");
  EXPECT_EQ(fetch("/to?status=303" + away, following_), "GET /end ");
  EXPECT_EQ(second_.statistics().requests, 2U);
}

TEST_F(HttpRedirectTest, AreCounted) {
  EXPECT_EQ(fetch("/to?at=/to%3Fat=/to", following_), "GET /end  with a secret");  // three of them
  following_.redirects_max = 2;
  EXPECT_THAT(fetch("/to?at=/to%3Fat=/to", following_), HasSubstr("too_large: "));
  EXPECT_THAT(fetch("/to?at=to", following_), HasSubstr("GET /end"));
  EXPECT_THAT(fetch("/to?at=https://[", following_), HasSubstr("malformed: "));
}

TEST_F(HttpRedirectTest, ShareOneDeadline) {
  delay_ = 60ms;
  following_.redirects_max = 1'000;
  following_.timeout = 150ms;
  first_.handle("GET", "/round", [this](const HttpServerRequest&) -> Task<HttpReply> {
    HttpReply reply;
    reply.status = 302;
    reply.headers.add("Location", "/round");
    co_await loop.sleep_for(delay_);
    co_return reply;
  });
  EXPECT_THAT(fetch("/round", following_), HasSubstr("timed_out: "));
  EXPECT_LE(first_.statistics().requests, 3U);
}

TEST_F(HttpRedirectTest, OfStreamsAreFollowedToo) {
  const wire::Url url = wire::parse_url(origin(first_) + "/to").value();
  const auto body = run([](HttpConnectionPool& p, wire::Url u, HttpRequestOptions o) -> Task<std::string> {
    HttpRequest get;
    auto response = co_await p.stream(std::move(u), std::move(get), o);
    std::string text;
    while (response) {
      const auto piece = co_await response->read();
      if (!piece || piece->empty()) break;
      text += *piece;
    }
    co_return text;
  }(*pool_, url, following_));
  EXPECT_EQ(body, "GET /end ");
}

}  // namespace
}  // namespace marketprism::net
