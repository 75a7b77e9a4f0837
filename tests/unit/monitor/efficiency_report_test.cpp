#include "marketprism/monitor/efficiency_report.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::monitor {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

PoolEfficiency leased(std::uint64_t acquired, std::uint64_t reused) {
  PoolEfficiency pool;
  pool.name = "rest <&> \"x\"";
  pool.stats.counters.acquired = acquired;
  pool.stats.counters.reused = reused;
  pool.stats.counters.created = pool.stats.counters.dials = acquired - reused;
  pool.stats.counters.dial_served = acquired - reused;
  pool.stats.connect = {.count = 1, .mean_ns = 4e6};
  pool.stats.time_saved = milliseconds(4 * static_cast<int>(reused));
  return pool;
}

TEST(EfficiencyReport, SavedIsWhatWasReusedAndMeasured) {
  const PoolEfficiency pool = leased(100, 95);
  EXPECT_EQ(pool.connections_saved(), 95U);
  EXPECT_EQ(pool.time_saved(), milliseconds(380));
}

TEST(EfficiencyReport, StreamsThatShareAConnectionSaveTheOthers) {
  PoolEfficiency pool;
  pool.streams = 10;
  pool.stats.gauges.active = 2;
  pool.stats.connect = {.count = 2, .mean_ns = 3e6};
  EXPECT_EQ(pool.connections_saved(), 8U);
  EXPECT_EQ(pool.time_saved(), milliseconds(24));
}

TEST(EfficiencyReport, RecommendsOnlyWhatTheNumbersSay) {
  EfficiencyInput input;
  input.pools.push_back(leased(100, 95));
  EXPECT_THAT(recommend(input), IsEmpty());
  EXPECT_THAT(efficiency_markdown(input), HasSubstr("## What to change\n\nNothing."));

  input.pools.push_back(leased(100, 20));
  input.pools.back().sizing = SizingAdvice{.outcomes = {}, .current = 8, .recommended = 2, .reason = "2 would do"};
  input.memory.verdict = "leaking in books";
  for (int i = 0; i < 100; ++i) input.loop_lag_ns.add(50'000'000);
  const auto all = recommend(input);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_THAT(all[0].text, HasSubstr("max_size 2 instead of 8: 2 would do"));
  EXPECT_THAT(all[1].text, HasSubstr("only 20 %"));
  EXPECT_THAT(all[2].text, HasSubstr("leaking in books"));
  EXPECT_THAT(all[3].text, HasSubstr("spread the exchanges"));
}

TEST(EfficiencyReport, ThePageEscapesNamesAndPlotsWhatThereIs) {
  EfficiencyInput input;
  input.pools.push_back(leased(100, 95));
  input.memory.rss_bytes = {.time_s = {1, 2, 3}, .values = {1e6, 2e6, 3e6}};
  const std::string page = efficiency_html(input);
  EXPECT_THAT(page, HasSubstr("<td>rest &lt;&amp;&gt; &quot;x&quot;</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<&>")));
  EXPECT_THAT(page, HasSubstr("Resident memory"));
  EXPECT_THAT(page, Not(HasSubstr("Lag of the event loop, p99")));  // no history of it
  EXPECT_THAT(page, HasSubstr("<polyline"));
}

TEST(EfficiencyReport, JsonHasTheTotals) {
  EfficiencyInput input;
  input.pools = {leased(100, 95), leased(10, 9)};
  input.object_pools.push_back({.name = "frames", .object_bytes = 100, .acquired = 50, .reused = 40});
  const std::string json = efficiency_json(input);
  EXPECT_THAT(json, HasSubstr("\"connections_saved\":104,\"time_saved_ms\":416,\"bytes_not_allocated\":4000"));
}

}  // namespace
}  // namespace marketprism::monitor
