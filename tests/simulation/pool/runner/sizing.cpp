#include "tests/simulation/pool/runner/sizing.hpp"

#include <cmath>
#include <cstdio>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "marketprism/base/random.hpp"
#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::simulation {
namespace {

constexpr double hold_ns = 1'000'000;

/// Users of a warm pool of one size.
class Queue {
 public:
  Queue(std::size_t connections, double utilization)
      : interval_ns_(hold_ns / (static_cast<double>(connections) * utilization)),
        pool_(config(connections), {{"host"}}) {
    pool_.start(now_);
    while (auto action = pool_.next_action()) {
      if (const auto* dial = std::get_if<pool::Dial>(&*action)) warm_.push_back(dial->connection);
    }
    for (const auto connection : warm_) (void)pool_.dialed(connection, now_);
  }

  pool::TimeSummary run(std::uint64_t acquires) {
    Instant arrival = now_;
    for (std::uint64_t i = 0; i < acquires; ++i) {
      arrival += exponential(interval_ns_);
      while (!returns_.empty() && returns_.top().first <= arrival) give_back();
      now_ = arrival;
      (void)pool_.wait(now_, std::chrono::hours(1));
      take_grants();
    }
    return pool_.stats(now_).wait;
  }

 private:
  using Return = std::pair<Instant, std::uint32_t>;  // when, and the index of the connection

  static pool::PoolConfig config(std::size_t connections) {
    pool::PoolConfig config;
    config.max_size = config.min_size = config.max_connecting = connections;
    config.max_waiters = 1'000'000;
    config.max_lifetime = config.health_check_interval = Nanoseconds(0);
    return config;
  }

  Nanoseconds exponential(double mean_ns) {
    return Nanoseconds(static_cast<std::int64_t>(-std::log(1 - random_.fraction()) * mean_ns));
  }

  void give_back() {
    now_ = returns_.top().first;
    const auto index = returns_.top().second;
    returns_.pop();
    pool_.release(held_[index], now_);
    take_grants();
  }

  void take_grants() {
    while (auto action = pool_.next_action()) {
      const auto* grant = std::get_if<pool::Grant>(&*action);
      if (grant == nullptr) continue;
      const auto index = grant->connection.index;
      if (held_.size() <= index) held_.resize(index + 1);
      held_[index] = grant->connection;
      returns_.emplace(now_ + exponential(hold_ns), index);
    }
  }

  double interval_ns_;
  pool::LeasePool pool_;
  Random random_{1};
  Instant now_{std::chrono::seconds(1)};
  std::vector<pool::ConnectionHandle> warm_;
  std::vector<pool::ConnectionHandle> held_;
  std::priority_queue<Return, std::vector<Return>, std::greater<>> returns_;
};

}  // namespace

void print_sizing(std::uint64_t acquires) {
  std::printf("wait in hold times: mean / p99\n%12s", "connections");
  constexpr double utilizations[] = {0.5, 0.7, 0.8, 0.9, 0.95};
  for (const double utilization : utilizations) std::printf("   at %3.0f %%    ", utilization * 100);
  std::printf("\n");
  for (const std::size_t connections : {1U, 2U, 4U, 8U, 16U, 64U}) {
    std::printf("%12zu", connections);
    for (const double utilization : utilizations) {
      const pool::TimeSummary wait = Queue(connections, utilization).run(acquires);
      std::printf("  %5.2f / %5.2f", wait.mean_ns / hold_ns, static_cast<double>(wait.p99_ns) / hold_ns);
    }
    std::printf("\n");
  }
}

}  // namespace marketprism::simulation
