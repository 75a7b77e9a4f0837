#include "marketprism/async/operation_timer.hpp"

#include <gtest/gtest.h>

namespace marketprism::async {
namespace {

TEST(OperationTimerTest, counts_and_forgets_for_the_recent_mean) {
  OperationTimer timer("decode");
  EXPECT_EQ(timer.statistics().mean(), Nanoseconds(0));
  EXPECT_EQ(timer.statistics().recent_mean, Nanoseconds(0));
  timer.add(Nanoseconds(300));
  timer.add(Nanoseconds(100));
  EXPECT_EQ(timer.statistics().recent_mean, Nanoseconds(200));
  for (int i = 0; i < 64; ++i) timer.add(Nanoseconds(1000));
  const OperationStatistics now = timer.statistics();
  EXPECT_EQ(now.name, "decode");
  EXPECT_EQ(now.count, 66U);
  EXPECT_EQ(now.total, Nanoseconds(64'400));
  EXPECT_EQ(now.mean(), Nanoseconds(64'400 / 66));
  EXPECT_EQ(now.min, Nanoseconds(100));
  EXPECT_EQ(now.max, Nanoseconds(1000));
  EXPECT_EQ(now.recent_mean, Nanoseconds(1000));
}

TEST(OperationTimerTest, times_a_scope) {
  OperationTimer timer("scope");
  {
    const OperationTimer::Scope scope(timer);
  }
  EXPECT_EQ(timer.statistics().count, 1U);
  EXPECT_GE(timer.statistics().total, Nanoseconds(0));
}

}  // namespace
}  // namespace marketprism::async
