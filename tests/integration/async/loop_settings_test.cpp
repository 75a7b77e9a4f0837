#include <sched.h>

#include <gtest/gtest.h>

#include "marketprism/async/runtime.hpp"

namespace marketprism::async {
namespace {

TEST(LoopSettingsTest, a_busy_loop_runs_timers_posts_and_stops) {
  RuntimeOptions options;
  options.loop.busy_poll = std::chrono::microseconds(200);
  options.loop.tick = std::chrono::milliseconds(1);
  Runtime runtime(options);
  EventLoop& loop = runtime.loop(0);
  int woken = 0;
  loop.spawn([](EventLoop* on, int* count) -> Task<> {
    for (; *count < 5; ++*count) co_await on->sleep_for(std::chrono::milliseconds(2));
    on->post([on] { on->stop(); });
  }(&loop, &woken));
  runtime.run();
  EXPECT_EQ(woken, 5);
}

TEST(LoopSettingsTest, binds_loops_to_cores_and_survives_a_core_that_is_not_there) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  int core = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(core), &allowed)) ++core;
  RuntimeOptions options;
  options.loops = 2;
  options.cores = {core, 100'000};
  Runtime runtime(options);
  int bound_to = -1;
  runtime.loop(1).post([&] {
    runtime.loop(0).post([&] {
      bound_to = sched_getcpu();
      runtime.stop();
    });
  });
  runtime.start();
  runtime.join();
  EXPECT_EQ(bound_to, core);
}

}  // namespace
}  // namespace marketprism::async
