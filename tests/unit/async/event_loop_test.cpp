#include "marketprism/async/event_loop.hpp"

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/queue.hpp"
#include "marketprism/async/runtime.hpp"
#include "marketprism/async/signal.hpp"

namespace marketprism::async {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;

// Deadlines in these tests only end a hanging test.
Instant far(EventLoop& loop) { return loop.refresh_now() + hours(1); }

TEST(EventLoopTest, runs_posted_work_in_order_until_stopped) {
  EventLoop loop;
  std::vector<int> order;
  loop.post([&] { order.push_back(1); });
  loop.post([&] {
    order.push_back(2);
    EXPECT_TRUE(loop.is_current());
    loop.stop();
  });
  EXPECT_FALSE(loop.is_current());
  loop.run();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(EventLoopTest, a_stop_before_the_run_holds) {
  EventLoop loop;
  loop.stop();
  loop.run();  // would never return
}

TEST(EventLoopTest, timers_fire_while_it_runs) {
  EventLoopOptions options;
  options.tick = milliseconds(1);
  EventLoop loop(options);
  Timer timer([](void* context) { static_cast<EventLoop*>(context)->stop(); }, &loop);
  loop.timers().arm(timer, loop.now() + milliseconds(2));
  const Instant before = loop.now();
  loop.run();
  EXPECT_GE(loop.now(), before + milliseconds(2));
}

Task<int> answer() { co_return 42; }
Task<> throws() {
  throw std::runtime_error("boom");
  co_return;
}

TEST(EventLoopTest, a_stall_is_late_for_every_tick_it_hides) {
  EventLoop loop({.tick = milliseconds(5)});
  loop.post([] { std::this_thread::sleep_for(milliseconds(100)); });
  block_on(loop, loop.sleep_for(milliseconds(130)));
  // A fifth of the run went by in ticks on time; the others were late by 100, 95, 90 … ms.
  const Histogram& lag = loop.pulse().lag_ns;
  EXPECT_GE(lag.count(), 20U);
  EXPECT_GE(lag.quantile(0.5), Nanoseconds(milliseconds(20)).count());
}

TEST(EventLoopTest, block_on_gives_the_value_or_the_exception) {
  EventLoop loop;
  EXPECT_EQ(block_on(loop, answer()), 42);
  EXPECT_THROW(block_on(loop, throws()), std::runtime_error);
  EXPECT_EQ(block_on(loop, answer()), 42);
}

Task<> wait_for(Signal& signal, Instant deadline, std::vector<Signal::Outcome>& outcomes) {
  outcomes.push_back(co_await signal.wait(deadline));
}

// Does something once a coroutine waits for the signal.
void when_waited_for(EventLoop& loop, Signal& signal, std::function<void()> action) {
  loop.post([&loop, &signal, action = std::move(action)]() mutable {
    if (signal.has_waiter()) {
      action();
    } else {
      when_waited_for(loop, signal, std::move(action));
    }
  });
}

TEST(SignalTest, is_remembered_until_somebody_waits) {
  EventLoop loop;
  Signal signal(loop);
  std::vector<Signal::Outcome> outcomes;
  signal.set();
  block_on(loop, wait_for(signal, far(loop), outcomes));
  when_waited_for(loop, signal, [&] { signal.set(); });
  block_on(loop, wait_for(signal, far(loop), outcomes));
  EXPECT_THAT(outcomes, ElementsAre(Signal::Outcome::set, Signal::Outcome::set));
}

TEST(SignalTest, times_out_and_can_be_waited_for_again) {
  EventLoop loop;
  Signal signal(loop);
  std::vector<Signal::Outcome> outcomes;
  block_on(loop, wait_for(signal, loop.now() - milliseconds(1), outcomes));
  when_waited_for(loop, signal, [&] { signal.cancel(); });
  block_on(loop, wait_for(signal, far(loop), outcomes));
  EXPECT_FALSE(signal.has_waiter());
  when_waited_for(loop, signal, [&] { signal.set(); });
  block_on(loop, wait_for(signal, far(loop), outcomes));
  EXPECT_THAT(outcomes, ElementsAre(Signal::Outcome::timed_out, Signal::Outcome::cancelled, Signal::Outcome::set));
}

TEST(SignalTest, hears_a_cancellation_of_the_waiting_task) {
  EventLoop loop;
  Signal signal(loop);
  boost::asio::cancellation_signal cancel;
  std::optional<Signal::Outcome> outcome;
  boost::asio::co_spawn(
      loop.context(), signal.wait(far(loop)),
      boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, Signal::Outcome result) {
        outcome = result;
        loop.stop();
      }));
  when_waited_for(loop, signal, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });
  loop.run();
  EXPECT_EQ(outcome, Signal::Outcome::cancelled);
  cancel.emit(boost::asio::cancellation_type::terminal);  // late: nobody is there any more
}

// A coroutine that waits for its own signal when the loop goes must be destroyed, not lost (the leak checker tells).
Task<> waits_for_itself(EventLoop& loop, std::shared_ptr<int> witness) {
  Signal mine(loop);
  co_await mine.wait();
  ADD_FAILURE() << "resumed while the loop is destroyed; witness " << *witness;
}

TEST(SignalTest, waiting_coroutines_end_with_the_loop) {
  auto witness = std::make_shared<int>(7);
  {
    EventLoop loop;
    loop.spawn(waits_for_itself(loop, witness));
    loop.spawn(waits_for_itself(loop, witness));
    loop.post([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
    EXPECT_EQ(witness.use_count(), 3);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(RuntimeTest, runs_every_loop_on_a_thread_of_its_own) {
  RuntimeOptions options;
  options.loops = 3;
  options.thread_name = "a-rather-long-name";
  Queue<std::string> names;  // before the threads that push into it
  Runtime runtime(options);
  runtime.start();
  for (std::size_t i = 0; i < runtime.size(); ++i) {
    runtime.loop(i).post([&names, &runtime, i] {
      char name[16] = {};
      pthread_getname_np(pthread_self(), name, sizeof name);
      names.push(std::string(name) + (runtime.loop(i).is_current() ? "" : " on the wrong thread"));
    });
  }
  std::vector<std::string> seen;
  while (seen.size() < 3 && names.wait_pop(seen, 3, std::chrono::seconds(20)) != 0) {
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAre("a-rather-long-0", "a-rather-long-1", "a-rather-long-2"));
  EXPECT_NE(&runtime.next_loop(), &runtime.next_loop());
}

TEST(RuntimeTest, runs_on_the_callers_thread_until_a_loop_stops_it) {
  RuntimeOptions options;
  options.loops = 2;
  Runtime runtime(options);
  const auto caller = std::this_thread::get_id();
  std::thread::id first;
  runtime.loop(0).post([&] {
    first = std::this_thread::get_id();
    runtime.loop(1).post([&] { runtime.stop(); });
  });
  runtime.run();
  EXPECT_EQ(first, caller);
}

// An event loop as the consumer of a queue: woken once for each time the queue stops being empty.
TEST(RuntimeTest, a_queue_wakes_a_loop) {
  Runtime runtime;
  EventLoop& loop = runtime.loop(0);
  Queue<int> queue;
  std::vector<int> got;
  constexpr int count = 5000;
  queue.on_ready([&] {
    loop.post([&] {
      while (queue.pop(got) != 0) {
      }
      if (got.size() == count) loop.stop();
    });
  });
  std::thread producer([&queue] {
    for (int i = 0; i < count; ++i) {
      while (queue.push(i) == PushOutcome::full) std::this_thread::yield();
    }
  });
  runtime.run();
  producer.join();
  ASSERT_EQ(got.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(got.back(), count - 1);
}

}  // namespace
}  // namespace marketprism::async
