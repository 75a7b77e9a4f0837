#include "marketprism/net/resolver_threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {
namespace {

namespace asio = boost::asio;

Error lookup_error(const boost::system::error_code& error, const std::string& host) {
  if (error == asio::error::host_not_found || error == asio::error::no_data) {
    return {ErrorCode::not_found, host + ": no such host name; check the spelling, and the DNS of this machine", false,
            nullptr};
  }
  if (error == asio::error::host_not_found_try_again) {
    return {ErrorCode::not_found, host + ": the name servers of this machine do not answer; check its network", false,
            nullptr};
  }
  return {ErrorCode::io_failed, host + ": looking up the name failed: " + error.message(), false, nullptr};
}

Result<Addresses> ask_the_system(const std::string& host) {
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  const auto found = resolver.resolve(host, "", error);
  if (error) return std::unexpected(lookup_error(error, host));
  Addresses addresses;
  for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  return addresses;
}

// Where one who waits gets the answer; shared with the callback on its loop, which may come after it has left.
struct Answer {
  explicit Answer(async::EventLoop& loop) : arrived(loop) {}
  async::Signal arrived;
  Result<Addresses> addresses;
};

class Waiter;

// The look-up of one name.
struct Job {
  std::string host;
  std::vector<Waiter*> waiters;
  bool is_running = false;
};
using JobPtr = std::shared_ptr<Job>;

}  // namespace

// Shared with the threads. Everything but `options` is under the mutex.
struct ResolverThreads::State {
  explicit State(ResolverThreadsOptions the_options) : options(std::move(the_options)) {
    options.threads_max = std::max<std::size_t>(options.threads_max, 1);
    if (!options.look_up) options.look_up = ask_the_system;
  }

  static Result<JobPtr> add(const std::shared_ptr<State>& self, const std::string& host);
  static bool start_thread(const std::shared_ptr<State>& self);
  static void run(const std::shared_ptr<State>& self);
  void leave(Job& job, Waiter& waiter);

  ResolverThreadsOptions options;
  std::mutex mutex;
  std::condition_variable work;
  std::condition_variable ended;
  std::deque<JobPtr> waiting;
  std::unordered_map<std::string, JobPtr> jobs;  // waiting and running
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool is_stopping = false;
};

namespace {

// Lies on the frame of who waits, which is gone before its loop is: no answer is posted to a loop that has ended.
class Waiter {
 public:
  Waiter(async::EventLoop& loop, std::shared_ptr<Answer> answer) : loop_(loop), answer_(std::move(answer)) {}
  void take(const Result<Addresses>& addresses) {
    loop_.post([answer = answer_, addresses] {
      answer->addresses = addresses;
      answer->arrived.set();
    });
  }

 private:
  async::EventLoop& loop_;
  std::shared_ptr<Answer> answer_;
};

template <class Leave>
struct OnExit {
  Leave leave;
  ~OnExit() { leave(); }
};

}  // namespace

// The job for the name, a new one if there is none. Under the mutex.
Result<JobPtr> ResolverThreads::State::add(const std::shared_ptr<State>& self, const std::string& host) {
  if (const auto known = self->jobs.find(host); known != self->jobs.end()) return known->second;
  if (self->waiting.size() >= self->options.names_max) {
    return fail(ErrorCode::exhausted, host + ": too many names wait to be looked up; check the DNS of this machine");
  }
  const bool has_thread = self->idle > self->waiting.size() || start_thread(self) || self->threads > 0;
  if (!has_thread) return fail(ErrorCode::exhausted, host + ": the system gives no thread to look the name up");
  auto job = std::make_shared<Job>();
  job->host = host;
  self->jobs.emplace(host, job);
  self->waiting.push_back(job);
  self->work.notify_one();
  return job;
}

bool ResolverThreads::State::start_thread(const std::shared_ptr<State>& self) {
  if (self->threads >= self->options.threads_max) return false;
  // Signals are for the threads that wait for them.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool is_started = true;
  try {
    // Detached: a look-up that hangs must not hold up the end of the program.
    std::thread([self] { run(self); }).detach();
    ++self->threads;
  } catch (const std::system_error&) {
    is_started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return is_started;
}

void ResolverThreads::State::run(const std::shared_ptr<State>& self) {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "resolver"));
  std::unique_lock lock(self->mutex);
  while (true) {
    ++self->idle;
    self->work.wait_for(lock, self->options.idle_time, [&] { return !self->waiting.empty() || self->is_stopping; });
    --self->idle;
    if (self->waiting.empty()) break;
    const JobPtr job = self->waiting.front();
    self->waiting.pop_front();
    job->is_running = true;
    lock.unlock();
    const Result<Addresses> addresses = self->options.look_up(job->host);
    lock.lock();
    self->jobs.erase(job->host);
    for (Waiter* const waiter : std::exchange(job->waiters, {})) waiter->take(addresses);
  }
  --self->threads;
  self->ended.notify_all();
}

void ResolverThreads::State::leave(Job& job, Waiter& waiter) {
  const std::scoped_lock lock(mutex);
  std::erase(job.waiters, &waiter);
  if (!job.waiters.empty() || job.is_running) return;
  std::erase_if(waiting, [&](const JobPtr& one) { return one.get() == &job; });
  jobs.erase(job.host);
}

ResolverThreads::ResolverThreads(ResolverThreadsOptions options)
    : state_(std::make_shared<State>(std::move(options))) {}

ResolverThreads::~ResolverThreads() {
  std::unique_lock lock(state_->mutex);
  state_->is_stopping = true;
  state_->work.notify_all();
  state_->ended.wait(lock, [this] { return state_->threads == 0; });
}

async::Task<Result<Addresses>> ResolverThreads::resolve(async::EventLoop& loop, std::string host, Instant deadline) {
  const auto state = state_;
  const auto answer = std::make_shared<Answer>(loop);
  Waiter waiter(loop, answer);
  JobPtr job;
  {
    const std::scoped_lock lock(state->mutex);
    auto added = State::add(state, host);
    if (!added) co_return std::unexpected(std::move(added.error()));
    job = std::move(*added);
    job->waiters.push_back(&waiter);
  }
  const auto leave = [&] { state->leave(*job, waiter); };
  const OnExit<decltype(leave)> on_exit{leave};
  const auto outcome = co_await answer->arrived.wait(deadline);
  loop.refresh_now();
  if (outcome == async::Signal::Outcome::timed_out) {
    co_return fail(ErrorCode::timed_out, host + ": looking up the name took too long; check the DNS of this machine");
  }
  if (outcome == async::Signal::Outcome::cancelled) co_return fail(ErrorCode::cancelled, host + ": cancelled");
  co_return std::move(answer->addresses);
}

std::size_t ResolverThreads::threads() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->threads;
}

}  // namespace marketprism::net
