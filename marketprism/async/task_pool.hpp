#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::async {

enum class TaskState : std::uint8_t { pending, running, completed, failed, cancelled };

/// "pending", …
std::string_view name_of(TaskState state);

struct TaskPoolOptions {
  std::string name = "tasks";         ///< in statistics and errors
  std::size_t concurrency = 64;       ///< tasks that run at the same time
  std::size_t queue_capacity = 4096;  ///< tasks that wait; past it `submit` refuses and counts it
};

struct TaskOptions {
  Instant deadline = Instant::max();  ///< a task not done by then fails with `timed_out`, whether it waits or runs
};

struct TaskPoolStatistics {
  std::string name;
  std::size_t concurrency = 0;
  std::size_t pending = 0;
  std::size_t running = 0;
  std::size_t running_max = 0;
  std::uint64_t submitted = 0;  ///< accepted
  std::uint64_t rejected = 0;   ///< refused because the queue was full
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;  ///< of those failed
  std::uint64_t cancelled = 0;
  std::uint64_t executed = 0;    ///< tasks that ran and ended
  Nanoseconds execution_time{};  ///< theirs, from start to end
  Nanoseconds elapsed{};         ///< since the pool was made

  [[nodiscard]] std::uint64_t finished() const { return completed + failed + cancelled; }
  /// Shares lie within 0…1 and are 0 while there is nothing to divide by.
  [[nodiscard]] double success_rate() const;
  /// The share of its places that was in use, over all the time. Counts tasks when they end.
  [[nodiscard]] double utilization() const;
  [[nodiscard]] Nanoseconds mean_execution_time() const;
  [[nodiscard]] double throughput_per_s() const;
};

/// Runs tasks on one event loop: at most `concurrency` at once, at most `queue_capacity` waiting, in the order of their
/// submission. A task is a function, which runs in one go, or a coroutine, which may wait; both give a Result. Belongs
/// to the loop's thread. When the pool ends, waiting tasks are cancelled, and running ones are told to and end on the
/// loop.
class TaskPool {
 public:
  class Context;
  class Handle;
  using Work = std::move_only_function<Result<>()>;
  using Coroutine = std::move_only_function<Task<Result<>>(Context&)>;

  explicit TaskPool(EventLoop& loop, TaskPoolOptions options = {});
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  /// `exhausted` when the queue is full. The task starts from the loop, never inside this call. The handle may be
  /// dropped.
  Result<Handle> submit(Work work, TaskOptions options = {});
  Result<Handle> submit(Coroutine coroutine, TaskOptions options = {});
  /// Moves the works in, in order; handles of those accepted, which are the first ones.
  std::vector<Handle> submit_batch(std::span<Work> works, TaskOptions options = {});

  /// Waits until the task has ended; one waiter a task. Inside a task of the same pool use `Context::wait`.
  Task<TaskState> wait(Handle& handle);

  [[nodiscard]] TaskPoolStatistics statistics() const;

 private:
  struct Record;
  struct Core;
  std::shared_ptr<Core> core_;
};

/// Follows one task. Moves; dropping it lets the task run on unobserved. Loop's thread.
class TaskPool::Handle {
 public:
  Handle() = default;
  Handle(Handle&& other) noexcept = default;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle() { drop(); }

  explicit operator bool() const { return record_ != nullptr; }
  [[nodiscard]] TaskState state() const;
  [[nodiscard]] bool is_finished() const { return state() > TaskState::running; }
  /// Why it failed or was cancelled; null otherwise.
  [[nodiscard]] const Error* error() const;
  /// A waiting task never starts; a running coroutine gets cancelled results from what it waits for and should return.
  void cancel();

 private:
  friend class TaskPool;
  Handle(std::shared_ptr<Core> core, Record& record) : core_(std::move(core)), record_(&record) {}
  void drop();

  std::shared_ptr<Core> core_;
  struct Release {
    void operator()(Record*) const {}
  };
  std::unique_ptr<Record, Release> record_;  // not owned; a pointer that moves
};

/// What a coroutine in the pool knows of itself.
class TaskPool::Context {
 public:
  [[nodiscard]] bool is_cancelled() const;
  [[nodiscard]] Instant deadline() const;
  /// Submits to the same pool; `closed` when that has ended.
  Result<Handle> submit(Work work, TaskOptions options = {});
  Result<Handle> submit(Coroutine coroutine, TaskOptions options = {});
  /// Waits for another task of the pool and lends it this task's place meanwhile, so that tasks that wait for tasks
  /// never stand in each other's way, however deep.
  Task<TaskState> wait(Handle& handle);

 private:
  friend class TaskPool;
  explicit Context(Record& record) : record_(&record) {}
  Record* record_;
};

}  // namespace marketprism::async
