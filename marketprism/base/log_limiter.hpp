#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "marketprism/base/time.hpp"

namespace marketprism {

/// Lets through ten lines of one kind at once and one more every six seconds; of a kind are lines that differ in
/// digits only. Remembers 256 kinds; when there are more it forgets them all and begins anew. Not thread-safe.
class LogLimiter {
 public:
  static constexpr std::uint32_t burst = 10;
  static constexpr Nanoseconds refill = std::chrono::seconds(6);
  static constexpr std::size_t kinds_max = 256;

  /// Empty: leave the line out. Else how many like it were left out before it.
  std::optional<std::uint64_t> admit(std::string_view area, std::string_view text, Instant now);

 private:
  struct Kind {
    std::uint32_t tokens = burst;
    Instant refilled{};
    std::uint64_t left_out = 0;
  };
  std::unordered_map<std::string, Kind> kinds_;
};

}  // namespace marketprism
