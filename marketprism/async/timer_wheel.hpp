#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "marketprism/base/time.hpp"

namespace marketprism::async {

class TimerWheel;

/// One deadline, embedded in the object it belongs to. Arming and disarming cost a few nanoseconds and never allocate.
/// Belongs to the wheel's thread; the destructor disarms it. `callback(context)` runs inside `TimerWheel::advance`.
class Timer {
 public:
  using Callback = void (*)(void* context);

  Timer(Callback callback, void* context) : callback_(callback), context_(context) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool is_armed() const { return wheel_ != nullptr; }
  /// Only meaningful while armed.
  [[nodiscard]] Instant deadline() const { return deadline_; }
  void disarm();

 private:
  friend class TimerWheel;

  Callback callback_;
  void* context_;
  TimerWheel* wheel_ = nullptr;
  Timer* next_ = nullptr;
  Timer** link_ = nullptr;  // what points at this timer: a slot's head or the next_ of its neighbour
  Instant deadline_{};
  std::uint64_t slot_tick_ = 0;  // the tick of the slot it hangs in, not later than its deadline
};

/// Coarse deadlines of one event loop: a hierarchical wheel of 4 × 64 slots. A timer fires at the first `advance` after
/// its deadline, never before it, in no promised order among timers of one tick. Sans-I/O: time comes in as `now`.
/// Moving a deadline later (the usual case: more bytes came) is one store, the slot is corrected when its turn comes.
class TimerWheel {
 public:
  /// `tick`: the granularity, > 0. Deadlines over 64⁴ ticks away work too, they are looked at again on the way.
  explicit TimerWheel(Instant now, Nanoseconds tick = std::chrono::milliseconds(10));
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// Sets or moves the deadline. A deadline already past fires at the next `advance`.
  void arm(Timer& timer, Instant deadline);

  /// Fires everything due at `now`; returns how many fired. A callback may arm, disarm and destroy any timer, its own
  /// too.
  std::size_t advance(Instant now);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Nanoseconds tick() const { return tick_; }

 private:
  friend class Timer;
  static constexpr std::size_t level_count = 4;
  static constexpr unsigned slot_bits = 6;
  static constexpr std::size_t slot_count = std::size_t{1} << slot_bits;

  [[nodiscard]] std::uint64_t tick_at_or_after(Instant deadline) const;
  void place(Timer& timer);
  void link(Timer*& head, Timer& timer);
  static void unlink(Timer& timer);
  void cascade();
  std::size_t fire(Timer*& head, Instant now);

  Instant origin_;
  Nanoseconds tick_;
  std::uint64_t current_tick_ = 0;  // all slots up to and with this tick are done
  std::size_t size_ = 0;
  std::array<std::array<Timer*, slot_count>, level_count> slots_{};
};

}  // namespace marketprism::async
