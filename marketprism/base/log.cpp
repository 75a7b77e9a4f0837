#include "marketprism/base/log.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <unistd.h>

#include <fmt/format.h>

#include "marketprism/base/time.hpp"

namespace marketprism {
namespace {
std::atomic<LogLevel> level_now{LogLevel::warning};
}

void set_log_level(LogLevel level) { level_now.store(level, std::memory_order_relaxed); }
LogLevel log_level() { return level_now.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view area, std::string_view text) {
  if (level < log_level()) return;
  constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  const std::string line =
      fmt::format("{} {} {}: {}\n", iso_text(now), names.at(static_cast<std::size_t>(level)), area, text);
  // One write a line: the kernel keeps lines of several threads apart. A log that cannot be written has nowhere to be
  // reported.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace marketprism
