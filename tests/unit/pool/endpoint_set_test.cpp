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

TEST(Endpoint, IsNamedByHostAndPort) {
  EXPECT_EQ((Endpoint{"venue.example", 443, true, "", 0, 1}).name(), "venue.example:443");
  EXPECT_EQ((Endpoint{"::1", 80, false, "", 0, 1}).name(), "[::1]:80");
}

}  // namespace
}  // namespace marketprism::pool
