#include "marketprism/memory/heap_profiler.hpp"

#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/json_reader.hpp"

namespace marketprism::memory {
namespace {

using testing::HasSubstr;

using Blocks = std::vector<std::unique_ptr<char[]>>;

[[gnu::noinline]] Blocks planted_allocations(std::size_t count, std::size_t bytes) {
  Blocks blocks;
  blocks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(std::make_unique<char[]>(bytes));
  return blocks;
}

/// Live, peak and total bytes of the stacks that go through planted_allocations.
HeapSite planted(const HeapProfile& profile) {
  HeapSite sum;
  for (const HeapSite& site : profile.sites) {
    HeapProfile one;
    one.sites = {site};
    if (heap_profile_json(one).find("planted_allocations") == std::string::npos) continue;
    sum.live_bytes += site.live_bytes;
    sum.peak_bytes += site.peak_bytes;
    sum.total_bytes += site.total_bytes;
  }
  return sum;
}

struct HeapProfilerTest : testing::Test {
  ~HeapProfilerTest() override { stop_heap_profiler(); }
  static void start(std::uint64_t sample_bytes) {
    HeapProfilerOptions options;
    options.sample_bytes = sample_bytes;
    const auto started = start_heap_profiler(options);
    ASSERT_TRUE(started) << started.error().message;
  }
};

TEST_F(HeapProfilerTest, estimates_live_and_total_bytes_of_a_site) {
  const HeapSite before = planted(heap_profile());
  start(16 << 10);
  constexpr std::size_t count = 20'000, bytes = 1'000;  // about 1,200 samples: an error of 3 %
  {
    const Blocks blocks = planted_allocations(count, bytes);
    const HeapSite now = planted(heap_profile());
    EXPECT_NEAR(static_cast<double>(now.live_bytes), count * bytes, count * bytes * 0.2);
    EXPECT_GE(now.peak_bytes, now.live_bytes);
  }
  const HeapSite now = planted(heap_profile());
  EXPECT_EQ(now.live_bytes, before.live_bytes);
  EXPECT_NEAR(static_cast<double>(now.total_bytes - before.total_bytes), count * bytes, count * bytes * 0.2);
}

TEST_F(HeapProfilerTest, switched_off_it_follows_what_it_sampled_and_takes_no_more) {
  start(4 << 10);
  Blocks sampled = planted_allocations(1'000, 1'000);
  stop_heap_profiler();
  const HeapProfile off = heap_profile();
  EXPECT_FALSE(off.is_on);
  const Blocks unseen = planted_allocations(1'000, 1'000);
  EXPECT_EQ(heap_profile().samples, off.samples);
  EXPECT_GT(planted(heap_profile()).live_bytes, 0U);
  sampled = Blocks();
  EXPECT_EQ(planted(heap_profile()).live_bytes, 0U);
}

TEST_F(HeapProfilerTest, threads_allocate_and_free_for_each_other) {
  start(8 << 10);
  std::vector<Blocks> made(4);
  const auto run_all = [](auto&& step) {
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) threads.emplace_back([&step, t] { step(t); });
    for (auto& thread : threads) thread.join();
  };
  run_all([&](std::size_t t) { made[t] = planted_allocations(2'000, 500); });
  EXPECT_GT(planted(heap_profile()).live_bytes, 2'000'000U);
  run_all([&](std::size_t t) { made[(t + 1) % 4].clear(); });
  run_all([&](std::size_t t) { made[t] = Blocks(); });
  EXPECT_EQ(planted(heap_profile()).live_bytes, 0U);
}

TEST_F(HeapProfilerTest, reports_as_json_and_as_a_flame_graph) {
  start(8 << 10);
  const Blocks blocks = planted_allocations(1'000, 1'000);
  const HeapProfile profile = heap_profile();
  const std::string json = heap_profile_json(profile);
  JsonReader reader(json);
  reader.skip();
  EXPECT_TRUE(reader.finish());
  EXPECT_THAT(json, HasSubstr("planted_allocations"));
  EXPECT_THAT(json, testing::Not(HasSubstr("HeapSampler")));
  const std::string svg = heap_flame_graph_svg(profile);
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns="));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("planted_allocations"));
  EXPECT_THAT(svg, testing::Not(HasSubstr("<(")));  // names are escaped
}

TEST_F(HeapProfilerTest, refuses_nonsense) {
  HeapProfilerOptions options;
  options.sample_bytes = 0;
  EXPECT_EQ(start_heap_profiler(options).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace marketprism::memory
