// Requests, streams, acquires and dials, each cancelled at every turn of the loop, by coroutines that know nothing of
// cancellation: Asio ends them by an exception out of the next co_await.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "tests/integration/net/body_sources.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/open_files.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

// Reads slowly, and answers each request with its target: in chunks, some turns apart, if the target asks for that.
Task<> serve(Socket& socket) {
  std::string text;
  std::array<std::byte, 128 * 1024> buffer;
  std::size_t left = 0;  // of the body
  std::string target;
  while (true) {
    const std::size_t end = target.empty() ? text.find("\r\n\r\n") : std::string::npos;
    if (end != std::string::npos) {
      const std::size_t from = text.find(' ') + 1;
      target = text.substr(from, text.find(' ', from) - from);
      const std::size_t length = text.find("Content-Length: ");
      left = length < end ? std::stoul(text.substr(length + 16)) : 0;
      text.erase(0, end + 4);
    }
    if (!target.empty()) {
      const std::size_t taken = std::min(left, text.size());
      text.erase(0, taken);
      left -= taken;
    }
    if (!target.empty() && left == 0) {
      if (target.starts_with("/chunks")) {
        send_text(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 3; ++i) {
          co_await socket.loop().sleep_for(0ms);
          send_text(socket, "4\r\nlate\r\n");
        }
        send_text(socket, "0\r\n\r\n");
      } else {
        send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(target.size()) + "\r\n\r\n" + target);
      }
      target.clear();
      continue;
    }
    const auto count = co_await socket.read_some(buffer);
    if (!count) co_return;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
}

class HttpCancellationTest : public testing::Test, public LoopFixture {
 public:
  HttpCancellationTest() {
    HttpPoolOptions options;
    options.config.connections.min_size = 0;
    options.config.connections.max_size = 1;  // one that is lost is missed by the next request
    options.config.total_timeout = 5s;
    pool_.emplace(HttpConnectionPool::create(loop, options).value());
    EXPECT_TRUE(pool_->use_ledger(ledger_));
  }

  [[nodiscard]] wire::Url url(const std::string& target) const {
    return wire::parse_url("http://127.0.0.1:" + std::to_string(peer_.port()) + target).value();
  }
  static Task<> ask(HttpCancellationTest& test, std::string target, std::string body) {
    HttpRequest request;
    request.method = body.empty() ? "GET" : "POST";
    request.body = std::move(body);
    const auto response = co_await test.pool_->request(test.url(target), std::move(request));
    if (response) {
      EXPECT_EQ((*response)->body, target.starts_with("/chunks") ? "latelatelate" : target);
    }
  }
  static Task<> upload(HttpCancellationTest& test) {
    const auto source = std::make_shared<TestSource>(test.loop, std::vector<std::string>{"one", "two", "three"});
    source->pause = 1ns;
    source->announce();
    // However the request ends: the source may use what its owner has.
    const struct Check {
      const TestSource& of;
      ~Check() { EXPECT_EQ(of.waiting, 0); }
    } no_read_outlives_the_request{*source};
    HttpRequest request;
    request.method = "POST";
    request.body_source = source;
    const auto response = co_await test.pool_->request(test.url("/upload"), std::move(request));
    EXPECT_TRUE(!response || (*response)->body == "/upload");
  }
  static Task<> stream(HttpCancellationTest& test) {
    HttpRequest request;
    auto response = co_await test.pool_->stream(test.url("/chunks"), std::move(request));
    while (response) {
      const auto piece = co_await response->read();
      if (!piece || piece->empty()) co_return;
    }
  }
  static Task<> borrow(HttpCancellationTest& test) {
    const auto lease = co_await test.pool_->acquire(test.url("/"));
    co_await test.loop.sleep_for(0ms);
  }
  static Task<> connect(HttpCancellationTest& test) {
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = test.peer_.port();
    const auto connection = co_await HttpConnection::connect(test.loop, std::move(target), test.soon());
    co_await test.loop.sleep_for(0ms);
  }

  // The next request gets its own answer, whenever the one before was cancelled.
  Task<> check_next(int turn) {
    const std::string target = "/next/" + std::to_string(turn);
    HttpRequest request;
    auto response = co_await pool_->request(url(target), std::move(request));
    EXPECT_TRUE(response) << "turn " << turn << ": " << response.error().to_string();
    if (response) {
      EXPECT_EQ((*response)->body, target) << "turn " << turn;
    }
  }

  // Cancels what `start` starts after so many turns of the loop. True if it had ended by then.
  bool cancel_after(int turns, const std::function<Task<>()>& start) {
    // Asio carries the cancel out at a later turn, perhaps after the end.
    boost::asio::cancellation_signal& stop = *stops_.emplace_back(std::make_unique<boost::asio::cancellation_signal>());
    bool has_ended = false;
    boost::asio::co_spawn(loop.context(), start(),
                          boost::asio::bind_cancellation_slot(
                              stop.slot(), [&has_ended](const std::exception_ptr&) { has_ended = true; }));
    loop.context().restart();
    for (int i = 0; i < turns && !has_ended; ++i) loop.context().run_one();
    const bool was_too_late = has_ended;
    stop.emit(boost::asio::cancellation_type::terminal);
    for (int i = 0; i < 10'000 && !has_ended; ++i) loop.context().run_one();
    EXPECT_TRUE(has_ended) << turns;
    return was_too_late;
  }

  // Cancels what `start` starts after 0, 1, 2 … turns of the loop, until it ends by itself. How many turns that took.
  int cancel_at_every_turn(const std::function<Task<>()>& start, bool begins_cold) {
    for (int turns = 0;; ++turns) {
      run(check_next(turns));
      if (begins_cold) pool_->close_idle();
      const bool was_too_late = cancel_after(turns, start);
      EXPECT_EQ(pool_->summary().gauges.active + pool_->summary().gauges.failed, 0U) << turns;
      if (was_too_late || HasFailure()) return turns;
    }
  }
  void expect_no_leak() {
    run([](HttpCancellationTest& test) -> Task<> {
      const std::size_t left = co_await test.pool_->drain(1s);
      EXPECT_EQ(left, 0U);
      for (int i = 0; i < 2'000 && open_sockets() > test.sockets_; ++i) co_await test.loop.sleep_for(1ms);
    }(*this));
    EXPECT_EQ(open_sockets(), sockets_);
    EXPECT_EQ(ledger_->available(), 1U);
  }

  RawPeer peer_{loop, serve, RawPeer::Order::side_by_side};
  std::shared_ptr<pool::PermitLedger> ledger_ = std::make_shared<pool::PermitLedger>(1, 4);
  std::optional<HttpConnectionPool> pool_;
  std::vector<std::unique_ptr<boost::asio::cancellation_signal>> stops_;
  std::size_t sockets_ = open_sockets();
};

TEST_F(HttpCancellationTest, OfASmallRequest) {
  for (const bool begins_cold : {false, true}) {
    const auto start = [this] { return ask(*this, "/small", ""); };
    EXPECT_GT(cancel_at_every_turn(start, begins_cold), 2);
  }
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfALargeRequestThatIsReadSlowly) {
  const std::string body(8 * 1024 * 1024, 'x');  // more than the sockets' buffers take
  const auto start = [&] { return ask(*this, "/large", body); };
  EXPECT_GT(cancel_at_every_turn(start, false), 20);
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfABodyFromASource) {
  for (const bool begins_cold : {false, true}) {
    const auto start = [this] { return upload(*this); };
    EXPECT_GT(cancel_at_every_turn(start, begins_cold), 8);
  }
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfAResponseInChunks) {
  const auto start = [this] { return ask(*this, "/chunks", ""); };
  EXPECT_GT(cancel_at_every_turn(start, false), 5);
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfAStream) {
  const auto start = [this] { return stream(*this); };
  EXPECT_GT(cancel_at_every_turn(start, false), 5);
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfAnAcquire) {
  for (const bool begins_cold : {false, true}) {
    const auto start = [this] { return borrow(*this); };
    EXPECT_GT(cancel_at_every_turn(start, begins_cold), 1);
  }
  expect_no_leak();
}

TEST_F(HttpCancellationTest, OfADial) {
  const auto start = [this] { return connect(*this); };
  EXPECT_GT(cancel_at_every_turn(start, false), 2);
  expect_no_leak();
}

// With a budget of one retry at a time, a place that is lost would be missed at once.
TEST_F(HttpCancellationTest, OfARetry) {
  int losses = 0;
  const auto lose_some = [&losses](Socket& socket) -> Task<> {
    while (true) {
      const std::string request = co_await read_until(socket, "\r\n\r\n");
      if (!request.ends_with("\r\n\r\n") || losses-- > 0) co_return;
      send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  };
  RawPeer peer(loop, lose_some, RawPeer::Order::side_by_side);
  HttpPoolOptions options;
  options.config.connections.min_size = 0;
  options.config.retry_budget = {0.0, 1};
  auto pool = HttpConnectionPool::create(loop, options).value();
  const auto to = wire::parse_url("http://127.0.0.1:" + std::to_string(peer.port()) + "/").value();
  const auto start = [&]() -> Task<> {
    return [](HttpConnectionPool& p, wire::Url u) -> Task<> {
      HttpRequest get;
      const auto response = co_await p.request(std::move(u), std::move(get));
      static_cast<void>(response);
    }(pool, to);
  };
  for (int turns = 0;; ++turns) {
    losses = 2;
    if (cancel_after(turns, start)) break;
    losses = 1;
    const std::uint64_t before = pool.request_counters().succeeded;
    run(start());
    EXPECT_EQ(pool.request_counters().succeeded, before + 1);
    ASSERT_EQ(pool.request_counters().retries_delayed, 0U) << turns;
    ASSERT_LT(turns, 1'000);
  }
}

TEST_F(HttpCancellationTest, AConnectionThatIsReturnedInTheMiddleOfAResponseIsNotLentAgain) {
  run([](HttpCancellationTest& test) -> Task<> {
    auto lease = co_await test.pool_->acquire(test.url("/"));
    const std::string text = make_http_request("peer", HttpRequest()).value();
    HttpConnection::SendOptions options;
    options.is_streamed = true;
    std::string chunks = text;
    chunks.replace(chunks.find(" / "), 3, " /chunks ");
    const auto head = co_await (**lease)->send(chunks, options);
    EXPECT_TRUE(head);
    lease->release();
    co_await test.check_next(1);
  }(*this));
  expect_no_leak();
}

}  // namespace
}  // namespace marketprism::net
