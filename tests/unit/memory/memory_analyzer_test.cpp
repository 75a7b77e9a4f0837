#include "marketprism/memory/memory_analyzer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/base/random.hpp"

namespace marketprism::memory {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t mib = 1U << 20;

MemorySnapshot snapshot(Instant time, std::uint64_t rss, std::string label = {}) {
  MemorySnapshot out;
  out.time = time;
  out.rss = rss;
  out.heap_in_use = rss / 2;
  out.label = std::move(label);
  return out;
}

OwnerBytes owner(std::string name, std::uint64_t bytes) {
  OwnerBytes out;
  out.owner = std::move(name);
  out.bytes = bytes;
  return out;
}

const MemorySummary& named(const std::vector<MemorySummary>& all, std::string_view name) {
  return *std::ranges::find(all, name, &MemorySummary::name);
}

TEST(MemoryAnalyzerTest, summarises_every_size) {
  MemoryAnalyzer analyzer;
  EXPECT_THAT(analyzer.summaries(), SizeIs(0));
  for (const std::uint64_t rss : {10, 20, 60, 30}) analyzer.add(snapshot(Instant(seconds(rss)), rss));
  const auto all = analyzer.summaries();
  ASSERT_THAT(all, SizeIs(4));
  const MemorySummary& rss = named(all, "rss");
  EXPECT_EQ(rss.current, 30U);
  EXPECT_EQ(rss.baseline, 10U);
  EXPECT_EQ(rss.growth, 20);
  EXPECT_EQ(rss.min, 10U);
  EXPECT_EQ(rss.max, 60U);
  EXPECT_DOUBLE_EQ(rss.mean, 30);
  EXPECT_DOUBLE_EQ(rss.variance, (400 + 100 + 900 + 0) / 4.0);
  analyzer.set_baseline();
  analyzer.add(snapshot(Instant(seconds(99)), 25));
  EXPECT_EQ(named(analyzer.summaries(), "rss").growth, -5);
}

TEST(MemoryAnalyzerTest, compares_labelled_snapshots) {
  MemoryAnalyzer analyzer;
  MemorySnapshot before = snapshot(Instant(minutes(1)), 10 * mib, "before");
  before.owners = {owner("books", mib)};
  MemorySnapshot after = snapshot(Instant(minutes(3)), 12 * mib, "after");
  after.owners = {owner("batches", 5 * mib), owner("books", mib / 2)};
  analyzer.add(before);
  analyzer.add(after);
  analyzer.add(snapshot(Instant(minutes(4)), 11 * mib));
  const auto comparison = analyzer.compare("before", "after");
  ASSERT_TRUE(comparison);
  EXPECT_EQ(comparison->span, minutes(2));
  EXPECT_EQ(comparison->changes.front().name, "batches");
  EXPECT_EQ(comparison->changes.back().name, "books");
  EXPECT_EQ(comparison->changes.back().difference(), -static_cast<std::int64_t>(mib / 2));
  EXPECT_EQ(comparison->changes[1].name, "rss");
  EXPECT_DOUBLE_EQ(comparison->changes[1].rate, mib);
  EXPECT_TRUE(analyzer.compare("baseline", "latest"));
  const auto unknown = analyzer.compare("befor", "after");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_THAT(unknown.error().message, HasSubstr("\"befor\"; there are: baseline, latest, before, after"));
}

TEST(MemoryAnalyzerTest, is_bounded) {
  MemoryAnalyzerOptions options;
  options.labels_max = 3;
  options.owners_max = 2;
  MemoryAnalyzer analyzer(options);
  for (int i = 0; i < 10; ++i) {
    MemorySnapshot one = snapshot(Instant(seconds(i)), 1, "label " + std::to_string(i));
    for (int o = 0; o < 4; ++o) one.owners.push_back(owner("owner " + std::to_string(o), 1));
    analyzer.add(one);
  }
  EXPECT_THAT(analyzer.labels(), testing::ElementsAre("baseline", "latest", "label 7", "label 8", "label 9"));
  EXPECT_THAT(analyzer.summaries(), SizeIs(4 + 2));
  EXPECT_EQ(analyzer.owners_left_out(), 20U);
}

// An hour of a process in which one of three owners begins to leak 100 KiB a minute at minute 20.
TEST(MemoryAnalyzerTest, names_the_owner_that_leaks_and_no_other) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    MemoryAnalyzer analyzer;
    Random random(seed);
    double found = 0;
    for (double minute = 0; minute < 60 && found == 0; minute += 1.0 / 12) {
      const double leak = std::max(0.0, minute - 20) * 100 * 1024;
      MemorySnapshot one = snapshot(Instant(std::chrono::duration_cast<Nanoseconds>(seconds(60) * minute)),
                                    200 * mib + static_cast<std::uint64_t>(leak) + random.below(mib / 2));
      one.owners = {owner("batches", random.below(8 * mib)), owner("books", 30 * mib + random.below(mib)),
                    owner("frames", 4 * mib + static_cast<std::uint64_t>(leak) / 65536 * 65536)};
      analyzer.add(one);
      for (const MemorySummary& s : analyzer.leaks()) {
        ASSERT_TRUE(s.name == "frames" || s.name == "rss" || s.name == "heap_in_use") << s.name << ", seed " << seed;
        if (s.name == "frames") found = minute;
      }
    }
    EXPECT_GT(found, 20) << "seed " << seed;
    EXPECT_LE(found, 40) << "seed " << seed;
    EXPECT_EQ(analyzer.leaks().front().name, "frames");
    EXPECT_THAT(analyzer.recommendations().front(), HasSubstr("\"frames\" leaks 0."));
  }
}

TEST(MemoryAnalyzerTest, recommends_what_to_do_about_limits) {
  MemoryAnalyzer analyzer;
  MemorySnapshot one = snapshot(Instant{}, mib);
  one.heap_retained = 100 * mib;
  one.owners = {owner("books", 3 * mib), owner("batches", mib)};
  one.owners[0].limits.soft = 2 * mib;
  one.owners[0].is_over_soft_limit = true;
  one.owners[1].refusals = 7;
  one.owners[1].limits.hard = mib;
  analyzer.add(one);
  EXPECT_THAT(analyzer.recommendations(),
              testing::ElementsAre(HasSubstr("\"books\" holds 3.0 MiB, over its soft limit of 2.0"),
                                   HasSubstr("\"batches\" was refused memory 7 times"),
                                   HasSubstr("keeps 100 MiB that nobody uses")));
}

TEST(MemoryAnalyzerTest, reports_as_json) {
  MemoryAnalyzer analyzer;
  MemorySnapshot one = snapshot(Instant{}, mib);
  one.owners = {owner("a \"quoted\" name", 3)};
  analyzer.add(one);
  const std::string json = analyzer.report_json();
  JsonReader reader(json);
  reader.skip();
  EXPECT_TRUE(reader.finish()) << json;
  EXPECT_THAT(json, HasSubstr(R"({"name":"a \"quoted\" name","is_owner":true,"current":3,)"));
}

}  // namespace
}  // namespace marketprism::memory
