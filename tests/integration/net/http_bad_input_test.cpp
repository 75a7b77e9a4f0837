// What a server must not do, seen through the pool: each is a named error, its connection is closed, and the pool works
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/gzip_decoder.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

class HttpBadInputTest : public testing::Test, public LoopFixture {
 public:
  HttpBadInputTest() {
    options_.config.connections.min_size = 0;
    options_.config.connections.max_size = 4;
    options_.connection.head_bytes_max = 8 * 1024;
    options_.connection.fields_max = 32;
    options_.connection.body_bytes_max = 100'000;
  }

  /// A server that answers the first request with this, later ones well.
  void serve_first(std::string bad, bool then_close = false) {
    peer_ = std::make_unique<RawPeer>(
        loop,
        [this, bad = std::move(bad), then_close](Socket& socket) -> Task<> {
          while (true) {
            const std::string head = co_await read_until(socket, "\r\n\r\n");
            if (head.empty()) co_return;
            if (requests_++ > 0) {
              send_text(socket, good);
              continue;
            }
            send_text(socket, bad);
            if (then_close) socket.close();
          }
        },
        RawPeer::Order::side_by_side);
    requests_ = 0;
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  }

  Result<std::string> fetch(std::string method = "GET") {
    return run([](HttpConnectionPool& pool, wire::Url url, std::string verb) -> Task<Result<std::string>> {
      HttpRequest request;
      request.method = std::move(verb);
      auto response = co_await pool.request(std::move(url), std::move(request));
      if (!response) co_return std::unexpected(std::move(response.error()));
      co_return response->take().body;
    }(*pool_, url(), std::move(method)));
  }
  [[nodiscard]] wire::Url url() const {
    return wire::parse_url("http://127.0.0.1:" + std::to_string(peer_->port()) + "/").value();
  }

  /// The pool has let go of the connection, and works.
  void expect_intact(int connections) {
    const auto summary = pool_->summary();
    EXPECT_EQ(summary.gauges.active, 0U);
    EXPECT_EQ(summary.gauges.size, 0U);
    EXPECT_EQ(summary.counters.closed_total(), summary.counters.created);
    const auto next = fetch();
    ASSERT_TRUE(next) << next.error().to_string();
    EXPECT_EQ(*next, "good");
    EXPECT_EQ(peer_->connections(), connections);
  }

  HttpPoolOptions options_;
  std::unique_ptr<RawPeer> peer_;
  std::optional<HttpConnectionPool> pool_;
  int requests_ = 0;
};

TEST_F(HttpBadInputTest, EachIsANamedErrorAndThePoolIsIntact) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  std::string many_headers = ok;
  for (int i = 0; i < 40; ++i) many_headers += "X-" + std::to_string(i) + ": y\r\n";
  std::string endless_chunks = ok + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 40; ++i) endless_chunks += "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  const std::string bomb = gzip(std::string(10'000'000, '\0'));
  struct Case {
    std::string answer;
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {ok + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n12345", ErrorCode::malformed,
       "two different Content-Length"},
      {ok + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ErrorCode::malformed,
       "both Content-Length and Transfer-Encoding"},
      {ok + "Content-Length: -1\r\n\r\n", ErrorCode::malformed, "bad Content-Length"},
      {ok + "Content-Length:\r\n\r\n", ErrorCode::malformed, "bad Content-Length"},
      {ok + "Content-Length: 99999999999999999999\r\n\r\n", ErrorCode::malformed, "bad Content-Length"},
      {ok + "Content-Length: 100001\r\n\r\n", ErrorCode::too_large, "at most 100000 are taken"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorCode::malformed, "size line of a chunk"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", ErrorCode::malformed, "out of range"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", ErrorCode::malformed, "longer than it says"},
      {ok + "Transfer-Encoding: br\r\n\r\n", ErrorCode::unsupported, "transfer coding 'br'"},
      {endless_chunks, ErrorCode::too_large, "larger than 100000 bytes"},
      {ok + "Content-Encoding: gzip\r\nContent-Length: " + std::to_string(bomb.size()) + "\r\n\r\n" + bomb,
       ErrorCode::too_large, "100000"},
      {ok + "X: " + std::string(9'000, 'x') + "\r\n\r\n", ErrorCode::too_large, "larger than 8192 bytes"},
      {ok + "X: " + std::string(9'000, 'x'), ErrorCode::too_large, "larger than 8192 bytes"},
      {many_headers + "\r\n", ErrorCode::too_large, "more than 32 headers"},
      {ok + "X: a\rEvil: b\r\n\r\n", ErrorCode::malformed, "control characters"},
      {ok + "X : a\r\n\r\n", ErrorCode::malformed, "bad header line"},
      {ok + " folded\r\n\r\n", ErrorCode::malformed, "bad header line"},
      {"HTTP/2.0 200 OK\r\n\r\n", ErrorCode::unsupported, "version"},
      {"HTTP/1.1 99 Low\r\n\r\n", ErrorCode::malformed, "bad status line"},
      {"ICY 200 OK\r\n\r\n", ErrorCode::malformed, "HTTP"},
      {std::string("\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", 11), ErrorCode::malformed, "HTTP"},
  };
  for (const Case& one : cases) {
    serve_first(one.answer);
    const auto response = fetch();
    ASSERT_FALSE(response) << one.answer.substr(0, 100);
    EXPECT_EQ(response.error().code, one.code) << response.error().to_string();
    EXPECT_THAT(response.error().to_string(),
                AllOf(HasSubstr(one.message), HasSubstr("127.0.0.1:" + std::to_string(peer_->port()))));
    EXPECT_EQ(requests_, 1) << "asked again: " << one.message;
    expect_intact(2);
  }
}

TEST_F(HttpBadInputTest, TwoResponsesForOneRequest) {
  serve_first(std::string(good) + std::string(good));
  const auto response = fetch();
  ASSERT_TRUE(response);  // the first is the answer; the second must not become that of the next request
  expect_intact(2);
}

TEST_F(HttpBadInputTest, ASecondResponseThatComesLate) {
  peer_ = std::make_unique<RawPeer>(
      loop,
      [this](Socket& socket) -> Task<> {
        while (true) {
          const std::string head = co_await read_until(socket, "\r\n\r\n");
          if (head.empty()) co_return;
          send_text(socket, good);
          if (requests_++ > 0) continue;
          co_await socket.loop().sleep_for(10ms);
          send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
      },
      RawPeer::Order::side_by_side);
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  ASSERT_TRUE(fetch());
  run([](HttpBadInputTest& test) -> Task<> {
    for (int i = 0; i < 2'000 && test.pool_->summary().gauges.size > 0; ++i) co_await test.loop.sleep_for(1ms);
  }(*this));
  expect_intact(2);
}

TEST_F(HttpBadInputTest, AResponseBeforeTheRequest) {
  options_.config.connections.min_size = 1;
  int accepted = 0;
  peer_ = std::make_unique<RawPeer>(
      loop,
      [&accepted](Socket& socket) -> Task<> {
        if (accepted++ == 0) send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        while (true) {
          const std::string head = co_await read_until(socket, "\r\n\r\n");
          if (head.empty()) co_return;
          send_text(socket, good);
        }
      },
      RawPeer::Order::side_by_side);
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  ASSERT_TRUE(pool_->keep_warm(url()));
  run([](HttpBadInputTest& test) -> Task<> {
    for (int i = 0; i < 2'000 && test.peer_->connections() < 2; ++i) co_await test.loop.sleep_for(1ms);
  }(*this));
  const auto response = fetch();
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(*response, "good");
  EXPECT_EQ(pool_->summary().counters.closed[static_cast<std::size_t>(pool::CloseReason::unhealthy)], 1U);
}

TEST_F(HttpBadInputTest, BytesWithoutARequestOnALentConnectionAreNamed) {
  peer_ = std::make_unique<RawPeer>(loop, [](Socket& socket) -> Task<> {
    send_text(socket, good);
    co_await read_to_end(socket);
  });
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  run([](HttpBadInputTest& test) -> Task<> {
    auto lease = co_await test.pool_->acquire(test.url());
    EXPECT_TRUE(lease);
    for (int i = 0; i < 2'000 && (**lease)->is_open(); ++i) co_await test.loop.sleep_for(1ms);
    const auto response = co_await (**lease)->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::malformed);
    EXPECT_THAT(response.error().message, HasSubstr("that nobody had asked for"));
    EXPECT_EQ((**lease)->progress(), HttpProgress::nothing_written);
  }(*this));
}

TEST_F(HttpBadInputTest, WhatTheCallerMustNotSendIsNotSent) {
  serve_first(std::string(good));
  const auto refused = [this](HttpRequest request) {
    const auto response = run([](HttpConnectionPool& pool, wire::Url url, HttpRequest what) -> Task<Result<int>> {
      const auto got = co_await pool.request(std::move(url), std::move(what));
      if (!got) co_return std::unexpected(got.error());
      co_return 0;
    }(*pool_, url(), std::move(request)));
    EXPECT_FALSE(response);
    return response ? ErrorCode{} : response.error().code;
  };
  HttpRequest bad;
  bad.headers.add("X-Note", "a\r\nEvil: yes");
  EXPECT_EQ(refused(bad), ErrorCode::invalid_argument);
  bad = {};
  bad.headers.add("Ev il", "x");
  EXPECT_EQ(refused(bad), ErrorCode::invalid_argument);
  bad = {};
  bad.method = "GET / HTTP/1.1\r\nX:";
  EXPECT_EQ(refused(bad), ErrorCode::invalid_argument);
  bad = {};
  bad.headers.add("Transfer-Encoding", "chunked");
  EXPECT_EQ(refused(bad), ErrorCode::invalid_argument);
  EXPECT_EQ(requests_, 0);
  for (const char* text : {"ftp://127.0.0.1/", "ws://127.0.0.1/", "unix://x/"}) {
    const auto other = wire::parse_url(text);
    if (!other) continue;  // no default port: not even a URL
    const auto response = run([](HttpConnectionPool& pool, wire::Url u) -> Task<ErrorCode> {
      HttpRequest request;
      const auto got = co_await pool.request(std::move(u), std::move(request));
      co_return got ? ErrorCode{} : got.error().code;
    }(*pool_, *other));
    EXPECT_EQ(response, ErrorCode::unsupported) << text;
  }
}

// ── What may be tried again, and what may not ──

TEST_F(HttpBadInputTest, APartOfAResponseIsThrownAwayAndTheRequestSentAgain) {
  serve_first("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nhalf of i", true);
  const auto response = fetch();
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ(*response, "good");
  EXPECT_EQ(pool_->request_counters().retried, 1U);
}

TEST_F(HttpBadInputTest, ARequestThatMayHaveHadAnEffectIsNot) {
  serve_first("", true);
  const auto response = fetch("POST");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::connection_closed);
  EXPECT_EQ(requests_, 1);
  expect_intact(2);
}

TEST_F(HttpBadInputTest, NothingOfWhichWasWrittenIsSentAgainWhateverItIs) {
  // The server closes each connection when it has answered once; the client's next request finds it closed.
  peer_ = std::make_unique<RawPeer>(
      loop,
      [this](Socket& socket) -> Task<> {
        co_await read_until(socket, "\r\n\r\n");
        ++requests_;
        send_text(socket, good);
        socket.close();
      },
      RawPeer::Order::side_by_side);
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  ASSERT_TRUE(fetch("POST"));
  for (int i = 0; i < 50; ++i) {
    run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
    const auto response = fetch("POST");
    ASSERT_TRUE(response) << response.error().to_string();
  }
  EXPECT_EQ(requests_, 51);
}

TEST_F(HttpBadInputTest, ARedirectIsAnAnswerLikeAnyOther) {
  serve_first("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nmoved");
  EXPECT_EQ(fetch().value(), "moved");
  EXPECT_EQ(requests_, 1);
}

TEST_F(HttpBadInputTest, RetriesOverTheBudgetWaitForAPlaceAndDoNotFail) {
  options_.config.retry_budget = {0.0, 1};
  options_.config.connections.max_size = 16;
  options_.config.max_per_host = 16;
  int cuts = 12;
  peer_ = std::make_unique<RawPeer>(
      loop,
      [&cuts](Socket& socket) -> Task<> {
        while (true) {
          const std::string head = co_await read_until(socket, "\r\n\r\n");
          if (head.empty()) co_return;
          if (cuts-- > 0) co_return socket.close();
          co_await socket.loop().sleep_for(2ms);
          send_text(socket, good);
        }
      },
      RawPeer::Order::side_by_side);
  pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  int succeeded = 0;
  run([](HttpBadInputTest& test, int& count) -> Task<> {
    async::Signal all(test.loop);
    int left = 12;
    for (int i = 0; i < 12; ++i) {
      test.loop.spawn([](HttpBadInputTest& t, int& good_ones, int& rest, async::Signal& end) -> Task<> {
        HttpRequest request;
        auto response = co_await t.pool_->request(t.url(), std::move(request));
        EXPECT_TRUE(response) << response.error().to_string();
        if (response) ++good_ones;
        if (--rest == 0) end.set();
      }(test, count, left, all));
    }
    co_await all.wait();
  }(*this, succeeded));
  EXPECT_EQ(succeeded, 12);
  EXPECT_EQ(pool_->request_counters().retried, 12U);
  EXPECT_GE(pool_->request_counters().retries_delayed, 10U);
}

TEST_F(HttpBadInputTest, WaitingForAPlaceEndsWithTheDeadlineAndTheCause) {
  options_.config.retry_budget = {0.0, 0};
  serve_first("", true);
  const auto late = run([](HttpConnectionPool& pool, wire::Url url) -> Task<Result<int>> {
    HttpRequest request;
    HttpRequestOptions how;
    how.timeout = 50ms;
    const auto response = co_await pool.request(std::move(url), std::move(request), how);
    if (!response) co_return std::unexpected(response.error());
    co_return 0;
  }(*pool_, url()));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::connection_closed);
  EXPECT_EQ(pool_->request_counters().retries_delayed, 1U);
  expect_intact(2);
}

// ── Time-outs, each named by its phase ──

TEST_F(HttpBadInputTest, TimeoutsNameTheirPhase) {
  options_.connection.head_timeout = 40ms;
  options_.connection.read_timeout = 40ms;
  serve_first("");
  EXPECT_THAT(fetch().error().message, HasSubstr("timed out waiting for the response"));
  expect_intact(2);
  serve_first("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_THAT(fetch().error().message, HasSubstr("timed out while reading the response"));
  expect_intact(2);
  options_.connection.head_timeout = 10s;
  options_.config.total_timeout = 40ms;
  serve_first("");
  EXPECT_EQ(fetch().error().code, ErrorCode::timed_out);
}

TEST_F(HttpBadInputTest, AStreamedResponseGivesItsConnectionBackOnlyWhenItWasReadToTheEnd) {
  serve_first("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
  run([](HttpBadInputTest& test) -> Task<> {
    HttpRequest request;
    auto response = co_await test.pool_->stream(test.url(), std::move(request));
    EXPECT_TRUE(response) << response.error().to_string();
    EXPECT_EQ(response->status(), 200);
    const auto piece = co_await response->read();
    EXPECT_EQ(*piece, "01234");
  }(*this));
  expect_intact(2);
  run([](HttpBadInputTest& test) -> Task<> {
    HttpRequest request;
    auto response = co_await test.pool_->stream(test.url(), std::move(request));
    EXPECT_TRUE(response);
    const auto piece = co_await response->read();
    EXPECT_EQ(*piece, "good");
    const auto end = co_await response->read();
    EXPECT_TRUE(end && end->empty());
  }(*this));
  EXPECT_EQ(pool_->summary().gauges.idle, 1U);
  EXPECT_EQ(fetch().value(), "good");
  EXPECT_EQ(peer_->connections(), 2);
}

}  // namespace
}  // namespace marketprism::net
