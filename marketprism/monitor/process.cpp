#include "marketprism/monitor/process.hpp"

#include <charconv>
#include <ctime>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <memory>
#include <sstream>
#include <unistd.h>

namespace marketprism::monitor {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder), &::closedir);
  if (open == nullptr) return names;
  while (const dirent* entry = ::readdir(open.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

}  // namespace

std::uint64_t kilobytes_field(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const bool is_at_line = at == 0 || text[at - 1] == '\n';
    std::size_t digits = at + name.size();
    if (!is_at_line || digits >= text.size() || text[digits] != ':') continue;
    digits = std::min(text.find_first_not_of(": \t", digits), text.size());
    std::uint64_t value = 0;
    std::from_chars(text.data() + digits, text.data() + text.size(), value);
    return value * 1024;
  }
  return 0;
}

ThreadTime parse_thread_stat(std::string_view line, double ticks_per_s) {
  const std::size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  ThreadTime thread{std::string(line.substr(open + 1, close - open - 1)), 0};
  std::istringstream rest{std::string(line.substr(close + 1))};
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;  // utime and stime are fields 14 and 15, the state is 3
  double user = 0, system = 0;
  rest >> user >> system;
  thread.cpu_s = (user + system) / ticks_per_s;
  return thread;
}

ProcessMemory read_process_memory() {
  ProcessMemory memory;
  const std::string status = read_file("/proc/self/status");
  memory.rss = kilobytes_field(status, "VmRSS");
  memory.rss_peak = kilobytes_field(status, "VmHWM");
  memory.swap = kilobytes_field(status, "VmSwap");
  memory.pss = kilobytes_field(read_file("/proc/self/smaps_rollup"), "Pss");
  const struct mallinfo2 heap = ::mallinfo2();
  memory.heap_used = heap.uordblks + heap.hblkhd;
  memory.heap_retained = heap.fordblks;
  return memory;
}

std::vector<ThreadTime> read_threads() {
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::vector<ThreadTime> threads;
  for (const std::string& id : names_in("/proc/self/task")) {
    const std::string line = read_file("/proc/self/task/" + id + "/stat");
    if (!line.empty()) threads.push_back(parse_thread_stat(line, ticks));
  }
  return threads;
}

double read_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::uint64_t count_open_files() { return names_in("/proc/self/fd").size(); }

}  // namespace marketprism::monitor
