#include "marketprism/memory/leak_detector.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::memory {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr double kib = 1024, mib = 1024 * 1024;
constexpr double base = 100 * mib;

/// Bytes at a time in minutes; the generator gives it its noise.
using Shape = std::function<double(double, Random&)>;

double gaussian(Random& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += random.fraction();
  return sum - 6;
}

/// Feeds a value every five seconds; the minute of the first alarm, or NAN.
double first_alarm(const Shape& shape, double total_minutes, std::uint64_t seed, LeakDetector& detector) {
  Random random(seed);
  for (double minute = 0; minute < total_minutes; minute += 1.0 / 12) {
    const auto time =
        Instant(std::chrono::hours(5)) + std::chrono::duration_cast<Nanoseconds>(seconds(1) * minute * 60);
    detector.add(time, static_cast<std::uint64_t>(std::max(0.0, shape(minute, random))));
    if (detector.verdict().status == LeakStatus::leaking) return minute;
  }
  return NAN;
}

double first_alarm(const Shape& shape, double total_minutes, std::uint64_t seed = 1) {
  LeakDetector detector;
  return first_alarm(shape, total_minutes, seed, detector);
}

struct Innocent {
  const char* name;
  std::function<Shape(Random&)> make;  // with parameters of its own for every seed
  int alarms_max = 0;                  // in 120 hours
};

Shape noise_around(const std::function<double(double)>& curve, double amplitude) {
  return [=](double t, Random& random) { return curve(t) + amplitude * gaussian(random); };
}

/// What does not leak, whatever it looks like for a while.
const Innocent innocents[] = {
    {"noise", [](Random& r) { return noise_around([](double) { return base; }, 3 * mib * r.fraction()); }},
    {"warm-up",
     [](Random& r) {
       const double size = 200 * mib * r.fraction(), time = 0.5 + 9 * r.fraction();
       return noise_around([=](double t) { return base + size * (1 - std::exp(-t / time)); }, 300 * kib * r.fraction());
     }},
    {"sawtooth",
     [](Random& r) {
       const double size = 20 * mib * r.fraction(), period = 0.3 + 8 * r.fraction();
       return noise_around([=](double t) { return base + size * (t / period - std::floor(t / period)); },
                           200 * kib * r.fraction());
     }},
    {"steps",  // three things allocated once, each at some time
     [](Random& r) {
       const double a = 180 * r.fraction(), b = 180 * r.fraction(), c = 180 * r.fraction(),
                    size = 10 * mib * r.fraction();
       return noise_around([=](double t) { return base + size * ((t > a) + (t > b) + (t > c)); },
                           200 * kib * r.fraction());
     }},
    {"wave",
     [](Random& r) {
       const double size = 10 * mib * r.fraction(), period = 2 + 10 * r.fraction();
       return noise_around([=](double t) { return base + size * std::sin(t / period * 6.28318); },
                           200 * kib * r.fraction());
     }},
    {"load that comes and goes",  // x' = rx + noise, with a memory of one to five minutes
     [](Random& r) {
       const double keep = std::exp(-1.0 / 12 / (1 + 4 * r.fraction())), size = 500 * kib * r.fraction();
       return [=, level = 0.0](double, Random& random) mutable {
         return base + (level = keep * level + size * gaussian(random));
       };
     },
     2},
    {"slow growth",  // not worth an alarm
     [](Random& r) {
       const double rate = 12 * kib * r.fraction();
       return noise_around([=](double t) { return base + rate * t; }, 500 * kib * r.fraction());
     }},
};

void PrintTo(const Innocent& innocent, std::ostream* out) { *out << innocent.name; }

class LeakDetectorInnocentTest : public testing::TestWithParam<Innocent> {};

// Three hours each: 120 hours of each kind.
TEST_P(LeakDetectorInnocentTest, hardly_ever_alarms) {
  int alarms = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random parameters(seed * 7919);
    const double minute = first_alarm(GetParam().make(parameters), 180, seed);
    if (!std::isnan(minute)) ++alarms;
  }
  RecordProperty("false_alarms", alarms);
  EXPECT_LE(alarms, GetParam().alarms_max);
}

INSTANTIATE_TEST_SUITE_P(Shapes, LeakDetectorInnocentTest, testing::ValuesIn(innocents), [](const auto& one) {
  std::string name = one.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

// 100 KiB a minute, in noise of up to 200 KiB standard deviation, from the start, from later on, under a fast sawtooth
// and after a warm-up.
TEST(LeakDetectorTest, finds_a_leak_within_twenty_minutes_of_its_start) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random parameters(seed);
    const double from = seed % 4 == 0 ? 0 : 90 * parameters.fraction();
    const double noise = 200 * kib * parameters.fraction();
    const double tooth = seed % 3 == 0 ? mib : 0;
    const double warm_up = seed % 5 == 0 && from > 30 ? 50 * mib : 0;
    const auto shape = [&](double t, Random& random) {
      return base + warm_up * (1 - std::exp(-t / 2)) + tooth * random.fraction() + noise * gaussian(random) +
             std::max(0.0, t - from) * 100 * kib;
    };
    const double minute = first_alarm(shape, from + 40, seed);
    EXPECT_GE(minute, from) << "seed " << seed;
    EXPECT_LE(minute, from + 20) << "seed " << seed << ", noise " << noise / kib << " KiB, tooth " << tooth / mib;
  }
}

TEST(LeakDetectorTest, says_how_fast_and_how_sure) {
  LeakDetector detector;
  const auto shape = [](double t, Random& random) { return base + t * 500 * kib + 100 * kib * gaussian(random); };
  const double minute = first_alarm(shape, 30, 3, detector);
  ASSERT_LE(minute, 20);
  const LeakVerdict& verdict = detector.verdict();
  EXPECT_NEAR(verdict.rate, 500 * kib, 30 * kib);
  EXPECT_LE(verdict.rate_low, 500 * kib);
  EXPECT_GE(verdict.rate_high, 500 * kib);
  EXPECT_GT(verdict.rate_low, 400 * kib);
  EXPECT_EQ(verdict.severity, LeakSeverity::medium);
  EXPECT_EQ(verdict.alarms, 1U);
  EXPECT_TRUE(verdict.since.has_value());
}

TEST(LeakDetectorTest, a_leak_in_pieces_is_found_too) {
  const auto shape = [](double t, Random&) { return base + std::floor(t * 100 / 128) * 128 * kib; };
  EXPECT_LE(first_alarm(shape, 60), 20);
}

TEST(LeakDetectorTest, the_alarm_ends_with_the_leak) {
  LeakDetector detector;
  const auto shape = [](double t, Random&) { return base + std::min(t, 40.0) * mib; };
  Random random(1);
  ASSERT_LE(first_alarm(shape, 30, 1, detector), 20);
  LeakDetector whole;
  for (double minute = 0; minute < 80; minute += 0.5) {
    whole.add(Instant(std::chrono::duration_cast<Nanoseconds>(seconds(60) * minute)),
              static_cast<std::uint64_t>(shape(minute, random)));
  }
  EXPECT_EQ(whole.verdict().status, LeakStatus::steady);
  EXPECT_EQ(whole.verdict().alarms, 1U);
  EXPECT_FALSE(whole.verdict().since.has_value());
}

TEST(LeakDetectorTest, calls_a_warm_up_settling) {
  LeakDetector detector;
  bool was_settling = false;
  for (double minute = 0; minute < 60; minute += 0.25) {
    detector.add(Instant(std::chrono::duration_cast<Nanoseconds>(seconds(60) * minute)),
                 static_cast<std::uint64_t>(base + 100 * mib * (1 - std::exp(-minute / 6))));
    was_settling = was_settling || detector.verdict().status == LeakStatus::settling;
    ASSERT_NE(detector.verdict().status, LeakStatus::leaking) << minute;
  }
  EXPECT_TRUE(was_settling);
  EXPECT_EQ(detector.verdict().status, LeakStatus::steady);
}

TEST(LeakDetectorTest, gaps_in_the_values_do_no_harm) {
  LeakDetector detector;
  detector.add(Instant{}, 1);
  detector.add(Instant(minutes(4)), 1);
  detector.add(Instant(std::chrono::hours(100)), 1U << 30);
  detector.add(Instant(std::chrono::hours(200)), 1U << 31);
  EXPECT_EQ(detector.verdict().status, LeakStatus::measuring);
}

}  // namespace
}  // namespace marketprism::memory
