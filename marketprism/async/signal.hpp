#pragma once
#include <optional>

#include <boost/asio/use_awaitable.hpp>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/async/timer_wheel.hpp"

namespace marketprism::async {

/// Lets one coroutine wait for something that another piece of the same loop does. A `set` with nobody waiting is kept
/// for the next wait. Not for other threads: they use `EventLoop::post`.
class Signal final : private ParkedWait {
 public:
  enum class Outcome : std::uint8_t { set, timed_out, cancelled };

  explicit Signal(EventLoop& loop);
  /// A coroutine that still waits gets `cancelled`.
  ~Signal() override;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// Resumes the waiter inside this call, or remembers.
  void set();
  /// Forgets a `set` that nobody waited for.
  void reset() { is_set_ = false; }
  /// Ends the wait, if there is one.
  void cancel();
  [[nodiscard]] bool has_waiter() const { return waiter_.has_value(); }

  /// One waiter at a time. The deadline is kept by the loop's timer wheel, so it is coarse; `Instant::max()`: none.
  Task<Outcome> wait(Instant deadline = Instant::max());

 private:
  using Token = boost::asio::use_awaitable_t<Executor>;
  using Waiter = boost::asio::async_result<Token, void(Outcome)>::handler_type;

  void complete(Outcome outcome);
  void abandon() override;
  void start(Waiter waiter, Instant deadline);

  EventLoop& loop_;
  std::optional<Waiter> waiter_;
  Timer timer_;
  bool is_set_ = false;
};

}  // namespace marketprism::async
