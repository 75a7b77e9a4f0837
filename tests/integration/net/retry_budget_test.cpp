// Retries that wait for a place in the budget are told of every place there is.
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

class RetryBudgetTest : public testing::Test, public LoopFixture {
 protected:
  RetryBudgetTest() { options_.config.connections.min_size = 0; }

  Task<> answer(Socket& socket) {
    while (true) {
      const std::string head = co_await read_until(socket, "\r\n\r\n");
      if (head.empty()) co_return;
      if (cuts_-- > 0) co_return socket.close();
      send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    }
  }
  void ask() {
    loop.spawn([](RetryBudgetTest& test) -> Task<> {
      HttpRequest request;
      const auto response = co_await test.pool_->request(test.url_, std::move(request));
      EXPECT_TRUE(response) << response.error().to_string();
      ++test.answered_;
    }(*this));
  }
  /// Runs the loop until `what` holds, for some seconds at most.
  template <class Condition>
  void until(Condition what) {
    run([](async::EventLoop& l, Condition& done) -> Task<> {
      for (int i = 0; i < 2'000 && !done(); ++i) co_await l.sleep_for(2ms);
    }(loop, what));
    ASSERT_TRUE(what());
  }
  /// A request that was cut waits for a place that is not there.
  void make_one_wait(pool::RetryBudgetConfig budget) {
    options_.config.retry_budget = budget;
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
    url_ = wire::parse_url("http://127.0.0.1:" + std::to_string(peer_.port()) + "/").value();
    ask();
    until([&] { return pool_->request_counters().retries_delayed == 1; });
  }

  RawPeer peer_{loop, [this](Socket& socket) { return answer(socket); }, RawPeer::Order::side_by_side};
  HttpPoolOptions options_;
  std::optional<HttpConnectionPool> pool_;
  wire::Url url_;
  int cuts_ = 1;
  int answered_ = 0;
};

TEST_F(RetryBudgetTest, MoreRequestsMakeRoom) {
  make_one_wait({0.5, 0});
  ask();  // the half of two is one
  until([&] { return answered_ == 2; });
}

TEST_F(RetryBudgetTest, ANewConfigMakesRoom) {
  make_one_wait({0.0, 0});
  pool::HttpPoolConfig more = options_.config;
  more.retry_budget = {0.0, 1};
  ASSERT_TRUE(pool_->reconfigure(more));
  until([&] { return answered_ == 1; });
}

}  // namespace
}  // namespace marketprism::net
