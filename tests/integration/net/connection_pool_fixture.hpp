#pragma once
#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/net/connection_pool.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net::fake {

using namespace std::chrono_literals;
using async::Signal;
using async::Task;

/// What the test knows and commands about all connections, which exist only here.
struct Network {
  explicit Network(async::EventLoop& the_loop) : loop(the_loop) {}
  async::EventLoop& loop;
  bool is_manual = false;  // dials wait for `allow`
  bool is_refusing = false;
  bool is_healthy = true;
  Nanoseconds close_time{0};
  int open = 0;
  int most_open = 0;
  int dials = 0;
  int checks = 0;
  int aborted = 0;
  int cancelled_dials = 0;
  std::deque<Signal*> dialing;
  std::vector<Signal*> watched;
};

class FakeConnection {
 public:
  FakeConnection() = default;
  explicit FakeConnection(Network& network) : network_(&network), death_(std::make_unique<Signal>(network.loop)) {
    network.most_open = std::max(network.most_open, ++network.open);
  }
  FakeConnection(FakeConnection&& other) noexcept
      : network_(std::exchange(other.network_, nullptr)), death_(std::move(other.death_)) {}
  FakeConnection& operator=(FakeConnection&& other) noexcept {
    std::swap(network_, other.network_);
    std::swap(death_, other.death_);
    return *this;
  }
  ~FakeConnection() {
    if (network_ != nullptr) --network_->open;
  }
  Signal& death() { return *death_; }
  [[nodiscard]] bool is_open() const { return network_ != nullptr; }

 private:
  Network* network_ = nullptr;
  std::unique_ptr<Signal> death_;
};

class FakeConnector {
 public:
  explicit FakeConnector(Network& network) : network_(&network) {}

  Task<Result<FakeConnection>> connect(const pool::Endpoint& endpoint, Instant deadline) {
    ++network_->dials;
    if (network_->is_manual) {
      Signal allowed(network_->loop);
      network_->dialing.push_back(&allowed);
      const auto outcome = co_await allowed.wait(deadline);
      std::erase(network_->dialing, &allowed);
      if (outcome == Signal::Outcome::cancelled) {
        ++network_->cancelled_dials;
        co_return fail(ErrorCode::cancelled, "cancelled");
      }
    }
    if (network_->is_refusing) co_return fail(ErrorCode::connection_refused, endpoint.name() + ": nobody listens");
    co_return FakeConnection(*network_);
  }

  Task<Result<>> check(FakeConnection&, Instant) {
    ++network_->checks;
    if (!network_->is_healthy) co_return fail(ErrorCode::timed_out, "no answer");
    co_return Result<>();
  }

  Task<> close(FakeConnection connection) {
    FakeConnection gone = std::move(connection);
    if (network_->close_time.count() > 0) co_await network_->loop.sleep_for(network_->close_time);
  }

  Task<> watch(FakeConnection& connection) {
    Signal& death = connection.death();
    network_->watched.push_back(&death);
    co_await death.wait();
    std::erase(network_->watched, &death);
  }

  void abort(FakeConnection&) { ++network_->aborted; }

 private:
  Network* network_;
};

using Pool = ConnectionPool<FakeConnection, FakeConnector>;

class ConnectionPoolTest : public testing::Test {
 public:
  ConnectionPoolTest() : network_(fixture_.loop) {
    config_.name = "fake";
    config_.max_size = 2;
    config_.min_size = 0;
  }

  Pool make() {
    auto pool = Pool::create(fixture_.loop, config_, {{"venue", 443, true, "", 0, 1}}, FakeConnector(network_));
    EXPECT_TRUE(pool);
    pool->start();
    return std::move(*pool);
  }

  // Lets everything run that is ready.
  Task<> turn() {
    for (int i = 0; i < 20; ++i) {
      boost::asio::use_awaitable_t<async::Executor> token;
      co_await boost::asio::post(fixture_.loop.executor(), token);
    }
  }

  LoopFixture fixture_;
  Network network_;
  pool::PoolConfig config_;
};

}  // namespace marketprism::net::fake
