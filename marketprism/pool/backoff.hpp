#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "marketprism/base/random.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::pool {

struct BackoffConfig {
  Nanoseconds base = std::chrono::milliseconds(100);  ///< ceiling of the first delay
  Nanoseconds cap = std::chrono::seconds(5);          ///< no delay is longer than this
  Nanoseconds floor = Nanoseconds(0);                 ///< no delay is shorter than this
};

/// Exponential backoff with full jitter: the n-th delay (n from 0) is uniform in [floor, min(cap, base·2ⁿ)], so that
/// clients that failed together do not come back together. One owner, no lock.
class Backoff {
 public:
  explicit Backoff(BackoffConfig config) : config_(config) {}

  /// The delay before the next try; each call counts one more failure.
  Nanoseconds next(Random& random) {
    const std::int64_t ceiling = ceiling_ns(attempts_);
    if (attempts_ < 62) ++attempts_;
    return Nanoseconds(random.between(std::min(config_.floor.count(), ceiling), ceiling));
  }

  /// The largest value `next` can return now.
  Nanoseconds ceiling() const { return Nanoseconds(ceiling_ns(attempts_)); }
  unsigned attempts() const { return attempts_; }
  void reset() { attempts_ = 0; }

 private:
  std::int64_t ceiling_ns(unsigned attempt) const {
    const std::int64_t cap = std::max<std::int64_t>(config_.cap.count(), 0);
    const std::int64_t base = std::clamp<std::int64_t>(config_.base.count(), 0, cap);
    if (base > (cap >> attempt)) return cap;
    return base << attempt;
  }

  BackoffConfig config_;
  unsigned attempts_ = 0;
};

}  // namespace marketprism::pool
