#pragma once
#include <cassert>
#include <cstddef>
#include <vector>

#include "marketprism/base/time.hpp"

namespace marketprism::emulator {

/// At most `count` within any `per`; 0: no limit.
struct Rate {
  std::size_t count = 0;
  Nanoseconds per = std::chrono::seconds(1);
};

/// What a venue tolerates. 0: no limit.
struct Limits {
  std::size_t streams_per_connection = 0;
  Rate requests;                    ///< of one connection
  Rate connects;                    ///< of all
  std::size_t connections_max = 0;  ///< at a time
  std::uint64_t weight_max = 0;     ///< of REST requests in one `weight_window`, which begins with the full minute
  Nanoseconds weight_window = std::chrono::minutes(1);
  Nanoseconds connection_lifetime{0};  ///< then it is cut
  Nanoseconds closing_notice{0};       ///< so long before that the venue says so
  Nanoseconds ping_interval{0};        ///< of WebSocket pings
  Nanoseconds pong_timeout = std::chrono::minutes(1);
};

/// Says whether one more fits into a `Rate`, exactly: it remembers the last `count`. One owner.
class RateGate {
 public:
  explicit RateGate(Rate rate) : rate_(rate) {}

  /// False, and not counted, if `count` were let through within the last `per`.
  bool pass(Instant now) {
    if (rate_.count == 0) return true;
    if (times_.size() < rate_.count) {
      times_.push_back(now);
      return true;
    }
    if (now - times_[oldest_] < rate_.per) return false;
    times_[oldest_] = now;
    oldest_ = (oldest_ + 1) % times_.size();
    return true;
  }

 private:
  Rate rate_;
  std::vector<Instant> times_;
  std::size_t oldest_ = 0;
};

/// Counts the weight of requests in windows that begin at multiples of the window's length, as venues do.
class WeightCounter {
 public:
  WeightCounter(std::uint64_t weight_max, Nanoseconds window) : weight_max_(weight_max), window_(window) {
    assert(window.count() > 0);
  }

  /// Counts it in any case; true if the sum is within the limit.
  bool add(UnixTime utc, std::uint64_t weight) {
    const std::int64_t number = utc.time_since_epoch() / window_;
    if (number != window_number_) used_ = 0;
    window_number_ = number;
    used_ += weight;
    return weight_max_ == 0 || used_ <= weight_max_;
  }
  [[nodiscard]] std::uint64_t used() const { return used_; }
  /// Until the next window begins.
  [[nodiscard]] Nanoseconds rest_of_window(UnixTime utc) const { return window_ - utc.time_since_epoch() % window_; }

 private:
  std::uint64_t weight_max_;
  Nanoseconds window_;
  std::int64_t window_number_ = -1;
  std::uint64_t used_ = 0;
};

}  // namespace marketprism::emulator
