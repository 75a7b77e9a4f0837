#pragma once
#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::net {

/// Calls `target.cancel()` when the time is up and remembers that it did. Lives on a coroutine's frame, on the loop.
/// `Instant::max()`: never.
template <class Target>
class Deadline {
 public:
  Deadline(async::EventLoop& loop, Instant deadline, Target& target)
      : timer_([](void* self) { static_cast<Deadline*>(self)->pass(); }, this), target_(target) {
    if (deadline != Instant::max()) loop.timers().arm(timer_, deadline);
  }

  [[nodiscard]] bool has_passed() const { return has_passed_; }

 private:
  void pass() {
    has_passed_ = true;
    target_.cancel();
  }

  async::Timer timer_;
  Target& target_;
  bool has_passed_ = false;
};

}  // namespace marketprism::net
