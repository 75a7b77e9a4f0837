#include "marketprism/async/task_pool.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "marketprism/async/signal.hpp"

namespace marketprism::async {

namespace asio = boost::asio;

namespace {

constexpr int tasks_a_turn = 256;  // then other work of the loop gets its turn

double seconds_of(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::string_view name_of(TaskState state) {
  constexpr std::array<std::string_view, 5> names{"pending", "running", "completed", "failed", "cancelled"};
  return names.at(static_cast<std::size_t>(state));
}

double TaskPoolStatistics::success_rate() const {
  return finished() == 0 ? 0 : static_cast<double>(completed) / static_cast<double>(finished());
}
double TaskPoolStatistics::utilization() const {
  const double places = static_cast<double>(concurrency) * seconds_of(elapsed);
  return places <= 0 ? 0 : std::min(1.0, seconds_of(execution_time) / places);
}
Nanoseconds TaskPoolStatistics::mean_execution_time() const {
  return executed == 0 ? Nanoseconds(0) : execution_time / static_cast<std::int64_t>(executed);
}
double TaskPoolStatistics::throughput_per_s() const {
  return elapsed <= Nanoseconds(0) ? 0 : static_cast<double>(finished()) / seconds_of(elapsed);
}

/// What only tasks need that wait, fail, have a deadline or are waited for: kept apart, so that a run of plain
/// functions touches little memory. Made when first needed, then kept with its record.
struct TaskExtras {
  explicit TaskExtras(Timer::Callback expire, void* record) : timer(expire, record) {}

  TaskPool::Coroutine coroutine;
  std::optional<Error> error;
  Instant deadline = Instant::max();
  Timer timer;
  std::optional<asio::cancellation_signal> cancellation;
  std::optional<Signal> done;  // while somebody waits
};

/// One task, and its place in the list of waiting or of free records.
struct TaskPool::Record {
  explicit Record(Core& owner) : core(owner) {}
  TaskExtras& with_extras();

  Core& core;
  TaskState state = TaskState::pending;
  bool is_held = false;  // by a handle
  bool is_cancelled = false;
  bool is_timed_out = false;
  int pins = 0;          // calls that are inside something of this record
  std::uint64_t id = 0;  // tells the uses of a record apart
  Instant started{};
  Record* previous = nullptr;
  Record* next = nullptr;
  Work work;
  std::unique_ptr<TaskExtras> extras;
};

/// Lives until the pool, its handles and its running tasks are gone.
struct TaskPool::Core : std::enable_shared_from_this<Core> {
  Core(EventLoop& on, TaskPoolOptions with) : loop(on), options(std::move(with)), created(on.refresh_now()) {
    options.concurrency = std::max<std::size_t>(options.concurrency, 1);
  }

  Result<Handle> add(Work work, Coroutine coroutine, TaskOptions with);
  void schedule();
  void pump();
  Instant start(Record& record, Instant now);
  void finish(Record& record, Result<> result, Instant now);
  void end(Record& record, TaskState state);
  void cancel(Record& record);
  void expire(Record& record);
  void interrupt(Record& record);
  void append(Record& record);
  void unlink(Record& record);
  void unpin(Record& record);
  void recycle_unused(Record& record);
  Task<TaskState> wait(Record& record);

  EventLoop& loop;
  TaskPoolOptions options;
  Instant created;
  std::deque<Record> records;  // addresses stay
  Record* free = nullptr;
  Record* first = nullptr;  // waiting
  Record* last = nullptr;
  std::size_t pending = 0;
  std::size_t running = 0;
  bool is_scheduled = false;
  bool is_closed = false;
  TaskPoolStatistics counts;
};

TaskExtras& TaskPool::Record::with_extras() {
  if (!extras) {
    const auto expire = [](void* self) {
      auto& record = *static_cast<Record*>(self);
      record.core.expire(record);
    };
    extras = std::make_unique<TaskExtras>(expire, this);
  }
  return *extras;
}

Result<TaskPool::Handle> TaskPool::Core::add(Work work, Coroutine coroutine, TaskOptions with) {
  if (is_closed) {  // a task that still runs asks
    return fail(ErrorCode::closed, "task pool \"" + options.name + "\": it has ended and takes no more tasks", true);
  }
  if (pending >= options.queue_capacity) {
    ++counts.rejected;
    return fail(ErrorCode::exhausted,
                "task pool \"" + options.name + "\": " + std::to_string(pending) +
                    " tasks wait already, and no more may; submit more slowly or raise queue_capacity");
  }
  if (free == nullptr) {
    free = &records.emplace_back(*this);
  }
  Record& record = *std::exchange(free, free->next);
  record.next = nullptr;
  record.state = TaskState::pending;
  record.work = std::move(work);
  if (coroutine) record.with_extras().coroutine = std::move(coroutine);
  record.is_held = true;
  record.id = ++counts.submitted;
  if (with.deadline != Instant::max()) {
    record.with_extras().deadline = with.deadline;
    loop.timers().arm(record.extras->timer, with.deadline);
  }
  append(record);
  schedule();
  return Handle(shared_from_this(), record);
}

void TaskPool::Core::append(Record& record) {
  record.previous = last;
  (last != nullptr ? last->next : first) = &record;
  last = &record;
  ++pending;
}

void TaskPool::Core::unlink(Record& record) {
  (record.previous != nullptr ? record.previous->next : first) = record.next;
  (record.next != nullptr ? record.next->previous : last) = record.previous;
  record.previous = record.next = nullptr;
  --pending;
}

void TaskPool::Core::unpin(Record& record) {
  --record.pins;
  recycle_unused(record);
}

void TaskPool::Core::recycle_unused(Record& record) {
  if (record.is_held || record.pins > 0 || record.state <= TaskState::running) return;
  record.work = nullptr;
  if (record.extras) {
    record.extras->coroutine = nullptr;
    record.extras->error.reset();
    record.extras->deadline = Instant::max();
    record.extras->cancellation.reset();
    record.extras->done.reset();
  }
  record.is_cancelled = record.is_timed_out = false;
  record.next = std::exchange(free, &record);
}

void TaskPool::Core::schedule() {
  if (is_scheduled || first == nullptr || running >= options.concurrency) return;
  is_scheduled = true;
  loop.post([self = shared_from_this()] {
    self->is_scheduled = false;
    self->pump();
  });
}

void TaskPool::Core::pump() {
  Instant now = loop.refresh_now();
  for (int i = 0; i < tasks_a_turn && first != nullptr && running < options.concurrency; ++i) {
    Record& record = *first;
    unlink(record);
    now = start(record, now);
  }
  schedule();
}

/// Starts one task; the time after it, so that a run of functions reads the clock once for each.
Instant TaskPool::Core::start(Record& record, Instant now) {
  record.state = TaskState::running;
  record.started = now;
  counts.running_max = std::max(counts.running_max, ++running);
  if (record.work) {
    Result<> result = record.work();
    now = loop.refresh_now();
    finish(record, std::move(result), now);
    return now;
  }
  record.extras->cancellation.emplace();
  auto quietly = [](Record& of) -> Task<Result<>> {
    co_await asio::this_coro::throw_if_cancelled(false);  // a cancelled wait gives a result
    Context context(of);
    co_return co_await of.extras->coroutine(context);
  };
  asio::co_spawn(loop.context(), quietly(record),
                 asio::bind_cancellation_slot(
                     record.extras->cancellation->slot(),
                     [self = shared_from_this(), &record](const std::exception_ptr& failure, Result<> result) {
                       if (failure) std::rethrow_exception(failure);
                       self->finish(record, std::move(result), self->loop.refresh_now());
                     }));
  return now;
}

void TaskPool::Core::finish(Record& record, Result<> result, Instant now) {
  --running;
  ++counts.executed;
  counts.execution_time += now - record.started;
  if (result && !record.is_timed_out) return end(record, TaskState::completed);
  if (result) result = fail(ErrorCode::timed_out, "task pool \"" + options.name + "\": it ended after its deadline");
  Error& error = record.with_extras().error.emplace(std::move(result.error()));
  if (record.is_timed_out) {
    ++counts.timed_out;
    error.code = ErrorCode::timed_out;
  }
  const bool is_cancelled = !record.is_timed_out && (record.is_cancelled || error.code == ErrorCode::cancelled);
  end(record, is_cancelled ? TaskState::cancelled : TaskState::failed);
}

void TaskPool::Core::end(Record& record, TaskState state) {
  record.state = state;
  if (record.extras) record.extras->timer.disarm();
  ++(state == TaskState::completed ? counts.completed : state == TaskState::failed ? counts.failed : counts.cancelled);
  // A task that lent its place takes it back inside set(), before another could.
  ++record.pins;
  if (record.extras && record.extras->done) record.extras->done->set();
  unpin(record);
  schedule();
}

void TaskPool::Core::interrupt(Record& record) {
  // Posted: the coroutine may be the caller, and must not be resumed inside itself.
  loop.post([self = shared_from_this(), &record, id = record.id] {
    if (record.id != id || record.state != TaskState::running) return;
    ++record.pins;
    record.extras->cancellation->emit(asio::cancellation_type::terminal);
    self->unpin(record);
  });
}

void TaskPool::Core::cancel(Record& record) {
  if (record.state > TaskState::running || record.is_cancelled) return;
  record.is_cancelled = true;
  if (record.state == TaskState::running) return interrupt(record);
  unlink(record);
  record.with_extras().error =
      Error{ErrorCode::cancelled, "task pool \"" + options.name + "\": cancelled before it began", false, nullptr};
  end(record, TaskState::cancelled);
}

void TaskPool::Core::expire(Record& record) {
  record.is_timed_out = true;
  if (record.state == TaskState::running) return interrupt(record);
  unlink(record);
  ++counts.timed_out;
  record.with_extras().error =
      Error{ErrorCode::timed_out, "task pool \"" + options.name + "\": the deadline passed before a place was free",
            false, nullptr};
  end(record, TaskState::failed);
}

Task<TaskState> TaskPool::Core::wait(Record& record) {
  if (record.state > TaskState::running) co_return record.state;
  if (!record.with_extras().done) record.extras->done.emplace(loop);
  co_await record.extras->done->wait();
  co_return record.state;
}

TaskPool::TaskPool(EventLoop& loop, TaskPoolOptions options)
    : core_(std::make_shared<Core>(loop, std::move(options))) {}

TaskPool::~TaskPool() {
  core_->is_closed = true;
  while (core_->first != nullptr) core_->cancel(*core_->first);
  for (Record& record : core_->records) {
    if (record.state == TaskState::running) core_->cancel(record);
  }
}

Result<TaskPool::Handle> TaskPool::submit(Work work, TaskOptions options) {
  return core_->add(std::move(work), nullptr, options);
}
Result<TaskPool::Handle> TaskPool::submit(Coroutine coroutine, TaskOptions options) {
  return core_->add(nullptr, std::move(coroutine), options);
}

std::vector<TaskPool::Handle> TaskPool::submit_batch(std::span<Work> works, TaskOptions options) {
  std::vector<Handle> handles;
  handles.reserve(works.size());
  for (Work& work : works) {
    if (core_->pending >= core_->options.queue_capacity) {
      core_->counts.rejected += works.size() - handles.size();
      break;
    }
    handles.push_back(std::move(*core_->add(std::move(work), nullptr, options)));
  }
  return handles;
}

Task<TaskState> TaskPool::wait(Handle& handle) { return core_->wait(*handle.record_); }

TaskPoolStatistics TaskPool::statistics() const {
  TaskPoolStatistics out = core_->counts;
  out.name = core_->options.name;
  out.concurrency = core_->options.concurrency;
  out.pending = core_->pending;
  out.running = core_->running;
  out.elapsed = core_->loop.refresh_now() - core_->created;
  return out;
}

TaskPool::Handle& TaskPool::Handle::operator=(Handle&& other) noexcept {
  drop();
  core_ = std::move(other.core_);
  record_ = std::move(other.record_);
  return *this;
}

void TaskPool::Handle::drop() {
  if (record_ == nullptr) return;
  record_->is_held = false;
  core_->recycle_unused(*record_);
  record_.reset();
}

TaskState TaskPool::Handle::state() const { return record_->state; }
const Error* TaskPool::Handle::error() const {
  return record_->extras && record_->extras->error ? &*record_->extras->error : nullptr;
}
void TaskPool::Handle::cancel() { core_->cancel(*record_); }

bool TaskPool::Context::is_cancelled() const { return record_->is_cancelled || record_->is_timed_out; }
Instant TaskPool::Context::deadline() const { return record_->extras->deadline; }

Result<TaskPool::Handle> TaskPool::Context::submit(Work work, TaskOptions options) {
  return record_->core.add(std::move(work), nullptr, options);
}
Result<TaskPool::Handle> TaskPool::Context::submit(Coroutine coroutine, TaskOptions options) {
  return record_->core.add(nullptr, std::move(coroutine), options);
}

Task<TaskState> TaskPool::Context::wait(Handle& handle) {
  Core& core = record_->core;
  --core.running;
  core.schedule();
  const TaskState state = co_await core.wait(*handle.record_);
  ++core.running;
  co_return state;
}

}  // namespace marketprism::async
