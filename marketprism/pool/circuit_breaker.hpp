#pragma once
#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "marketprism/base/time.hpp"

namespace marketprism::pool {

struct CircuitBreakerConfig {
  unsigned failures_to_open = 5;                         ///< consecutive failures that open it
  Nanoseconds open_time = std::chrono::seconds(1);       ///< how long nothing passes after the first opening
  Nanoseconds open_time_max = std::chrono::seconds(30);  ///< each opening without a success between doubles up to this
  unsigned probes = 1;                                   ///< calls let through at once while half open
  unsigned successes_to_close = 1;                       ///< probes that must succeed before everything passes again

  bool operator==(const CircuitBreakerConfig&) const = default;
};

/// Stops calling what keeps failing: closed (all pass) → open (none pass) → half open (a few probes pass) → closed or
/// open again. Every call that `allow` lets through ends with exactly one of `succeeded`, `failed`, `abandoned`; what a
/// call says that began before the last change of state is not heard. One owner, no lock.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  /// One that was let through.
  struct Call {
    std::uint64_t period = 0;  // between two changes of state
  };

  explicit CircuitBreaker(CircuitBreakerConfig config = {}) : config_(config), open_time_(config.open_time) {}

  std::optional<Call> allow(Instant now) {
    if (state_ == State::open && now >= open_until_) {
      change_to(State::half_open);
      probes_in_flight_ = successes_ = 0;
    }
    if (state_ == State::open || (state_ == State::half_open && probes_in_flight_ >= config_.probes)) {
      ++refused_;
      return std::nullopt;
    }
    if (state_ == State::half_open) ++probes_in_flight_;
    return Call{period_};
  }

  void succeeded(Call call) {
    if (call.period != period_) return;
    failures_ = 0;
    if (state_ != State::half_open) return;
    --probes_in_flight_;
    if (++successes_ < config_.successes_to_close) return;
    change_to(State::closed);
    open_time_ = config_.open_time;
  }

  void failed(Call call, Instant now) {
    if (call.period != period_) return;
    if (state_ == State::closed && ++failures_ < config_.failures_to_open) return;
    if (state_ == State::half_open)
      open_time_ = open_time_ > config_.open_time_max / 2 ? config_.open_time_max : open_time_ * 2;
    change_to(State::open);
    open_until_ = now + std::min(open_time_, Instant::max() - now);
    failures_ = 0;
    ++openings_;
  }

  /// The call ended without saying anything about the other side (it was cancelled).
  void abandoned(Call call) {
    if (call.period == period_ && state_ == State::half_open) --probes_in_flight_;
  }

  /// Closed, with other limits; calls under way are not heard any more.
  void reset(CircuitBreakerConfig config) {
    config_ = config;
    open_time_ = config.open_time;
    failures_ = 0;
    change_to(State::closed);
  }

  State state(Instant now) const { return state_ == State::open && now >= open_until_ ? State::half_open : state_; }
  /// When the next probe may pass; meaningful while open.
  Instant open_until() const { return open_until_; }
  std::uint64_t openings() const { return openings_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void change_to(State state) {
    state_ = state;
    ++period_;
  }

  CircuitBreakerConfig config_;
  State state_ = State::closed;
  std::uint64_t period_ = 0;
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
