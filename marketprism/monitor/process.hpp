#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace marketprism::monitor {

/// What the kernel says this process holds, in bytes; 0 where it does not say.
struct ProcessMemory {
  std::uint64_t rss = 0;
  std::uint64_t rss_peak = 0;
  std::uint64_t pss = 0;  ///< shared pages counted by their share
  std::uint64_t swap = 0;
  std::uint64_t heap_used = 0;      ///< handed out by malloc
  std::uint64_t heap_retained = 0;  ///< free, but not given back to the kernel
};

struct ThreadTime {
  std::string name;
  double cpu_s = 0;  ///< user and system
};

/// "VmRSS:   123 kB" of /proc/self/status or smaps_rollup in bytes; 0 if there is no such line.
std::uint64_t kilobytes_field(std::string_view text, std::string_view name);
/// One line of /proc/self/task/<id>/stat, which holds the name in parentheses and times in ticks.
ThreadTime parse_thread_stat(std::string_view line, double ticks_per_s);

/// Reads /proc; some 50 µs, more with many mappings: not for an event loop that moves data.
ProcessMemory read_process_memory();
std::vector<ThreadTime> read_threads();
double read_cpu_seconds();
std::uint64_t count_open_files();

}  // namespace marketprism::monitor
