#pragma once
#include <cassert>
#include <functional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

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
  /// Forgets it too, and tells whether there was one.
  bool take() { return std::exchange(is_set_, false); }
  /// Ends the wait, if there is one.
  void cancel();
  [[nodiscard]] bool has_waiter() const { return waiter_ != nullptr; }

  /// One waiter at a time. The deadline is kept by the loop's timer wheel, so it is coarse; `Instant::max()`: none.
  Task<Outcome> wait(Instant deadline = Instant::max());
  /// The same without a coroutine of its own, for hot paths: only after `take` said that there is nothing.
  auto wait_unset(Instant deadline = Instant::max()) {
    return boost::asio::async_initiate<const boost::asio::deferred_t, void(Outcome)>(
        [](auto handler, Signal* self, Instant at) { self->start(std::move(handler), at); }, boost::asio::deferred,
        this, deadline);
  }

 private:
  using Waiter = std::move_only_function<void(Outcome)>;

  template <class Handler>
  void start(Handler handler, Instant deadline) {
    assert(!is_set_ && waiter_ == nullptr && "one waiter at a time");
    slot_ = boost::asio::get_associated_cancellation_slot(handler);
    waiter_ = std::move(handler);
    park(loop_);
    if (slot_.is_connected()) {
      slot_.assign([this](boost::asio::cancellation_type) { complete(Outcome::cancelled); });
    }
    if (deadline != Instant::max()) loop_.timers().arm(timer_, deadline);
  }
  void complete(Outcome outcome);
  void abandon() override;

  EventLoop& loop_;
  Waiter waiter_;
  boost::asio::cancellation_slot slot_;
  Timer timer_;
  bool is_set_ = false;
};

}  // namespace marketprism::async
