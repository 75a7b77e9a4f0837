#pragma once
#include <algorithm>
#include <atomic>  // tidy-allow(sans-io): like the permit ledger, one budget is shared by the pools of all loops
#include <cstdint>

#include "marketprism/base/time.hpp"
#include "marketprism/pool/rate_limiter.hpp"

namespace marketprism::pool {

/// How many connections may be begun from one source address in a time, over all pools and loops that share it. A token
/// bucket in one atomic word. Any thread; lock-free. Outlives the pools that use it.
class ConnectBudget {
 public:
  explicit ConnectBudget(RateConfig config)
      : cost_ns_(config.count == 0 ? 0 : (config.interval.count() + config.count - 1) / config.count),
        room_ns_(cost_ns_ * (config.burst == 0 ? config.count : config.burst)) {}

  bool try_take(Instant now) {
    if (cost_ns_ == 0) return true;
    const std::int64_t now_ns = now.time_since_epoch().count();
    std::int64_t paid = paid_until_ns_.load();
    for (;;) {
      const std::int64_t next = std::max(paid, now_ns - room_ns_) + cost_ns_;
      if (next > now_ns) return false;
      if (paid_until_ns_.compare_exchange_weak(paid, next)) return true;
    }
  }

  /// The first instant at which one may be begun, if nobody else begins one.
  [[nodiscard]] Instant ready_at(Instant now) const {
    if (cost_ns_ == 0) return now;
    return std::max(now, Instant(Nanoseconds(paid_until_ns_.load() + cost_ns_)));
  }

 private:
  const std::int64_t cost_ns_;
  const std::int64_t room_ns_;
  // tidy-allow(sans-io): see above
  std::atomic<std::int64_t> paid_until_ns_{Nanoseconds::min().count() / 2};
};

}  // namespace marketprism::pool
