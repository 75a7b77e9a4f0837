#include "marketprism/monitor/pool_sizing.hpp"

#include <algorithm>
#include <map>
#include <queue>

#include <fmt/format.h>

#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::monitor {
namespace {

using pool::ConnectionHandle;
using pool::LeasePool;

constexpr std::size_t uses_min = 20;
constexpr Nanoseconds wait_tolerance = std::chrono::milliseconds(1);

/// A LeasePool with a virtual clock: time jumps from one event to the next.
class Replay {
 public:
  Replay(Nanoseconds connect_time, const pool::PoolConfig& config)
      : connect_time_(connect_time), pool_(config, {pool::Endpoint{.host = "replayed", .port = 1}}) {}

  SizingOutcome run(std::span<const UseOfConnection> uses) {
    now_ = uses.front().begun;
    pool_.start(now_);
    perform();
    for (std::size_t next = 0; next < uses.size() || !waiting_.empty() || !busy_.empty();) {
      const Instant arrival = next < uses.size() ? uses[next].begun : Instant::max();
      const Instant event = std::min({next_time(dials_), next_time(busy_), pool_.wake_at()});
      if (arrival <= event) {
        now_ = std::max(now_, arrival);
        acquire(uses[next++].held);
      } else if (event == Instant::max()) {
        break;
      } else {
        now_ = std::max(now_, event);
        advance();
      }
      perform();
      most_ = std::max(most_, pool_.gauges().size);
    }
    return outcome();
  }

 private:
  struct Timed {
    Instant when;
    ConnectionHandle connection;
    bool operator>(const Timed& other) const { return when > other.when; }
  };
  using TimedQueue = std::priority_queue<Timed, std::vector<Timed>, std::greater<>>;

  static Instant next_time(const TimedQueue& queue) { return queue.empty() ? Instant::max() : queue.top().when; }

  void acquire(Nanoseconds held) {
    if (const ConnectionHandle connection = pool_.try_acquire(now_); connection.id != 0) {
      busy_.push({now_ + held, connection});
      return;
    }
    if (const auto waiter = pool_.wait(now_)) waiting_[waiter->id] = held;
  }

  void advance() {
    while (next_time(busy_) <= now_) {
      const ConnectionHandle connection = busy_.top().connection;
      busy_.pop();
      pool_.release(connection, now_);
    }
    while (next_time(dials_) <= now_) {
      const ConnectionHandle connection = dials_.top().connection;
      dials_.pop();
      static_cast<void>(pool_.dialed(connection, now_));  // refused if it was given up meanwhile
    }
    if (pool_.wake_at() <= now_) pool_.tick(now_);
  }

  void perform() {
    while (auto action = pool_.next_action()) {
      if (const auto* dial = std::get_if<pool::Dial>(&*action)) {
        dials_.push({now_ + connect_time_, dial->connection});
      } else if (const auto* check = std::get_if<pool::Check>(&*action)) {
        pool_.checked(check->connection, true, now_);
      } else if (const auto* close = std::get_if<pool::Close>(&*action)) {
        pool_.closed(close->connection, now_);
      } else if (const auto* abort = std::get_if<pool::AbortDial>(&*action)) {
        pool_.closed(abort->connection, now_);
      } else if (const auto* grant = std::get_if<pool::Grant>(&*action)) {
        busy_.push({now_ + waiting_[grant->waiter.id], grant->connection});
        waiting_.erase(grant->waiter.id);
      } else if (const auto* reject = std::get_if<pool::Reject>(&*action)) {
        waiting_.erase(reject->waiter.id);
      }
    }
  }

  SizingOutcome outcome() const {
    const pool::PoolStats stats = pool_.stats(now_);
    return {.max_size = stats.max_size,
            .acquired = stats.counters.acquired,
            .failed = stats.counters.acquires() - stats.counters.acquired,
            .dials = stats.counters.dials,
            .connections_most = most_,
            .hit_rate = stats.hit_rate(),
            .wait_p50_ns = stats.wait.p50_ns,
            .wait_p99_ns = stats.wait.p99_ns};
  }

  Nanoseconds connect_time_;
  LeasePool pool_;
  Instant now_{};
  TimedQueue dials_;
  TimedQueue busy_;
  std::map<std::uint64_t, Nanoseconds> waiting_;
  std::size_t most_ = 0;
};

}  // namespace

void UseTrace::add(Instant begun, Instant released) {
  if (ring_.size() < capacity) {
    ring_.push_back({begun, released - begun});
    return;
  }
  ring_[next_] = {begun, released - begun};
  next_ = (next_ + 1) % capacity;
}

std::vector<UseOfConnection> UseTrace::uses() const {
  std::vector<UseOfConnection> all(ring_.begin() + static_cast<std::ptrdiff_t>(next_), ring_.end());
  all.insert(all.end(), ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(next_));
  std::ranges::sort(all, {}, &UseOfConnection::begun);  // they were noted when they ended
  return all;
}

SizingOutcome replay_uses(std::span<const UseOfConnection> uses, Nanoseconds connect_time,
                          const pool::PoolConfig& config) {
  if (uses.empty()) return {.max_size = config.max_size};
  return Replay(connect_time, config).run(uses);
}

SizingAdvice advise_size(std::span<const UseOfConnection> uses, Nanoseconds connect_time, const pool::PoolConfig& now) {
  SizingAdvice advice{.outcomes = {}, .current = now.max_size, .recommended = now.max_size, .reason = {}};
  if (uses.size() < uses_min) {
    advice.reason = fmt::format("only {} uses were seen; {} are needed to advise on a size", uses.size(), uses_min);
    return advice;
  }
  pool::PoolConfig config = now;
  const auto outcome_at = [&](std::size_t size) {
    config.max_size = size;
    config.min_size = std::min(now.min_size, size);
    return replay_uses(uses, connect_time, config);
  };
  for (std::size_t size = 1; size < 2 * now.max_size; size *= 2) {
    if (size / 2 < now.max_size && now.max_size < size) advice.outcomes.push_back(outcome_at(now.max_size));
    advice.outcomes.push_back(outcome_at(size));
  }
  advice.outcomes.push_back(outcome_at(2 * now.max_size));
  const auto is_good = [&](const SizingOutcome& outcome) {
    const SizingOutcome& largest = advice.outcomes.back();
    return outcome.failed <= largest.failed &&
           outcome.wait_p99_ns <= largest.wait_p99_ns + static_cast<std::uint64_t>(wait_tolerance.count());
  };
  const SizingOutcome& best = *std::ranges::find_if(advice.outcomes, is_good);
  advice.recommended = best.max_size;
  const double p99_ms = static_cast<double>(best.wait_p99_ns) * 1e-6;
  if (best.max_size == now.max_size) {
    advice.reason = fmt::format("{} is right: fewer would make acquires wait, more would not help", now.max_size);
  } else if (best.max_size < now.max_size) {
    advice.reason = fmt::format("{} would do: the 99th percentile of waits stays at {:.1f} ms, with at most {} open",
                                best.max_size, p99_ms, best.connections_most);
  } else {
    advice.reason = fmt::format("{} would bring the 99th percentile of waits down to {:.1f} ms", best.max_size, p99_ms);
  }
  return advice;
}

}  // namespace marketprism::monitor
