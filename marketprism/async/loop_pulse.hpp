#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

#include "marketprism/base/histogram.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::async {

/// The signs of life of one event loop. The loop writes them (a few stores a tick); a watchdog on another thread reads
/// the atomic ones. The rest belongs to the loop's thread.
struct LoopPulse {
  std::atomic<std::int64_t> beat_ns{0};       ///< when the loop last ticked, on the monotonic clock
  std::atomic<int> thread_id{0};              ///< the kernel's; 0 while the loop is not running
  std::atomic<const char*> handler{nullptr};  ///< the HandlerScope it is in
  Histogram lag_ns{};                         ///< how late each tick came, and those that a late one replaces
  Nanoseconds longest_handler{};              ///< of those that named themselves by a HandlerScope
  const char* longest_handler_name = "";
};

/// Names what the loop is doing, for the longest-handler statistic and for the alarm on a blocked loop. Costs two clock
/// reads (about 40 ns): for a batch of messages or a whole handler, not for each message. Loop's thread; may nest.
class HandlerScope {
 public:
  /// `name` lives for ever: a literal.
  HandlerScope(LoopPulse& pulse, const char* name)
      : pulse_(pulse), name_(name), outer_(pulse.handler.exchange(name, std::memory_order_relaxed)), start_(now()) {}
  ~HandlerScope() {
    const Nanoseconds took = now() - start_;
    if (took > pulse_.longest_handler) {
      pulse_.longest_handler = took;
      pulse_.longest_handler_name = name_;
    }
    pulse_.handler.store(outer_, std::memory_order_relaxed);
  }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

 private:
  static Instant now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now()); }

  LoopPulse& pulse_;
  const char* name_;
  const char* outer_;
  Instant start_;
};

}  // namespace marketprism::async
