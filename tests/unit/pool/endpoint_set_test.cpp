#include "marketprism/pool/endpoint_set.hpp"

#include <map>

#include <gtest/gtest.h>

namespace marketprism::pool {
namespace {

using namespace std::chrono_literals;

constexpr Instant start{1000s};

std::vector<Endpoint> endpoints(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> priorities_and_weights) {
  std::vector<Endpoint> made;
  for (const auto& [priority, weight] : priorities_and_weights) {
    made.push_back({"host" + std::to_string(made.size()), 80, false, "", priority, weight});
  }
  return made;
}

void fail_times(EndpointSet& set, std::uint32_t endpoint, int times, Instant now, Random& random) {
  for (int i = 0; i < times; ++i) set.failed(endpoint, now, random);
}

TEST(EndpointSet, UsesTheBestPriorityOnly) {
  Random random(1);
  EndpointSet set(endpoints({{1, 1}, {0, 1}, {0, 1}}));
  for (int i = 0; i < 100; ++i) EXPECT_NE(set.choose(start, random), 0U);
  EXPECT_EQ(set.choose(start, random, {false, true, true}), 0U);
  EXPECT_FALSE(set.choose(start, random, {true, true, true}));
}

TEST(EndpointSet, SpreadsConnectionsByWeightAndLoad) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 3}}));
  for (int i = 0; i < 400; ++i) set.connection_opened(*set.choose(start, random));
  EXPECT_NEAR(set.load(0), 100, 10);
  EXPECT_NEAR(set.load(1), 300, 10);
}

TEST(EndpointSet, EjectsAfterFiveFailuresInARowForLongerEachTime) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}}));
  fail_times(set, 0, 4, start, random);
  set.succeeded(0, start);
  fail_times(set, 0, 4, start, random);
  EXPECT_FALSE(set.is_ejected(0, start));
  set.failed(0, start, random);
  EXPECT_TRUE(set.is_ejected(0, start + 29s));
  EXPECT_FALSE(set.is_ejected(0, start + 33s));  // 30 s and at most a tenth more
  for (int i = 0; i < 100; ++i) EXPECT_EQ(set.choose(start + 1s, random), 1U);
  fail_times(set, 0, 5, start + 40s, random);
  EXPECT_TRUE(set.is_ejected(0, start + 99s));
  EXPECT_FALSE(set.is_ejected(0, start + 106s));
  EXPECT_EQ(set.ejections(), 2U);
}

TEST(EndpointSet, FailedRequestsEjectThoughEveryDialSucceeds) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {1, 1}}));
  for (int i = 0; i < 4; ++i) {
    set.succeeded(0, start);
    set.request_failed(0, start, random);
  }
  EXPECT_EQ(set.consecutive_failures(0), 4U);
  set.request_succeeded(0, start);
  EXPECT_EQ(set.consecutive_failures(0), 0U);
  EXPECT_TRUE(set.is_proven(0));
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(set.is_ejected(0, start));
    set.request_failed(0, start, random);
    set.succeeded(0, start);
    EXPECT_TRUE(i >= 4 || !set.is_proven(0));
  }
  EXPECT_TRUE(set.is_ejected(0, start));
  EXPECT_FALSE(set.has_usable({false, true}, start));
  EXPECT_TRUE(set.has_usable({true, false}, start));
}

TEST(EndpointSet, EjectsAtMostHalfAndIgnoresEjectionInPanic) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}, {0, 1}, {0, 1}}));
  for (std::uint32_t i = 0; i < 3; ++i) fail_times(set, i, 5, start, random);
  EXPECT_TRUE(set.is_ejected(0, start) && set.is_ejected(1, start));
  EXPECT_FALSE(set.is_ejected(2, start));
  EXPECT_TRUE(set.is_panicking(start));
  std::map<std::uint32_t, int> chosen;
  for (int i = 0; i < 400; ++i) ++chosen[*set.choose(start, random)];
  EXPECT_EQ(chosen.size(), 4U);
}

TEST(EndpointSet, ASingleEndpointIsNeverEjected) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}}));
  fail_times(set, 0, 50, start, random);
  EXPECT_EQ(set.choose(start, random), 0U);
}

TEST(EndpointSet, TheStandbyTakesOverAndThePrimaryComesBackGradually) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {1, 1}}));
  fail_times(set, 0, 5, start, random);
  EXPECT_EQ(set.choose(start, random), 1U);
  EXPECT_FALSE(set.has_better(1, start));
  const auto share = [&](Instant now) {
    int primary = 0;
    for (int i = 0; i < 1'000; ++i) primary += set.choose(now, random) == 0U ? 1 : 0;
    return primary;
  };
  EXPECT_EQ(share(start + 29s), 0);
  const Instant back = start + 33s;
  EXPECT_TRUE(set.has_better(1, back));
  const int early = share(back);
  const int later = share(back + 15s);
  EXPECT_GT(early, 50);
  EXPECT_LT(early, 350);
  EXPECT_GT(later, early + 200);
  EXPECT_EQ(share(back + 31s), 1'000);
}

TEST(EndpointSet, WithNothingElseLeftAnEjectedEndpointIsTried) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}}));
  fail_times(set, 0, 5, start, random);
  EXPECT_EQ(set.choose(start, random, {false, true}), 0U);
}

// 100 outcomes of each endpoint, spread evenly; then a failure at the end of the window lets them be compared.
void pass_window(EndpointSet& set, std::initializer_list<int> failures_in_100, Instant now, Random& random) {
  for (int i = 0; i < 100; ++i) {
    std::uint32_t endpoint = 0;
    for (const int failures : failures_in_100) {
      if (i * failures / 100 != (i + 1) * failures / 100) {
        set.failed(endpoint, now, random);
      } else {
        set.succeeded(endpoint, now);
      }
      ++endpoint;
    }
  }
  set.failed(0, now + 10s, random);
}

TEST(EndpointSet, EjectsWhatSucceedsFarLessOftenThanTheOthers) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}, {0, 1}}));
  set.failed(0, start, random);  // begins the first window
  pass_window(set, {2, 40, 3}, start, random);
  EXPECT_TRUE(set.is_ejected(1, start + 10s));
  EXPECT_FALSE(set.is_ejected(0, start + 10s) || set.is_ejected(2, start + 10s));
  EXPECT_EQ(set.outlier_ejections(), 1U);
  EXPECT_EQ(set.consecutive_failures(1), 0U);  // it was not failures in a row
}

TEST(EndpointSet, NoOutlierWhereAllFailAlikeOrTooLittleIsKnown) {
  Random random(1);
  EndpointSet alike(endpoints({{0, 1}, {0, 1}, {0, 1}}));
  alike.failed(0, start, random);
  pass_window(alike, {40, 45, 50}, start, random);
  EXPECT_EQ(alike.ejections(), 0U);

  EjectionConfig config;
  config.window_outcomes = 200;
  EndpointSet unknown(endpoints({{0, 1}, {0, 1}}), config);
  unknown.failed(0, start, random);
  pass_window(unknown, {0, 40}, start, random);
  EXPECT_EQ(unknown.ejections(), 0U);

  config.window_outcomes = 0;
  EndpointSet off(endpoints({{0, 1}, {0, 1}}), config);
  off.failed(0, start, random);
  pass_window(off, {0, 40}, start, random);
  EXPECT_EQ(off.ejections(), 0U);
}

TEST(EndpointSet, OfManyOutliersAtMostHalfAreEjectedTheWorstFirst) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}, {0, 1}, {0, 1}}));
  set.failed(0, start, random);
  pass_window(set, {0, 60, 75, 70}, start, random);
  EXPECT_TRUE(set.is_ejected(2, start + 10s));
  EXPECT_FALSE(set.is_ejected(0, start + 10s));
  std::size_t ejected = 0;
  for (std::uint32_t i = 0; i < 4; ++i) ejected += set.is_ejected(i, start + 10s) ? 1 : 0;
  EXPECT_LE(ejected, 2U);
}

TEST(EndpointSet, AChangeKeepsWhatStaysAndForgetsWhatIsGone) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {0, 1}}));
  fail_times(set, 1, 5, start, random);
  set.connection_opened(0);
  const auto added = set.replace({{"host1", 80, false, "", 0, 1}, {"new", 80, false, "", 0, 1}});
  ASSERT_EQ(added, std::vector<std::uint32_t>{2});  // the place of host0 is in use
  EXPECT_TRUE(set.is_removed(0) && set.has_removed_in_use());
  EXPECT_TRUE(set.is_ejected(1, start));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(set.choose(start, random), 2U);
  set.connection_closed(0);
  EXPECT_FALSE(set.has_removed_in_use());
  EXPECT_EQ(set.replace({{"host0", 80, false, "", 0, 1}}).size(), 0U);  // back again, under its old index
  EXPECT_EQ(set.choose(start, random), 0U);
}

TEST(EndpointSet, ABetterEndpointIsProvenByASuccessOnly) {
  Random random(1);
  EndpointSet set(endpoints({{0, 1}, {1, 1}}));
  EXPECT_TRUE(set.is_standby(1) && set.has_better(1, start));
  EXPECT_FALSE(set.is_standby(0) || set.has_proven_better(1, start));
  EXPECT_EQ(set.choose_better(1, start, random), 0U);
  EXPECT_FALSE(set.choose_better(0, start, random));
  set.succeeded(0, start);
  EXPECT_TRUE(set.has_proven_better(1, start));
  set.failed(0, start, random);
  EXPECT_FALSE(set.has_proven_better(1, start));
}

TEST(Endpoint, IsNamedByHostAndPort) {
  EXPECT_EQ((Endpoint{"venue.example", 443, true, "", 0, 1}).name(), "venue.example:443");
  EXPECT_EQ((Endpoint{"::1", 80, false, "", 0, 1}).name(), "[::1]:80");
}

}  // namespace
}  // namespace marketprism::pool
