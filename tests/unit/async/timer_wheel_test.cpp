#include "marketprism/async/timer_wheel.hpp"

#include <memory>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::async {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start{seconds(1000)};

struct Alarm {
  explicit Alarm(TimerWheel& the_wheel)
      : wheel(the_wheel), timer([](void* self) { ++static_cast<Alarm*>(self)->fired; }, this) {}
  TimerWheel& wheel;
  Timer timer;
  int fired = 0;
};

TEST(TimerWheelTest, fires_once_at_the_deadline_never_before) {
  TimerWheel wheel(start, milliseconds(10));
  Alarm alarm(wheel);
  wheel.arm(alarm.timer, start + milliseconds(105));
  EXPECT_EQ(wheel.size(), 1U);
  EXPECT_EQ(wheel.advance(start + milliseconds(104)), 0U);
  EXPECT_EQ(wheel.advance(start + milliseconds(105)), 0U);  // inside the tick: coarse
  EXPECT_EQ(wheel.advance(start + milliseconds(110)), 1U);
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_FALSE(alarm.timer.is_armed());
  EXPECT_EQ(wheel.advance(start + hours(1)), 0U);
}

TEST(TimerWheelTest, a_past_deadline_fires_at_the_next_tick) {
  TimerWheel wheel(start, milliseconds(10));
  wheel.advance(start + seconds(5));
  Alarm alarm(wheel);
  wheel.arm(alarm.timer, start);
  EXPECT_EQ(wheel.advance(start + seconds(5)), 0U);
  EXPECT_EQ(wheel.advance(start + seconds(5) + milliseconds(10)), 1U);
}

TEST(TimerWheelTest, moves_later_earlier_and_away) {
  TimerWheel wheel(start, milliseconds(10));
  Alarm alarm(wheel);
  wheel.arm(alarm.timer, start + seconds(1));
  wheel.arm(alarm.timer, start + seconds(100));
  EXPECT_EQ(wheel.advance(start + seconds(50)), 0U);
  wheel.arm(alarm.timer, start + seconds(60));
  EXPECT_EQ(wheel.advance(start + seconds(59)), 0U);
  EXPECT_EQ(wheel.advance(start + seconds(60)), 1U);
  wheel.arm(alarm.timer, start + seconds(70));
  alarm.timer.disarm();
  EXPECT_EQ(wheel.size(), 0U);
  EXPECT_EQ(wheel.advance(start + seconds(100)), 0U);
}

TEST(TimerWheelTest, takes_deadlines_beyond_its_turn) {
  TimerWheel wheel(start, milliseconds(10));
  Alarm far(wheel);
  Alarm never(wheel);
  wheel.arm(far.timer, start + hours(24 * 10));
  wheel.arm(never.timer, Instant::max());
  EXPECT_EQ(wheel.advance(start + hours(24 * 10) - milliseconds(10)), 0U);
  EXPECT_EQ(wheel.advance(start + hours(24 * 10)), 1U);
  EXPECT_EQ(far.fired, 1);
  EXPECT_TRUE(never.timer.is_armed());
}

TEST(TimerWheelTest, callbacks_may_rearm_and_destroy) {
  TimerWheel wheel(start, milliseconds(10));
  struct Repeating {
    explicit Repeating(TimerWheel& the_wheel)
        : wheel(the_wheel),
          timer(
              [](void* self) {
                auto& me = *static_cast<Repeating*>(self);
                ++me.fired;
                me.victim.reset();
                me.wheel.arm(me.timer, me.timer.deadline() + milliseconds(10));
              },
              this) {}
    TimerWheel& wheel;
    Timer timer;
    std::unique_ptr<Alarm> victim;
    int fired = 0;
  };
  Repeating repeating(wheel);
  repeating.victim = std::make_unique<Alarm>(wheel);
  // Linked in this order so that the repeating timer, met first in the slot, destroys one that is due with it.
  wheel.arm(repeating.victim->timer, start + milliseconds(10));
  wheel.arm(repeating.timer, start + milliseconds(10));
  EXPECT_EQ(wheel.advance(start + milliseconds(10)), 1U);
  EXPECT_EQ(wheel.size(), 1U);
  EXPECT_EQ(wheel.advance(start + milliseconds(100)), 9U);
  EXPECT_EQ(repeating.fired, 10);
}

TEST(TimerWheelTest, the_wheel_may_go_before_its_timers) {
  std::optional<TimerWheel> wheel(std::in_place, start, milliseconds(10));
  Alarm alarm(*wheel);
  wheel->arm(alarm.timer, start + seconds(1));
  wheel.reset();
  EXPECT_FALSE(alarm.timer.is_armed());
}

// The wheel against a plain list, through random arms, moves, disarms and steps of very different sizes.
TEST(TimerWheelTest, equals_a_list_of_deadlines_on_random_schedules) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    TimerWheel wheel(start, milliseconds(10));
    std::vector<std::unique_ptr<Alarm>> alarms;
    std::vector<int> expected(50, 0);
    std::vector<std::optional<Instant>> deadlines(50);
    for (int i = 0; i < 50; ++i) alarms.push_back(std::make_unique<Alarm>(wheel));
    Instant now = start;
    for (int step = 0; step < 1000; ++step) {
      const std::size_t which = random.below(alarms.size());
      if (random.chance(0.1)) {
        alarms[which]->timer.disarm();
        deadlines[which].reset();
      } else if (random.chance(0.7)) {
        const Instant deadline =
            now + milliseconds(static_cast<std::int64_t>(random.below(std::uint64_t{1} << random.below(25))));
        wheel.arm(alarms[which]->timer, deadline);
        deadlines[which] = deadline;
      }
      const std::int64_t ticks_before = (now - start).count() / 10'000'000;
      now += milliseconds(static_cast<std::int64_t>(random.below(std::uint64_t{1} << random.below(17))));
      wheel.advance(now);
      const std::int64_t ticks = (now - start).count() / 10'000'000;
      for (std::size_t i = 0; i < alarms.size(); ++i) {
        // Due: its deadline lies at or before the last whole tick, and a tick has passed since it was armed.
        if (deadlines[i] && *deadlines[i] <= start + milliseconds(10 * ticks) && ticks > ticks_before) {
          ++expected[i];
          deadlines[i].reset();
        }
        ASSERT_EQ(alarms[i]->fired, expected[i]) << "timer " << i << " step " << step;
        ASSERT_EQ(alarms[i]->timer.is_armed(), deadlines[i].has_value()) << "timer " << i << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace marketprism::async
