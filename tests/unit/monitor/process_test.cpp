#include "marketprism/monitor/process.hpp"

#include <gtest/gtest.h>

namespace marketprism::monitor {
namespace {

TEST(Process, FindsAFieldByItsWholeName) {
  constexpr std::string_view text = "VmRSSX:\t 1 kB\nRss: 2 kB\nVmRSS:\t   123 kB\nVmSwap: 0 kB\n";
  EXPECT_EQ(kilobytes_field(text, "VmRSS"), 123U * 1024);
  EXPECT_EQ(kilobytes_field(text, "Rss"), 2U * 1024);
  EXPECT_EQ(kilobytes_field(text, "VmHWM"), 0U);
  EXPECT_EQ(kilobytes_field("VmRSS", "VmRSS"), 0U);
}

TEST(Process, ReadsTheTimesOfAThreadWhateverItsName) {
  const ThreadTime thread = parse_thread_stat("42 (a) b(c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 99", 100);
  EXPECT_EQ(thread.name, "a) b(c");
  EXPECT_DOUBLE_EQ(thread.cpu_s, 3.0);
  EXPECT_EQ(parse_thread_stat("garbage", 100).name, "");
}

TEST(Process, ThisOneHasMemoryThreadsAndFiles) {
  const ProcessMemory memory = read_process_memory();
  EXPECT_GT(memory.rss, 1U << 20);
  EXPECT_GE(memory.rss_peak, memory.rss);
  EXPECT_GT(memory.pss, 0U);
  EXPECT_FALSE(read_threads().empty());
  EXPECT_GE(count_open_files(), 3U);
  EXPECT_GT(read_cpu_seconds(), 0.0);
}

}  // namespace
}  // namespace marketprism::monitor
