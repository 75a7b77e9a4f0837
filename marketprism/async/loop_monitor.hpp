#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/runtime.hpp"

namespace marketprism::async {

struct LoopMonitorOptions {
  Nanoseconds blocked_after = std::chrono::milliseconds(100);  ///< a loop that does not tick for so long is blocked
  Nanoseconds check_every = std::chrono::milliseconds(20);     ///< so often the watchdog looks
  std::size_t alarms_max = 32;                                 ///< kept; the oldest is forgotten first
};

/// A loop that stood still, with what it was doing.
struct LoopAlarm {
  std::string loop;
  std::string handler;  ///< the HandlerScope it was in; empty if none
  UnixTime time = no_time;
  Nanoseconds blocked_for{};       ///< so far; grows until the loop ticks again
  std::vector<std::string> stack;  ///< of the loop's thread, innermost function first; empty if it did not answer
};

/// One loop's figures since it was made.
struct LoopStatistics {
  std::string loop;
  Histogram lag_ns;  ///< how late each tick came, and those that a late one replaces
  Nanoseconds longest_handler{};
  std::string longest_handler_name;  ///< empty if none ever named itself
};

/// Figures of a loop. On its thread, or while it does not run.
[[nodiscard]] LoopStatistics loop_statistics(EventLoop& loop, std::string name);

/// Watches event loops from a thread of its own: when one has not ticked for `blocked_after`, it takes that loop's
/// stack (by a signal, SIGURG, to its thread) and tells which handler blocks, once for each time. A loop that waits for
/// the kernel is not blocked, however late it is woken, and rounds for which the watchdog itself came late do not
/// count: a busy machine gives no alarm. At most one in a process. The loops outlive it, or are forgotten first.
class LoopMonitor {
 public:
  explicit LoopMonitor(LoopMonitorOptions options = {});
  /// Stops watching.
  ~LoopMonitor();
  LoopMonitor(const LoopMonitor&) = delete;
  LoopMonitor& operator=(const LoopMonitor&) = delete;

  /// Any thread.
  void watch(EventLoop& loop, std::string name);
  /// All loops, called "NAME-0", "NAME-1", …
  void watch(Runtime& runtime, const std::string& name);
  void forget(EventLoop& loop);

  /// Called on the watchdog's thread for each alarm. Set it before the first `watch`.
  void on_alarm(std::function<void(const LoopAlarm&)> call) { call_ = std::move(call); }

  /// The latest, oldest first. Any thread.
  [[nodiscard]] std::vector<LoopAlarm> alarms() const;
  [[nodiscard]] std::uint64_t alarm_count() const;

 private:
  struct Watched {
    EventLoop* loop;
    std::string name;
    std::int64_t alarmed_beat_ns = 0;  // the beat after which it was reported
    std::uint64_t alarm = 0;           // the number of that report while the loop stands still, from 1; 0: it goes
  };

  void run();
  void check(Watched& watched, std::int64_t now_ns, std::vector<LoopAlarm>& raised) const;
  void prolong(Watched& watched, std::int64_t now_ns);

  const LoopMonitorOptions options_;
  std::function<void(const LoopAlarm&)> call_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool is_ending_ = false;
  std::vector<Watched> watched_;
  std::deque<LoopAlarm> alarms_;
  std::uint64_t alarm_count_ = 0;
  std::thread thread_;
};

}  // namespace marketprism::async
