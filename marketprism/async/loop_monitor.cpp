#include "marketprism/async/loop_monitor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <execinfo.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "marketprism/base/stack_trace.hpp"

namespace marketprism::async {
namespace {

constexpr int stack_signal = SIGURG;  // whose default is to be ignored

/// Where the thread that gets the signal writes its stack to. One request at a time.
struct StackRequest {
  std::atomic<int> thread_id{0};  // who is asked; 0: nobody
  std::atomic<bool> is_answered{false};
  int depth = 0;
  std::array<void*, 64> frames{};
};
StackRequest request;
std::atomic<bool> has_monitor{false};

void answer(int /*signal*/) {
  const int saved = errno;
  int asked = static_cast<int>(::syscall(SYS_gettid));
  if (request.thread_id.compare_exchange_strong(asked, 0)) {
    request.depth = ::backtrace(request.frames.data(), static_cast<int>(request.frames.size()));
    request.is_answered.store(true, std::memory_order_release);
  }
  errno = saved;
}

void install_handler() {
  std::array<void*, 1> first{};
  ::backtrace(first.data(), 1);  // loads the unwinder now: a signal handler must not
  struct sigaction action{};
  action.sa_handler = answer;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(stack_signal, &action, nullptr);
}

/// The functions that a thread is in, innermost first, without the signal's own; empty if it does not answer in time.
std::vector<std::string> stack_of(int thread_id) {
  request.is_answered.store(false);
  request.thread_id.store(thread_id);
  if (::syscall(SYS_tgkill, ::getpid(), thread_id, stack_signal) != 0) return {};
  for (int i = 0; i < 100 && !request.is_answered.load(std::memory_order_acquire); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  int asked = thread_id;
  if (request.thread_id.compare_exchange_strong(asked, 0)) return {};  // it will not answer any more
  while (!request.is_answered.load(std::memory_order_acquire)) std::this_thread::yield();
  const auto frames = std::span(request.frames).first(static_cast<std::size_t>(request.depth));
  std::vector<std::string> names = function_names(frames);
  // The handler, and what the kernel returns to from it. Under a sanitizer its own frames stand above.
  const auto handler = std::ranges::find_if(
      names, [](const std::string& name) { return name.find("(anonymous namespace)::answer(int)") != name.npos; });
  if (handler != names.end()) names.erase(names.begin(), handler + 1);
  while (!names.empty() &&
         (names.front().find("restore_rt") != std::string::npos || names.front().starts_with("libc.so"))) {
    names.erase(names.begin());
  }
  return names;
}

bool waits_for_the_kernel(const std::vector<std::string>& stack) {
  if (stack.empty()) return false;
  const std::string& name = stack.front();
  return name.find("epoll_wait") != name.npos || name.find("io_uring") != name.npos;
}

std::int64_t clock_ns() { return std::chrono::steady_clock::now().time_since_epoch() / Nanoseconds(1); }

}  // namespace

LoopStatistics loop_statistics(EventLoop& loop, std::string name) {
  const LoopPulse& pulse = loop.pulse();
  return {std::move(name), pulse.lag_ns, pulse.longest_handler, pulse.longest_handler_name};
}

LoopMonitor::LoopMonitor(LoopMonitorOptions options) : options_(options) {
  [[maybe_unused]] const bool is_second = has_monitor.exchange(true);
  assert(!is_second && "one LoopMonitor in a process");
  install_handler();
  thread_ = std::thread([this] { run(); });
}

LoopMonitor::~LoopMonitor() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
  has_monitor.store(false);
}

void LoopMonitor::watch(EventLoop& loop, std::string name) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({&loop, std::move(name)});
}

void LoopMonitor::watch(Runtime& runtime, const std::string& name) {
  for (std::size_t i = 0; i < runtime.size(); ++i) watch(runtime.loop(i), name + "-" + std::to_string(i));
}

void LoopMonitor::forget(EventLoop& loop) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watched_, [&](const Watched& watched) { return watched.loop == &loop; });
}

std::vector<LoopAlarm> LoopMonitor::alarms() const {
  const std::lock_guard lock(mutex_);
  return {alarms_.begin(), alarms_.end()};
}

std::uint64_t LoopMonitor::alarm_count() const {
  const std::lock_guard lock(mutex_);
  return alarm_count_;
}

void LoopMonitor::run() {
  pthread_setname_np(pthread_self(), "loop-watchdog");
  std::unique_lock lock(mutex_);
  std::int64_t due_ns = clock_ns() + options_.check_every.count();
  while (!wake_.wait_for(lock, options_.check_every, [this] { return is_ending_; })) {
    const std::int64_t now_ns = clock_ns();
    const bool is_late = now_ns - due_ns > options_.blocked_after.count() / 2;  // the machine is, not the loops
    std::vector<LoopAlarm> raised;
    for (Watched& watched : watched_) prolong(watched, now_ns);
    if (!is_late) {
      for (Watched& watched : watched_) {
        const std::size_t before = raised.size();
        check(watched, now_ns, raised);
        if (raised.size() > before) watched.alarm = alarm_count_ + raised.size();
      }
    }
    alarm_count_ += raised.size();
    for (const LoopAlarm& alarm : raised) {
      if (alarms_.size() >= std::max<std::size_t>(options_.alarms_max, 1)) alarms_.pop_front();
      alarms_.push_back(alarm);
    }
    if (!raised.empty() && call_) {
      lock.unlock();
      for (const LoopAlarm& alarm : raised) call_(alarm);
      lock.lock();
    }
    due_ns = clock_ns() + options_.check_every.count();
  }
}

// Tells the alarm of a loop that still stands how long it has, and of one that goes again how long it had.
void LoopMonitor::prolong(Watched& watched, std::int64_t now_ns) {
  if (watched.alarm == 0) return;
  const std::int64_t beat_ns = watched.loop->pulse().beat_ns.load(std::memory_order_relaxed);
  const bool is_over = beat_ns != watched.alarmed_beat_ns;
  const std::uint64_t forgotten = alarm_count_ - alarms_.size();
  if (watched.alarm > forgotten) {
    LoopAlarm& alarm = alarms_[static_cast<std::size_t>(watched.alarm - forgotten - 1)];
    const Nanoseconds stood((is_over ? beat_ns : now_ns) - watched.alarmed_beat_ns);
    alarm.blocked_for = std::max(alarm.blocked_for, stood);
  }
  if (is_over) watched.alarm = 0;
}

void LoopMonitor::check(Watched& watched, std::int64_t now_ns, std::vector<LoopAlarm>& raised) const {
  const LoopPulse& pulse = watched.loop->pulse();
  const std::int64_t beat_ns = pulse.beat_ns.load(std::memory_order_relaxed);
  const int thread_id = pulse.thread_id.load(std::memory_order_acquire);
  if (thread_id == 0 || beat_ns == 0 || now_ns - beat_ns < options_.blocked_after.count()) return;
  if (watched.alarmed_beat_ns == beat_ns) return;  // said already
  const char* handler = pulse.handler.load(std::memory_order_relaxed);
  std::vector<std::string> stack = stack_of(thread_id);
  if (waits_for_the_kernel(stack)) return;
  if (pulse.beat_ns.load(std::memory_order_relaxed) != beat_ns) return;  // over before it could be seen
  watched.alarmed_beat_ns = beat_ns;
  raised.push_back({watched.name, handler != nullptr ? handler : "",
                    std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()),
                    Nanoseconds(now_ns - beat_ns), std::move(stack)});
}

}  // namespace marketprism::async
