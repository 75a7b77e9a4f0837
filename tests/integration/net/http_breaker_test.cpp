// The circuit breaker of an HTTP pool's hosts.
#include <string>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpBreakerTest : public testing::Test, public LoopFixture {
 protected:
  static constexpr auto open_time = 400ms;  // long, for machines that stall

  HttpBreakerTest() {
    options_.config.connections.min_size = 0;
    options_.config.connections.retry_attempts = 0;
    options_.config.circuit_breaker = {.failures_to_open = 2, .open_time = open_time, .open_time_max = 10s};
  }

  /// Answers with `status_`; 0: cuts the connection; -1: says nothing.
  Task<> answer(Socket& socket) {
    while (true) {
      const std::string head = co_await read_until(socket, "\r\n\r\n");
      if (head.empty()) co_return;
      ++asked_;
      if (status_ == 0) co_return socket.close();
      if (status_ > 0) {
        send_text(socket, "HTTP/1.1 " + std::to_string(status_) + " Said\r\nContent-Length: 4\r\n\r\ntext");
      }
    }
  }

  void make_pool() { pool_.emplace(HttpConnectionPool::create(loop, options_).value()); }
  [[nodiscard]] static wire::Url url(std::uint16_t port) {
    return wire::parse_url("http://127.0.0.1:" + std::to_string(port) + "/").value();
  }

  /// The status, or the error.
  Result<int> ask(std::uint16_t port) {
    return run([](HttpConnectionPool& pool, wire::Url where) -> Task<Result<int>> {
      HttpRequest request;
      const auto response = co_await pool.request(std::move(where), std::move(request));
      if (!response) co_return std::unexpected(response.error());
      co_return (*response)->status();
    }(*pool_, url(port)));
  }
  Result<int> ask() { return ask(peer_.port()); }
  void sleep(Nanoseconds time) {
    run([](async::EventLoop& l, Nanoseconds t) -> Task<> { co_await l.sleep_for(t); }(loop, time));
  }
  void open_it() {
    status_ = 0;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(ask().error().code, ErrorCode::connection_closed);
    EXPECT_EQ(ask().error().code, ErrorCode::rate_limited);
    asked_ = 0;
  }

  RawPeer peer_{loop, [this](Socket& socket) { return answer(socket); }, RawPeer::Order::side_by_side};
  HttpPoolOptions options_;
  std::optional<HttpConnectionPool> pool_;
  int status_ = 200;
  int asked_ = 0;
};

TEST_F(HttpBreakerTest, AHostThatKeepsFailingIsLeftAloneForAWhile) {
  make_pool();
  EXPECT_EQ(ask(), 200);
  open_it();
  for (int i = 0; i < 5; ++i) {
    const auto refused = ask();
    EXPECT_EQ(refused.error().code, ErrorCode::rate_limited);
    EXPECT_THAT(refused.error().message, HasSubstr("http://127.0.0.1:" + std::to_string(peer_.port()) + ": not asked"));
    EXPECT_THAT(refused.error().message, HasSubstr("tried again in "));
  }
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(pool_->request_counters().refused, 6U);
  EXPECT_EQ(pool_->request_counters().failed, 8U);
  status_ = 200;
  sleep(open_time + 1ms);
  EXPECT_EQ(ask(), 200);
  EXPECT_EQ(ask(), 200);
  EXPECT_EQ(pool_->request_counters().refused, 6U);
}

TEST_F(HttpBreakerTest, OneProbeDecidesAndEachOpeningLastsLonger) {
  make_pool();
  open_it();
  sleep(open_time + 1ms);
  EXPECT_EQ(ask().error().code, ErrorCode::connection_closed);  // the probe
  const std::string refused = ask().error().message;
  EXPECT_EQ(asked_, 1);
  const auto number = refused.find("tried again in ");
  ASSERT_NE(number, std::string::npos) << refused;
  const std::chrono::milliseconds left(std::stoi(refused.substr(number + 15)));
  EXPECT_GT(left, open_time);  // twice as long now
  EXPECT_LE(left, 2 * open_time);
  sleep(left + 1ms);
  status_ = 200;
  EXPECT_EQ(ask(), 200);
}

TEST_F(HttpBreakerTest, WhileAProbeIsOutOthersAreRefusedAndACancelledOneMakesRoom) {
  make_pool();
  open_it();
  sleep(open_time + 1ms);
  status_ = -1;
  boost::asio::cancellation_signal stop;
  bool has_ended = false;
  boost::asio::co_spawn(
      loop.executor(),
      [](HttpConnectionPool& pool, wire::Url where) -> Task<> {
        HttpRequest request;
        static_cast<void>(co_await pool.request(std::move(where), std::move(request)));
      }(*pool_, url(peer_.port())),
      boost::asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr) { has_ended = true; }));
  for (int i = 0; i < 1000 && asked_ == 0; ++i) sleep(1ms);
  ASSERT_EQ(asked_, 1);
  const auto refused = ask();
  EXPECT_EQ(refused.error().code, ErrorCode::rate_limited);
  EXPECT_THAT(refused.error().message, HasSubstr("others are trying"));
  stop.emit(boost::asio::cancellation_type::terminal);
  for (int i = 0; i < 1000 && !has_ended; ++i) sleep(1ms);
  ASSERT_TRUE(has_ended);
  status_ = 200;
  EXPECT_EQ(ask(), 200);
}

TEST_F(HttpBreakerTest, AnswersOfTheServersFailureCountThoseOfTheCallersDoNot) {
  make_pool();
  status_ = 404;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(), 404);
  status_ = 503;
  EXPECT_EQ(ask(), 503);
  status_ = 200;
  EXPECT_EQ(ask(), 200);  // forgives
  status_ = 503;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(), 503);
  EXPECT_THAT(ask().error().message, HasSubstr("(last: status 503)"));
}

TEST_F(HttpBreakerTest, EachHostHasItsOwnAndADialThatFailsCounts) {
  make_pool();
  std::uint16_t nobody = 0;
  {
    const RawPeer gone(loop, [](Socket&) -> Task<> { co_return; });
    nobody = gone.port();
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(nobody).error().code, ErrorCode::connection_refused);
  EXPECT_EQ(ask(nobody).error().code, ErrorCode::rate_limited);
  EXPECT_EQ(ask(), 200);
}

TEST_F(HttpBreakerTest, APoolThatIsFullSaysNothingAboutTheHost) {
  options_.config.connections.max_size = 1;
  options_.config.total_timeout = 5ms;
  make_pool();
  {
    const auto lease = run(pool_->acquire(url(peer_.port()), 1s));
    ASSERT_TRUE(lease);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask().error().code, ErrorCode::timed_out);
  }
  EXPECT_EQ(ask(), 200);
}

TEST_F(HttpBreakerTest, PermitsThatOthersHoldSayNothingAboutTheHost) {
  options_.config.total_timeout = 5ms;
  make_pool();
  auto other = HttpConnectionPool::create(loop, options_).value();
  const auto ledger = std::make_shared<pool::PermitLedger>(1, 4);
  ASSERT_TRUE(pool_->use_ledger(ledger));
  ASSERT_TRUE(other.use_ledger(ledger));
  {
    const auto lease = run(other.acquire(url(peer_.port()), 1s));
    ASSERT_TRUE(lease);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask().error().code, ErrorCode::timed_out);
  }
  other.close_idle();
  ASSERT_TRUE(pool_->reconfigure([&] {
    auto config = options_.config;
    config.total_timeout = 5s;
    return config;
  }()));
  EXPECT_EQ(ask(), 200);
}

TEST_F(HttpBreakerTest, AServerThatIsNeverReachedCounts) {
  options_.config.connections.connect_timeout = 5s;
  options_.config.total_timeout = 30ms;
  options_.tls = client_context();
  const RawPeer silent(
      loop, [](Socket& socket) -> Task<> { co_await read_until(socket, "never"); }, RawPeer::Order::side_by_side);
  make_pool();
  wire::Url where = url(silent.port());
  where.scheme = "https";  // its TLS handshake stays half done
  const auto code = [&] {
    return run([](HttpConnectionPool& pool, wire::Url target) -> Task<ErrorCode> {
      HttpRequest request;
      const auto response = co_await pool.request(std::move(target), std::move(request));
      co_return response ? ErrorCode::closed : response.error().code;
    }(*pool_, where));
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(code(), ErrorCode::timed_out);
  EXPECT_EQ(code(), ErrorCode::rate_limited);
}

TEST_F(HttpBreakerTest, CanBeTurnedOffAndOnWhileThePoolRuns) {
  make_pool();
  open_it();
  pool::HttpPoolConfig config = options_.config;
  config.circuit_breaker.reset();
  ASSERT_TRUE(pool_->reconfigure(config));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask().error().code, ErrorCode::connection_closed);
  ASSERT_TRUE(pool_->reconfigure(options_.config));
  open_it();
}

TEST_F(HttpBreakerTest, LimitsThatCannotBeAreNamed) {
  const auto error_of = [this](pool::CircuitBreakerConfig config) {
    options_.config.circuit_breaker = config;
    const auto made = HttpConnectionPool::create(loop, options_);
    return made ? "made" : made.error().message;
  };
  EXPECT_THAT(error_of({.failures_to_open = 0}), HasSubstr("failures_to_open, probes and successes_to_close"));
  EXPECT_THAT(error_of({.probes = 0}), HasSubstr("must be at least 1"));
  EXPECT_THAT(error_of({.successes_to_close = 0}), HasSubstr("must be at least 1"));
  EXPECT_THAT(error_of({.open_time = 0s}), HasSubstr("circuit_breaker.open_time"));
  EXPECT_THAT(error_of({.open_time = 2s, .open_time_max = 1s}), HasSubstr("open_time_max is shorter"));
}

}  // namespace
}  // namespace marketprism::net
