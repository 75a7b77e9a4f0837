#include "marketprism/base/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <iterator>
#include <mutex>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/log_limiter.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism {
namespace {

std::atomic<LogLevel> level_now{LogLevel::warning};
std::atomic<LogWriter> writer_now{nullptr};

void write_to_stderr(LogLevel level, std::string_view area, std::string_view text) {
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  const std::string line = fmt::format("{} {} {}: {}\n", iso_text(now), name_of(level), area, text);
  // One write a line: the kernel keeps lines of several threads apart. A log that cannot be written has nowhere to be
  // reported.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::optional<std::uint64_t> admit(std::string_view area, std::string_view text) {
  static std::mutex mutex;
  static LogLimiter limiter;
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now());
  const std::string kind = LogLimiter::kind_of(area, text);
  const std::lock_guard lock(mutex);
  return limiter.admit(kind, now);
}

}  // namespace

void set_log_level(LogLevel level) { level_now.store(level, std::memory_order_relaxed); }
LogLevel log_level() { return level_now.load(std::memory_order_relaxed); }
void set_log_writer(LogWriter writer) { writer_now.store(writer); }

std::string_view name_of(LogLevel level) {
  constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};
  return names.at(static_cast<std::size_t>(level));
}

void log(LogLevel level, std::string_view area, std::string_view text) {
  if (level < log_level()) return;
  const auto left_out = admit(area, text);
  if (!left_out) return;
  if (*left_out == 0) return log_always(level, area, text);
  log_always(level, area, fmt::format("{} ({} more like this were left out)", text, *left_out));
}

void log_always(LogLevel level, std::string_view area, std::string_view text) {
  if (level < log_level()) return;
  const LogWriter chosen = writer_now.load();
  const LogWriter writer = chosen != nullptr ? chosen : &write_to_stderr;
  writer(level, area, text);
}

std::string LogLimiter::kind_of(std::string_view area, const std::source_location& site) {
  return fmt::format("{}\n{}:{}:{}", area, site.file_name(), site.line(), site.column());
}

std::string LogLimiter::kind_of(std::string_view area, std::string_view text) {
  std::string kind(area);
  kind += '\n';
  std::ranges::copy_if(text, std::back_inserter(kind), [](char c) { return c < '0' || c > '9'; });
  return kind;
}

std::optional<std::uint64_t> LogLimiter::admit(const std::string& name, Instant now) {
  if (kinds_.size() >= kinds_max && !kinds_.contains(name)) kinds_.clear();
  Kind& kind = kinds_[name];
  if (kind.refilled == Instant{}) kind.refilled = now;
  const auto earned = static_cast<std::uint64_t>((now - kind.refilled) / refill);
  if (earned > 0) {
    kind.tokens = static_cast<std::uint32_t>(std::min<std::uint64_t>(burst, kind.tokens + earned));
    kind.refilled += refill * static_cast<std::int64_t>(earned);
  }
  if (kind.tokens == 0) {
    ++kind.left_out;
    return std::nullopt;
  }
  --kind.tokens;
  return std::exchange(kind.left_out, 0);
}

}  // namespace marketprism
