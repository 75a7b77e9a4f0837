#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "marketprism/async/loop_pulse.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::async {

struct EventLoopOptions {
  Nanoseconds tick = std::chrono::milliseconds(10);  ///< granularity of `timers()`; also how stale `now()` may get
  /// After the last callback the loop goes on asking the kernel for so long before it sleeps: wakes sooner, at the
  /// price of a whole core. Zero: sleeps at once.
  Nanoseconds busy_poll{};
};

class EventLoop;

/// A wait that Asio does not know of. The loop keeps a list of them, so that coroutines that still wait when the loop
/// is destroyed are destroyed with it instead of being lost.
class ParkedWait {
 public:
  ParkedWait(const ParkedWait&) = delete;
  ParkedWait& operator=(const ParkedWait&) = delete;

 protected:
  ParkedWait() = default;
  virtual ~ParkedWait() { unpark(); }
  void park(EventLoop& loop);
  void unpark();

 private:
  friend class EventLoop;
  /// Destroys the handler without calling it; the object itself may be destroyed by that.
  virtual void abandon() = 0;

  ParkedWait* next_ = nullptr;
  ParkedWait** link_ = nullptr;
};

/// One thread's I/O: an Asio context, a cached clock and a timer wheel. Everything but `post`, `spawn`, `stop` and
/// `executor` belongs to the thread that runs it. Destroy it after everything that uses it.
class EventLoop {
 public:
  explicit EventLoop(EventLoopOptions options = {});
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] Executor executor() { return context_.get_executor(); }

  /// The loop's cached time: set at every socket read and at every tick, so at most one tick and one callback old.
  [[nodiscard]] Instant now() const { return now_; }
  /// Reads the clock (about 20 ns) and caches it.
  Instant refresh_now();

  /// Coarse deadlines, advanced every tick.
  [[nodiscard]] TimerWheel& timers() { return timers_; }

  /// Runs on the calling thread until `stop()`. May be called again afterwards.
  void run();
  /// Makes `run()` return after the callback it is in, or at once if it is not running yet. Any thread.
  void stop();
  /// Lag and longest handler; see LoopMonitor. The atomic fields from any thread.
  [[nodiscard]] LoopPulse& pulse() { return pulse_; }
  /// The calling thread is inside this loop's `run()`.
  [[nodiscard]] bool is_current() const;

  /// The loop is being destroyed: nothing may be resumed on it any more.
  [[nodiscard]] bool is_ending() const { return is_ending_; }

  /// Runs `work` on the loop, after what is queued already. Any thread.
  void post(std::move_only_function<void()> work);
  /// Starts a task that nobody waits for. Any thread. An exception out of it ends the program: tasks give errors as
  /// results.
  void spawn(Task<> task);

  /// Waits on the fine Asio timer; returns early (and silently) when cancelled.
  Task<> sleep_until(Instant deadline);
  Task<> sleep_for(Nanoseconds duration) { return sleep_until(refresh_now() + duration); }

 private:
  friend class ParkedWait;
  struct Ticker;

  void schedule_tick();
  void run_busily();

  EventLoopOptions options_;
  Instant now_;
  TimerWheel timers_;  // before the context: coroutines destroyed with it disarm their timers
  std::atomic<std::thread::id> thread_{};
  LoopPulse pulse_;
  ParkedWait* parked_ = nullptr;
  bool is_ending_ = false;
  boost::asio::io_context context_;
  std::unique_ptr<Ticker> ticker_;
};

}  // namespace marketprism::async
