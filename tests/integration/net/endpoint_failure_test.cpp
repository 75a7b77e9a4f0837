// Endpoints that take every connection and then fail the requests.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

enum class Mode {
  healthy,
  closes_at_once,
  closes_after_request,
  never_answers,
  answers_nonsense,
  closes_in_the_middle,
};

class EndpointFailureTest : public testing::Test, public LoopFixture {
 public:
  EndpointFailureTest() {
    options_.config.connections.min_size = 0;
    options_.config.connections.ejection.time = 500ms;
    options_.config.connections.ejection.recovery = 50ms;
    options_.config.connections.failback_interval = 0ms;
    options_.connection.head_timeout = 40ms;
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
    url_ = wire::parse_url("http://venue.invalid/").value();
    EXPECT_TRUE(pool_->set_endpoints(
        url_, {{"127.0.0.1", primary_.port(), false, "", 0, 1}, {"127.0.0.1", standby_.port(), false, "", 1, 1}}));
  }

  static void answer(Socket& socket, const std::string& body) {
    send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  Task<> serve_primary(Socket& socket) {
    while (mode_ != Mode::closes_at_once) {
      const std::string request = co_await read_until(socket, "\r\n\r\n");
      if (!request.ends_with("\r\n\r\n")) co_return;
      ++asked_of_primary_;
      if (mode_ == Mode::healthy) answer(socket, "primary");
      if (mode_ == Mode::answers_nonsense) send_text(socket, "220 mail ready\r\n\r\n");
      if (mode_ == Mode::closes_in_the_middle) send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npri");
      if (mode_ == Mode::closes_after_request || mode_ == Mode::closes_in_the_middle) co_return;
    }
  }
  static Task<> serve_standby(Socket& socket) {
    while (true) {
      const std::string request = co_await read_until(socket, "\r\n\r\n");
      if (!request.ends_with("\r\n\r\n")) co_return;
      answer(socket, "standby");
    }
  }

  Task<std::string> fetch(std::string method = "GET") {
    HttpRequest request;
    request.method = std::move(method);
    auto response = co_await pool_->request(url_, std::move(request));
    if (!response) co_return response.error().to_string();
    co_return response->take().body;
  }
  // So many at the same time, each on a connection of its own; the bodies.
  std::vector<std::string> fetch_together(int count) {
    std::vector<std::string> bodies;
    run([](EndpointFailureTest& test, int n, std::vector<std::string>& out) -> Task<> {
      for (int i = 0; i < n; ++i) {
        test.loop.spawn([](EndpointFailureTest& t, std::vector<std::string>& all) -> Task<> {
          std::string body = co_await t.fetch();
          all.push_back(std::move(body));
        }(test, out));
      }
      for (int i = 0; i < 5'000 && std::ssize(out) < n; ++i) co_await test.loop.sleep_for(1ms);
    }(*this, count, bodies));
    return bodies;
  }

  Mode mode_ = Mode::healthy;
  int asked_of_primary_ = 0;
  RawPeer primary_{loop, [this](Socket& socket) { return serve_primary(socket); }, RawPeer::Order::side_by_side};
  RawPeer standby_{loop, [](Socket& socket) { return serve_standby(socket); }, RawPeer::Order::side_by_side};
  HttpPoolOptions options_;
  std::optional<HttpConnectionPool> pool_;
  wire::Url url_;
};

class AcceptingEndpointTest : public EndpointFailureTest, public testing::WithParamInterface<Mode> {};

TEST_P(AcceptingEndpointTest, IsLeftForTheStandbyEjectedAndTakenBack) {
  mode_ = GetParam();
  for (int i = 1; i <= 5; ++i) {
    pool_->close_idle();  // so that the next request dials, and begins at the primary
    EXPECT_EQ(run(fetch()), "standby");
    EXPECT_EQ(primary_.connections(), i);
    EXPECT_EQ(pool_->request_counters().retried, static_cast<std::uint64_t>(i));  // once only
  }
  for (int i = 0; i < 3; ++i) {
    pool_->close_idle();
    EXPECT_EQ(run(fetch()), "standby");
    EXPECT_EQ(primary_.connections(), 5);  // ejected
  }
  mode_ = Mode::healthy;
  std::string body;
  for (int i = 0; i < 5'000 && body != "primary"; ++i) {
    pool_->close_idle();
    body = run(fetch());
    EXPECT_TRUE(body == "primary" || body == "standby") << body;
    run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
  }
  EXPECT_EQ(body, "primary");
}

INSTANTIATE_TEST_SUITE_P(Modes, AcceptingEndpointTest,
                         testing::Values(Mode::closes_at_once, Mode::closes_after_request, Mode::never_answers,
                                         Mode::answers_nonsense, Mode::closes_in_the_middle));

TEST_F(EndpointFailureTest, TimeOutsOnKeptConnectionsEjectIt) {
  const std::vector<std::string> before(6, "primary");
  EXPECT_EQ(fetch_together(6), before);
  EXPECT_EQ(primary_.connections(), 6);
  mode_ = Mode::never_answers;
  const std::vector<std::string> after(6, "standby");
  EXPECT_EQ(fetch_together(6), after);
  EXPECT_EQ(asked_of_primary_, 12);
  pool_->close_idle();
  EXPECT_EQ(run(fetch()), "standby");
  EXPECT_EQ(primary_.connections(), 6);
}

TEST_F(EndpointFailureTest, TheRetryPassesOverItsOtherKeptConnections) {
  const std::vector<std::string> before(6, "primary");
  EXPECT_EQ(fetch_together(6), before);
  mode_ = Mode::never_answers;
  EXPECT_EQ(run(fetch()), "standby");
  EXPECT_EQ(asked_of_primary_, 7);
}

TEST_F(EndpointFailureTest, LosingKeptConnectionsIsNoFailureOfTheirEndpoint) {
  const std::vector<std::string> bodies(6, "primary");
  EXPECT_EQ(fetch_together(6), bodies);
  mode_ = Mode::closes_after_request;
  run([](EndpointFailureTest& test) -> Task<> {
    for (int i = 0; i < 6; ++i) {
      test.loop.spawn([](EndpointFailureTest& t) -> Task<> {
        const std::string body = co_await t.fetch();
        EXPECT_EQ(body, "primary");
      }(test));
    }
    while (test.asked_of_primary_ < 12) co_await test.loop.sleep_for(0ms);
    test.mode_ = Mode::healthy;
    while (test.pool_->request_counters().succeeded < 12) co_await test.loop.sleep_for(1ms);
  }(*this));
  EXPECT_EQ(standby_.connections(), 0);
}

TEST_F(EndpointFailureTest, WhatMustNotBeSentTwiceFailsWithoutAnotherTry) {
  mode_ = Mode::never_answers;
  EXPECT_NE(run(fetch("POST")), "standby");
  EXPECT_EQ(standby_.connections(), 0);
}

TEST_F(EndpointFailureTest, WithoutAnotherEndpointASlowAnswerIsNotAskedForAgain) {
  ASSERT_TRUE(pool_->set_endpoints(url_, {{"127.0.0.1", primary_.port(), false, "", 0, 1}}));
  mode_ = Mode::never_answers;
  run(fetch());
  EXPECT_EQ(asked_of_primary_, 1);
  mode_ = Mode::closes_after_request;
  run(fetch());
  EXPECT_EQ(asked_of_primary_, 5);  // retry_attempts
}

}  // namespace
}  // namespace marketprism::net
