#pragma once
#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "marketprism/base/time.hpp"

namespace marketprism::pool {

struct CircuitBreakerConfig {
  unsigned failures_to_open = 5;                         ///< consecutive failures that open it
  Nanoseconds open_time = std::chrono::seconds(1);       ///< how long nothing passes after the first opening
  Nanoseconds open_time_max = std::chrono::seconds(30);  ///< each opening without a success between doubles up to this
  unsigned probes = 1;                                   ///< calls let through at once while half open
  unsigned successes_to_close = 1;                       ///< probes that must succeed before everything passes again
};

/// Stops calling what keeps failing: closed (all pass) → open (none pass) → half open (a few probes pass) → closed or
/// open again. Every `allow` that returned true is followed by exactly one of `succeeded`, `failed`, `abandoned`. One
/// owner, no lock.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  explicit CircuitBreaker(CircuitBreakerConfig config = {}) : config_(config), open_time_(config.open_time) {}

  bool allow(Instant now) {
    if (state_ == State::open && now >= open_until_) {
      state_ = State::half_open;
      probes_in_flight_ = successes_ = 0;
    }
    if (state_ == State::closed) return true;
    if (state_ == State::open || probes_in_flight_ >= config_.probes) {
      ++refused_;
      return false;
    }
    ++probes_in_flight_;
    return true;
  }

  void succeeded() {
    failures_ = 0;
    if (state_ != State::half_open) return;
    end_probe();
    if (++successes_ < config_.successes_to_close) return;
    state_ = State::closed;
    open_time_ = config_.open_time;
  }

  void failed(Instant now) {
    if (state_ == State::open) return;  // a call from before it opened
    if (state_ == State::closed && ++failures_ < config_.failures_to_open) return;
    if (state_ == State::half_open) open_time_ = std::min(open_time_ * 2, config_.open_time_max);
    state_ = State::open;
    open_until_ = now + open_time_;
    failures_ = 0;
    ++openings_;
  }

  /// The call ended without saying anything about the other side (it was cancelled).
  void abandoned() {
    if (state_ == State::half_open) end_probe();
  }

  State state(Instant now) const { return state_ == State::open && now >= open_until_ ? State::half_open : state_; }
  /// When the next probe may pass; meaningful while open.
  Instant open_until() const { return open_until_; }
  std::uint64_t openings() const { return openings_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void end_probe() {
    if (probes_in_flight_ > 0) --probes_in_flight_;
  }

  CircuitBreakerConfig config_;
  State state_ = State::closed;
  unsigned failures_ = 0;
  unsigned successes_ = 0;
  unsigned probes_in_flight_ = 0;
  Nanoseconds open_time_;
  Instant open_until_{};
  std::uint64_t openings_ = 0;
  std::uint64_t refused_ = 0;
};

constexpr std::string_view name_of(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::closed: return "closed";
    case CircuitBreaker::State::open: return "open";
    case CircuitBreaker::State::half_open: return "half_open";
  }
  return "unknown";
}

}  // namespace marketprism::pool
