#include "marketprism/async/loop_monitor.hpp"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::async {
namespace {

using testing::Contains;
using testing::HasSubstr;

/// Stands still until the watchdog has noticed; 20 seconds are for a machine that is very busy.
[[gnu::noinline]] bool stand_still(const std::atomic<int>& alarms, int wanted) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (alarms < wanted && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return alarms >= wanted;
}

TEST(LoopMonitorTest, names_a_handler_that_blocks_with_its_stack) {
  std::atomic<int> noticed = 0;
  LoopMonitor monitor;
  monitor.on_alarm([&](const LoopAlarm&) { ++noticed; });
  RuntimeOptions options;
  options.loops = 2;
  Runtime runtime(options);
  monitor.watch(runtime, "collector");
  std::atomic<bool> was_noticed = false;
  runtime.loop(1).post([&] {
    const HandlerScope scope(runtime.loop(1).pulse(), "planted");
    was_noticed = stand_still(noticed, 1);
    runtime.loop(1).post([&] { runtime.stop(); });
  });
  runtime.run();
  ASSERT_TRUE(was_noticed);
  ASSERT_GE(monitor.alarm_count(), 1U);
  const LoopAlarm alarm = monitor.alarms().front();
  EXPECT_EQ(alarm.loop, "collector-1");
  EXPECT_EQ(alarm.handler, "planted");
  EXPECT_GE(alarm.blocked_for, std::chrono::milliseconds(100));
  EXPECT_THAT(alarm.stack, Contains(HasSubstr("stand_still")));
  const LoopStatistics now = loop_statistics(runtime.loop(1), "collector-1");
  EXPECT_EQ(now.longest_handler_name, "planted");
  EXPECT_GE(now.longest_handler, std::chrono::milliseconds(100));
  EXPECT_EQ(loop_statistics(runtime.loop(0), "collector-0").longest_handler_name, "");
  monitor.forget(runtime.loop(0));
  monitor.forget(runtime.loop(1));
}

TEST(LoopMonitorTest, tells_how_long_a_loop_stood_in_the_end) {
  std::atomic<int> noticed = 0;
  LoopMonitor monitor;
  std::atomic<std::int64_t> told_ns = 0;
  monitor.on_alarm([&](const LoopAlarm& alarm) {
    told_ns = alarm.blocked_for.count();
    ++noticed;
  });
  EventLoop loop;
  monitor.watch(loop, "loop");
  Nanoseconds stood{};
  loop.post([&] {
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(stand_still(noticed, 1));
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    stood = std::chrono::steady_clock::now() - start;
  });
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto is_told = [&] {
    return monitor.alarm_count() > 0 && stood.count() > 0 && monitor.alarms().front().blocked_for >= stood;
  };
  const auto wait = [&]() -> Task<> {
    while (!is_told() && std::chrono::steady_clock::now() < give_up)
      co_await loop.sleep_for(std::chrono::milliseconds(5));
    loop.stop();
  };
  loop.spawn(wait());
  loop.run();
  ASSERT_EQ(monitor.alarm_count(), 1U);  // one time, one alarm
  EXPECT_GE(monitor.alarms().front().blocked_for, stood);
  EXPECT_GE(stood, Nanoseconds(told_ns) + std::chrono::milliseconds(300));
  monitor.forget(loop);
}

TEST(LoopMonitorTest, alarms_again_each_time) {
  std::atomic<int> noticed = 0;
  LoopMonitorOptions options;
  options.blocked_after = std::chrono::milliseconds(20);
  options.check_every = std::chrono::milliseconds(2);
  options.alarms_max = 2;
  LoopMonitor monitor(options);
  monitor.on_alarm([&](const LoopAlarm&) { ++noticed; });
  EventLoop loop;
  monitor.watch(loop, "loop");
  int blocked = 0;
  std::function<void()> block = [&] {
    ++blocked;
    EXPECT_TRUE(stand_still(noticed, blocked));
    // The loop must tick before it can be found blocked again.
    if (blocked == 3)
      loop.stop();
    else
      loop.spawn([](EventLoop* on, std::function<void()>* next) -> Task<> {
        co_await on->sleep_for(std::chrono::milliseconds(25));
        (*next)();
      }(&loop, &block));
  };
  loop.post([&] { block(); });
  loop.run();
  EXPECT_GE(monitor.alarm_count(), 3U);
  EXPECT_EQ(monitor.alarms().size(), 2U);  // bounded
  monitor.forget(loop);
}

TEST(LoopMonitorTest, records_the_lag_of_every_tick) {
  EventLoopOptions fast;
  fast.tick = std::chrono::milliseconds(1);
  EventLoop loop(fast);
  loop.spawn([](EventLoop* on) -> Task<> {
    while (on->pulse().lag_ns.count() < 20) co_await on->sleep_for(std::chrono::milliseconds(1));
    on->stop();
  }(&loop));
  loop.run();
  const LoopStatistics now = loop_statistics(loop, "loop");
  EXPECT_GE(now.lag_ns.count(), 20U);
  EXPECT_LE(now.lag_ns.min(), now.lag_ns.max());
}

}  // namespace
}  // namespace marketprism::async
