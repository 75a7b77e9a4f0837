#include "marketprism/async/event_loop.hpp"

#include <cassert>
#include <exception>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace marketprism::async {
namespace {

namespace asio = boost::asio;
using LoopTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

Instant read_clock() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now()); }

// Cancellation of a spawned task shows as `cancelled` results of what it waits for, not as an exception.
Task<> without_exceptions(Task<> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(task);
}

// A loop that stands still for twenty ticks is late for each of them, not once.
void note_lag(LoopPulse& pulse, Nanoseconds lag, Nanoseconds tick) {
  constexpr int ticks_max = 10'000;
  for (int i = 0; i < ticks_max; ++i, lag -= tick) {
    pulse.lag_ns.add(lag.count());
    if (lag <= tick) return;
  }
}

}  // namespace

struct EventLoop::Ticker {
  explicit Ticker(asio::io_context& context) : timer(context) {}
  LoopTimer timer;
};

EventLoop::EventLoop(EventLoopOptions options)
    : options_(options),
      now_(read_clock()),
      timers_(now_, options.tick),
      context_(1),  // one thread runs it; posting from others stays safe
      ticker_(std::make_unique<Ticker>(context_)) {}

EventLoop::~EventLoop() {
  assert(thread_.load() == std::thread::id{} && "still running");
  is_ending_ = true;
  while (parked_ != nullptr) {
    ParkedWait& wait = *parked_;
    wait.unpark();
    wait.abandon();
  }
}

void ParkedWait::park(EventLoop& loop) {
  assert(link_ == nullptr);
  next_ = loop.parked_;
  link_ = &loop.parked_;
  if (next_ != nullptr) next_->link_ = &next_;
  loop.parked_ = this;
}

void ParkedWait::unpark() {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  next_ = nullptr;
  link_ = nullptr;
}

Instant EventLoop::refresh_now() { return now_ = read_clock(); }

void EventLoop::schedule_tick() {
  ticker_->timer.expires_after(options_.tick);
  ticker_->timer.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const Instant now = refresh_now();
    note_lag(pulse_, now - ticker_->timer.expiry(), options_.tick);
    pulse_.beat_ns.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    timers_.advance(now);
    schedule_tick();
  });
}

void EventLoop::run() {
  assert(thread_.load() == std::thread::id{} && "runs already");
  thread_.store(std::this_thread::get_id());
  refresh_now();
  schedule_tick();
  pulse_.beat_ns.store(now_.time_since_epoch().count(), std::memory_order_relaxed);
  pulse_.thread_id.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_release);
  if (options_.busy_poll > Nanoseconds(0)) {
    run_busily();
  } else {
    context_.run();
  }
  context_.restart();  // not before the run: a stop() that comes before it must hold
  pulse_.thread_id.store(0, std::memory_order_release);
  thread_.store(std::thread::id{});
}

void EventLoop::run_busily() {
  Instant last_work = read_clock();
  while (!context_.stopped()) {
    if (context_.poll() != 0) {
      last_work = read_clock();
    } else if (read_clock() - last_work > options_.busy_poll) {
      context_.run_one();
      last_work = read_clock();
    }
  }
}

void EventLoop::stop() { context_.stop(); }

bool EventLoop::is_current() const { return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

void EventLoop::post(std::move_only_function<void()> work) { asio::post(context_, std::move(work)); }

void EventLoop::spawn(Task<> task) {
  asio::co_spawn(context_, without_exceptions(std::move(task)), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
}

Task<> EventLoop::sleep_until(Instant deadline) {
  LoopTimer timer(context_.get_executor(), deadline);
  co_await timer.async_wait(asio::as_tuple(asio::deferred));
}

}  // namespace marketprism::async
