#include "marketprism/feed/snapshot_schedule.hpp"

#include <gtest/gtest.h>

namespace marketprism::feed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Instant at(Nanoseconds time) { return Instant(time); }

TEST(SnapshotSchedule, FetchesEachSymbolOnceInOrder) {
  SnapshotSchedule schedule({.in_flight_max = 2});
  for (const char* symbol : {"A", "B", "A", "C", "B"}) schedule.want(symbol, at(seconds(1)));
  EXPECT_EQ(schedule.next(at(seconds(1))), "A");
  EXPECT_EQ(schedule.next(at(seconds(1))), "B");
  EXPECT_FALSE(schedule.next(at(seconds(1))));  // two are on their way
  EXPECT_EQ(schedule.wake_at(), Instant::max());
  schedule.want("A", at(seconds(1)));  // while in flight: nothing more
  schedule.finished("A", true, at(seconds(1)));
  EXPECT_EQ(schedule.next(at(seconds(1))), "C");
  schedule.finished("B", true, at(seconds(1)));
  EXPECT_FALSE(schedule.next(at(seconds(1))));
}

TEST(SnapshotSchedule, WaitsLongerAfterEachAnswerThatDidNotHelp) {
  SnapshotSchedule schedule;
  schedule.want("A", at(seconds(1)));
  Instant now = at(seconds(1));
  Nanoseconds last(0);
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(schedule.next(now), "A");
    schedule.finished("A", false, now);
    const Nanoseconds pause = schedule.wake_at() - now;
    EXPECT_GE(pause, last);
    EXPECT_LE(pause, seconds(30));
    EXPECT_FALSE(schedule.next(now + pause - milliseconds(1)));
    last = pause;
    now += pause;
  }
  EXPECT_EQ(last, seconds(30));
  ASSERT_EQ(schedule.next(now), "A");
  schedule.finished("A", true, now);
  schedule.want("A", now);
  EXPECT_EQ(schedule.next(now), "A");  // at once again
}

TEST(SnapshotSchedule, ForgetsASymbolAtAnyPoint) {
  SnapshotSchedule schedule({.in_flight_max = 1});
  schedule.want("A", at(seconds(1)));
  schedule.want("B", at(seconds(1)));
  ASSERT_EQ(schedule.next(at(seconds(1))), "A");
  schedule.forget("A");
  schedule.forget("B");
  EXPECT_EQ(schedule.in_flight(), 0U);
  EXPECT_FALSE(schedule.next(at(seconds(1))));
  schedule.finished("A", false, at(seconds(1)));  // its answer comes late
  EXPECT_EQ(schedule.waiting(), 0U);
}

}  // namespace
}  // namespace marketprism::feed
