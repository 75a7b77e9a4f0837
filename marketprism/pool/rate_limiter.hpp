#pragma once
#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "marketprism/base/time.hpp"

namespace marketprism::pool {

struct RateConfig {
  std::uint32_t count = 0;                         ///< this many … (0: no limit)
  Nanoseconds interval = std::chrono::seconds(1);  ///< … in this time
  std::uint32_t burst = 0;                         ///< at most this many at once; 0: `count`
};

/// A token bucket in whole nanoseconds: no drift, no floating point. It starts full. In any interval t at most
/// burst + t·count/interval pass. One owner, no lock.
class TokenBucket {
 public:
  explicit TokenBucket(RateConfig config)
      : config_(config),
        burst_(config.burst == 0 ? config.count : config.burst),
        cost_(config.count == 0 ? Nanoseconds(0) : ceil_divide(config.interval, config.count)) {
    assert(config.interval.count() > 0);
  }

  bool try_take(Instant now, std::uint32_t tokens = 1) {
    if (ready_at(now, tokens) > now) return false;
    take(now, tokens);
    return true;
  }

  /// Takes the tokens now even if that overdraws: what is due waits longer then.
  void take(Instant now, std::uint32_t tokens = 1) {
    if (config_.count == 0) return;
    const Instant full = now - cost_ * burst_;
    empty_since_ = std::max(empty_since_, full) + cost_ * tokens;
  }

  /// The first instant (not before `now`) at which `tokens` are there, if nobody else takes any. More than the burst at
  /// once are there never by waiting alone: the bucket then has to be full.
  Instant ready_at(Instant now, std::uint32_t tokens = 1) const {
    if (config_.count == 0) return std::max(now, blocked_until_);
    const Instant paid = empty_since_ + cost_ * std::min(tokens, burst_);
    return std::max({now, paid, blocked_until_});
  }

  /// Nothing passes before `until` (a Retry-After, a ban). A later date wins over an earlier one.
  void penalize(Instant until) { blocked_until_ = std::max(blocked_until_, until); }

  bool is_unlimited() const { return config_.count == 0; }

 private:
  static Nanoseconds ceil_divide(Nanoseconds interval, std::uint32_t count) {
    return Nanoseconds((interval.count() + count - 1) / count);
  }

  RateConfig config_;
  std::uint32_t burst_;
  Nanoseconds cost_;  // time in which one token grows
  Instant empty_since_ =
      Instant(Nanoseconds::min() / 2);  // the bucket holds (now - empty_since_) / cost_ tokens, at most burst_
  Instant blocked_until_ = Instant(Nanoseconds::min() / 2);
};

struct WeightConfig {
  std::uint32_t limit = 0;                         ///< sum of weights … (0: no limit)
  Nanoseconds interval = std::chrono::minutes(1);  ///< … in any such time
};

/// The weight limits of REST interfaces: the weights of all requests in any `interval` sum up to at most `limit`.
/// Whether the venue counts in fixed or sliding windows, this is on the safe side by at most 1/16 of the interval.
/// `observe` corrects the count by what the venue says it has counted. One owner, no lock.
class WeightWindow {
 public:
  explicit WeightWindow(WeightConfig config)
      : config_(config), step_((config.interval + Nanoseconds(steps - 1)) / steps) {
    assert(config.interval.count() > 0);
  }

  bool try_take(Instant now, std::uint32_t weight) {
    if (ready_at(now, weight) > now) return false;
    take(now, weight);
    return true;
  }

  /// Counts `weight` now, even over the limit.
  void take(Instant now, std::uint32_t weight) {
    advance(now);
    weights_[head_] += weight;
    used_ += weight;
  }

  /// The first instant (not before `now`) at which `weight` passes, if nobody else takes any. A weight above the limit
  /// counts as the whole limit.
  Instant ready_at(Instant now, std::uint32_t weight) {
    Instant ready = std::max(now, blocked_until_);
    if (config_.limit == 0) return ready;
    advance(now);
    const std::uint64_t room = config_.limit - std::min(weight, config_.limit);
    std::uint64_t used = used_;
    for (std::size_t age = steps; used > room; --age) {  // oldest first
      used -= weights_[(head_ + slots - age) % slots];
      ready = std::max(ready, head_start_ + step_ * static_cast<std::int64_t>(slots - age));
      if (age == 0) break;
    }
    return ready;
  }

  /// The venue says `used` was counted in its current window: what we did not know of counts from now.
  void observe(Instant now, std::uint64_t used) {
    advance(now);
    if (used > used_) {
      weights_[head_] += used - used_;
      used_ = used;
    }
  }

  void penalize(Instant until) { blocked_until_ = std::max(blocked_until_, until); }
  std::uint64_t used(Instant now) {
    advance(now);
    return used_;
  }

 private:
  static constexpr std::size_t steps = 16;
  static constexpr std::size_t slots = steps + 1;  // the current step and 16 whole ones before it

  void advance(Instant now) {
    if (!has_started_) {
      has_started_ = true;
      head_start_ = now;
    }
    if (now < head_start_ + step_) return;
    const auto passed = static_cast<std::uint64_t>((now - head_start_) / step_);
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(passed, slots); ++i) {
      head_ = (head_ + 1) % slots;
      used_ -= weights_[head_];
      weights_[head_] = 0;
    }
    head_start_ += step_ * static_cast<std::int64_t>(passed);
  }

  WeightConfig config_;
  Nanoseconds step_;
  std::array<std::uint64_t, slots> weights_{};
  std::size_t head_ = 0;
  std::uint64_t used_ = 0;
  bool has_started_ = false;
  Instant head_start_{};
  Instant blocked_until_ = Instant(Nanoseconds::min() / 2);
};

}  // namespace marketprism::pool
