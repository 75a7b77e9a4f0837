#include "marketprism/async/task_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/signal.hpp"

namespace marketprism::async {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TaskPoolOptions options(std::size_t concurrency, std::size_t queue_capacity) {
  TaskPoolOptions out;
  out.name = "fetches";
  out.concurrency = concurrency;
  out.queue_capacity = queue_capacity;
  return out;
}

Result<> succeed() { return {}; }

/// A task that waits until it is told to go on.
struct Gate {
  explicit Gate(EventLoop& loop) : signal(loop) {}
  Signal signal;
  int entered = 0;
  TaskPool::Coroutine task() {
    return [this](TaskPool::Context& /*context*/) { return pass(this); };
  }
  static Task<Result<>> pass(Gate* gate) {
    ++gate->entered;
    const Signal::Outcome outcome = co_await gate->signal.wait();
    if (outcome == Signal::Outcome::set) co_return Result<>();
    co_return fail(ErrorCode::cancelled, "told to stop");
  }
};

struct TaskPoolTest : testing::Test {
  EventLoop loop;
  /// Runs what is ready on the loop.
  void turn() {
    loop.post([this] { loop.post([this] { loop.post([this] { loop.stop(); }); }); });
    loop.run();
  }
};

TEST_F(TaskPoolTest, runs_functions_in_order_from_the_loop) {
  TaskPool pool(loop, options(2, 10));
  std::vector<int> ran;
  std::vector<TaskPool::Handle> handles;
  for (int i = 0; i < 5; ++i) {
    handles.push_back(*pool.submit([&ran, i]() -> Result<> {
      ran.push_back(i);
      if (i == 3) return fail(ErrorCode::malformed, "three is bad");
      return {};
    }));
  }
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(handles[0].state(), TaskState::pending);
  turn();
  EXPECT_THAT(ran, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(handles[0].state(), TaskState::completed);
  EXPECT_EQ(handles[0].error(), nullptr);
  EXPECT_EQ(handles[3].state(), TaskState::failed);
  EXPECT_EQ(handles[3].error()->message, "three is bad");
  const TaskPoolStatistics now = pool.statistics();
  EXPECT_EQ(now.completed, 4U);
  EXPECT_EQ(now.failed, 1U);
  EXPECT_EQ(now.executed, 5U);
  EXPECT_DOUBLE_EQ(now.success_rate(), 0.8);
  EXPECT_GE(now.utilization(), 0.0);
  EXPECT_LE(now.utilization(), 1.0);
  EXPECT_GT(now.throughput_per_s(), 0.0);
}

TEST_F(TaskPoolTest, bounds_what_runs_and_what_waits) {
  Gate gate(loop);
  TaskPool pool(loop, options(1, 2));
  auto running = *pool.submit(gate.task());
  turn();
  EXPECT_EQ(gate.entered, 1);
  auto first = *pool.submit(gate.task());
  auto second = *pool.submit(succeed);
  const auto refused = pool.submit(succeed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("\"fetches\": 2 tasks wait already"));
  turn();
  EXPECT_EQ(gate.entered, 1);  // one place
  EXPECT_EQ(first.state(), TaskState::pending);
  loop.post([&] { gate.signal.set(); });
  turn();
  EXPECT_EQ(running.state(), TaskState::completed);
  EXPECT_EQ(first.state(), TaskState::running);
  loop.post([&] { gate.signal.set(); });
  turn();
  EXPECT_EQ(second.state(), TaskState::completed);
  EXPECT_EQ(pool.statistics().running_max, 1U);
  EXPECT_EQ(pool.statistics().rejected, 1U);
}

TEST_F(TaskPoolTest, takes_batches) {
  TaskPool pool(loop, options(1, 3));
  std::vector<TaskPool::Work> works;
  for (int i = 0; i < 5; ++i) works.emplace_back(succeed);
  EXPECT_EQ(pool.submit_batch(works).size(), 3U);  // handles may be dropped
  EXPECT_EQ(pool.statistics().rejected, 2U);
  turn();
  EXPECT_EQ(pool.statistics().completed, 3U);
}

TEST_F(TaskPoolTest, cancels_waiting_and_running_tasks) {
  Gate gate(loop);
  TaskPool pool(loop, options(1, 2));
  auto running = *pool.submit(gate.task());
  turn();
  auto waiting = *pool.submit([]() -> Result<> {
    ADD_FAILURE() << "was cancelled";
    return {};
  });
  waiting.cancel();
  EXPECT_EQ(waiting.state(), TaskState::cancelled);
  EXPECT_EQ(waiting.error()->code, ErrorCode::cancelled);
  running.cancel();
  EXPECT_EQ(running.state(), TaskState::running);
  turn();
  EXPECT_EQ(running.state(), TaskState::cancelled);
  EXPECT_EQ(running.error()->message, "told to stop");
  EXPECT_EQ(pool.statistics().cancelled, 2U);
  EXPECT_EQ(pool.statistics().executed, 1U);
}

TEST_F(TaskPoolTest, deadlines_end_waiting_and_running_tasks) {
  Gate gate(loop);
  TaskPool pool(loop, options(1, 2));
  TaskOptions soon;
  soon.deadline = loop.refresh_now() + hours(1);
  auto running = *pool.submit(gate.task(), soon);
  turn();
  auto waiting = *pool.submit(gate.task(), soon);
  loop.timers().advance(loop.now() + hours(2));
  EXPECT_EQ(waiting.state(), TaskState::failed);
  EXPECT_EQ(waiting.error()->code, ErrorCode::timed_out);
  turn();
  EXPECT_EQ(running.state(), TaskState::failed);
  EXPECT_EQ(running.error()->code, ErrorCode::timed_out);
  EXPECT_EQ(gate.entered, 1);
  EXPECT_EQ(pool.statistics().timed_out, 2U);
  EXPECT_EQ(pool.statistics().failed, 2U);
}

TEST_F(TaskPoolTest, a_task_that_succeeds_after_its_deadline_has_timed_out) {
  TaskPool pool(loop, options(1, 2));
  TaskOptions soon;
  soon.deadline = loop.refresh_now() + hours(1);
  bool was_told = false;
  auto handle = *pool.submit(
      [&](TaskPool::Context& context) -> Task<Result<>> {
        loop.timers().advance(loop.now() + hours(2));  // it takes its time, and does not look whether it still may
        was_told = context.is_cancelled();
        co_return Result<>();
      },
      soon);
  turn();
  EXPECT_TRUE(was_told);
  EXPECT_EQ(handle.state(), TaskState::failed);
  ASSERT_TRUE(handle.error());
  EXPECT_EQ(handle.error()->code, ErrorCode::timed_out);
  EXPECT_EQ(pool.statistics().timed_out, 1U);
  EXPECT_EQ(pool.statistics().completed, 0U);
}

Task<TaskState> submit_and_wait(TaskPool* pool, TaskPool::Coroutine coroutine) {
  auto handle = pool->submit(std::move(coroutine));
  if (!handle) co_return TaskState::failed;
  co_return co_await pool->wait(*handle);
}

Task<Result<>> descend(TaskPool::Context* context, int depth, int* deepest) {
  *deepest = std::max(*deepest, depth);
  if (depth == 0) co_return Result<>();
  TaskPool::Coroutine next = [=](TaskPool::Context& inner) { return descend(&inner, depth - 1, deepest); };
  auto handle = context->submit(std::move(next));
  if (!handle) co_return std::unexpected(handle.error());
  const TaskState state = co_await context->wait(*handle);
  if (state != TaskState::completed) co_return fail(ErrorCode::rejected, "the inner task failed");
  co_return Result<>();
}

TEST_F(TaskPoolTest, tasks_that_wait_for_tasks_never_deadlock) {
  TaskPool pool(loop, options(1, 4));
  int deepest = 0;
  TaskPool::Coroutine outer = [&deepest](TaskPool::Context& context) { return descend(&context, 50, &deepest); };
  EXPECT_EQ(block_on(loop, submit_and_wait(&pool, std::move(outer))), TaskState::completed);
  EXPECT_EQ(deepest, 50);
  EXPECT_EQ(pool.statistics().running, 0U);
  EXPECT_EQ(pool.statistics().running_max, 1U);
  EXPECT_EQ(pool.statistics().completed, 51U);
}

TEST_F(TaskPoolTest, many_trees_of_tasks_share_few_places) {
  TaskPool pool(loop, options(2, 100));
  int deepest = 0;
  std::vector<TaskPool::Handle> handles;
  for (int i = 0; i < 20; ++i) {
    TaskPool::Coroutine outer = [&deepest](TaskPool::Context& context) { return descend(&context, 8, &deepest); };
    handles.push_back(*pool.submit(std::move(outer)));
  }
  for (int i = 0; i < 200 && pool.statistics().finished() < 180; ++i) turn();
  EXPECT_EQ(pool.statistics().completed, 180U);
  EXPECT_EQ(pool.statistics().running_max, 2U);
}

TEST_F(TaskPoolTest, may_end_with_tasks_waiting_and_running) {
  Gate gate(loop);
  TaskPool::Handle running, waiting;
  {
    TaskPool pool(loop, options(1, 2));
    running = *pool.submit(gate.task());
    turn();
    waiting = *pool.submit(gate.task());
  }
  EXPECT_EQ(waiting.state(), TaskState::cancelled);
  turn();
  EXPECT_EQ(running.state(), TaskState::cancelled);
}

TEST_F(TaskPoolTest, may_end_with_the_loop) {
  auto own = std::make_unique<EventLoop>();
  auto gate = std::make_unique<Gate>(*own);
  auto pool = std::make_unique<TaskPool>(*own, options(1, 2));
  ASSERT_TRUE(pool->submit(gate->task()));
  own->post([&] { own->post([&] { own->stop(); }); });
  own->run();
  EXPECT_EQ(gate->entered, 1);
  pool.reset();
  gate.reset();
  own.reset();  // what the task waits for is gone, nothing resumes it
}

TEST_F(TaskPoolTest, records_are_used_again) {
  TaskPool pool(loop, options(4, 100));
  for (int round = 0; round < 50; ++round) {
    std::vector<TaskPool::Handle> kept;
    for (int i = 0; i < 20; ++i) kept.push_back(*pool.submit(succeed));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(pool.submit(succeed));  // dropped before it runs
    turn();
    for (const TaskPool::Handle& handle : kept) ASSERT_EQ(handle.state(), TaskState::completed);
  }
  EXPECT_EQ(pool.statistics().completed, 2000U);
}

TEST(TaskStateTest, has_names) {
  EXPECT_EQ(name_of(TaskState::pending), "pending");
  EXPECT_EQ(name_of(TaskState::cancelled), "cancelled");
}

TEST_F(TaskPoolTest, takes_no_tasks_after_its_end) {
  std::optional<TaskPool> pool(std::in_place, loop, options(2, 10));
  Gate gate(loop);
  std::optional<Error> refused;
  bool has_run = false;
  const auto outlives = [&](TaskPool::Context& context) -> Task<Result<>> {
    const auto waited = co_await Gate::pass(&gate);  // until the end of the pool
    const auto late = context.submit([&has_run]() -> Result<> {
      has_run = true;
      return {};
    });
    if (!late) refused = late.error();
    co_return waited;
  };
  ASSERT_TRUE(pool->submit(TaskPool::Coroutine(outlives)));
  turn();
  EXPECT_EQ(gate.entered, 1);
  pool.reset();
  turn();
  turn();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::closed);
  EXPECT_FALSE(has_run);
}

}  // namespace
}  // namespace marketprism::async
