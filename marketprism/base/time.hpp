#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace marketprism {

using Nanoseconds = std::chrono::nanoseconds;

/// Wall-clock time, UTC, nanoseconds since the Unix epoch. For time stamps of data; never for deadlines.
using UnixTime = std::chrono::sys_time<Nanoseconds>;

/// Monotonic time. For deadlines, ages and intervals; sans-I/O code takes it as an argument called `now`.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;

/// Stands for "no time given" where a field may be null.
inline constexpr UnixTime no_time = UnixTime::min();

constexpr UnixTime unix_time_ns(std::int64_t ns) { return UnixTime(Nanoseconds(ns)); }
constexpr UnixTime unix_time_ms(std::int64_t ms) { return UnixTime(std::chrono::milliseconds(ms)); }
constexpr std::int64_t ns_since_epoch(UnixTime time) { return time.time_since_epoch().count(); }

/// A whole number whose size tells its unit: seconds below 9.2·10^9, then milliseconds, microseconds, nanoseconds, each
/// up to the largest that 64 bits of nanoseconds can hold (the year 2262).
constexpr UnixTime unix_time_by_digits(std::int64_t value) {
  constexpr std::int64_t seconds_max = INT64_MAX / 1'000'000'000;
  const std::int64_t size = value < 0 ? -(value + 1) : value;
  if (size < seconds_max) return unix_time_ns(value * 1'000'000'000);
  if (size < seconds_max * 1'000) return unix_time_ns(value * 1'000'000);
  if (size < seconds_max * 1'000'000) return unix_time_ns(value * 1'000);
  return unix_time_ns(value);
}

/// "2026-11-23", the UTC date of `time`.
std::string date_text(UnixTime time);

/// "2026-11-23T04:54:52.123456789Z".
std::string iso_text(UnixTime time);

}  // namespace marketprism
