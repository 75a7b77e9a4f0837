#pragma once
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>

#include "marketprism/base/time.hpp"

namespace marketprism {

/// Lets through ten lines of one kind at once and one more every six seconds. Remembers 256 kinds; when there are more
/// it forgets them all and begins anew. Not thread-safe.
class LogLimiter {
 public:
  static constexpr std::uint32_t burst = 10;
  static constexpr Nanoseconds refill = std::chrono::seconds(6);
  static constexpr std::size_t kinds_max = 256;

  /// Of a kind are the lines of one place in the program.
  static std::string kind_of(std::string_view area, const std::source_location& site);
  /// Where the place is not known: lines of one area that differ in digits only.
  static std::string kind_of(std::string_view area, std::string_view text);

  /// Empty: leave the line out. Else how many like it were left out before it.
  std::optional<std::uint64_t> admit(const std::string& kind, Instant now);

 private:
  struct Kind {
    std::uint32_t tokens = burst;
    Instant refilled{};
    std::uint64_t left_out = 0;
  };
  std::unordered_map<std::string, Kind> kinds_;
};

}  // namespace marketprism
