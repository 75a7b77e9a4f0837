#pragma once
#include <algorithm>
#include <chrono>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::net {

namespace detail {

/// `now + time`, for any time that a user may give: no deadline lies further ahead than thirty years.
inline Instant deadline_after(Instant now, Nanoseconds time) {
  constexpr Nanoseconds longest = std::chrono::hours(24 * 365 * 30);
  return now + std::clamp(time, Nanoseconds(0), longest);
}

}  // namespace detail

/// Calls `target.cancel()` when the time is up and remembers that it did. A cancel is lost on an operation that has
/// ended already and only waits for its turn, so it comes again with every tick, for the next one. Lives on a
/// coroutine's frame, on the loop. `Instant::max()`: never.
template <class Target>
class Deadline {
 public:
  Deadline(async::EventLoop& loop, Instant deadline, Target& target)
      : loop_(loop), timer_([](void* self) { static_cast<Deadline*>(self)->pass(); }, this), target_(target) {
    if (deadline != Instant::max()) loop.timers().arm(timer_, deadline);
  }

  [[nodiscard]] bool has_passed() const { return has_passed_; }

 private:
  void pass() {
    has_passed_ = true;
    loop_.timers().arm(timer_, loop_.now() + loop_.timers().tick());
    target_.cancel();  // last: it may end what this lives on
  }

  async::EventLoop& loop_;
  async::Timer timer_;
  Target& target_;
  bool has_passed_ = false;
};

}  // namespace marketprism::net
