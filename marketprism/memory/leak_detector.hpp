#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "marketprism/base/time.hpp"
#include "marketprism/memory/trend.hpp"

namespace marketprism::memory {

struct LeakDetectorOptions {
  Nanoseconds window = std::chrono::minutes(15);  ///< what a verdict looks at; waves longer than this look like a leak
  Nanoseconds block = std::chrono::seconds(30);   ///< the lowest value of each block stands for it
  Nanoseconds warm_up = std::chrono::minutes(2);  ///< after the first value, not looked at
  double rate_min = 25 * 1024;                    ///< bytes a minute; slower growth than this is not called a leak
  double z = 4.2;                                 ///< width of the confidence bound, in standard deviations
  int confirmations = 2;                          ///< so many blocks in a row must agree
};

enum class LeakStatus : std::uint8_t {
  measuring,  ///< not enough values yet
  steady,     ///< no growth that could be told from noise, steps and waves
  settling,   ///< grows, but ever slower: a warm-up
  leaking,    ///< grows on and on
};

enum class LeakSeverity : std::uint8_t { none, low, medium, high };  ///< from 0, 25 KiB, 256 KiB, 4 MiB a minute

/// "measuring", …; "none", …
std::string_view name_of(LeakStatus status);
std::string_view name_of(LeakSeverity severity);

/// Rates are bytes a minute.
struct LeakVerdict {
  LeakStatus status = LeakStatus::measuring;
  double rate = 0;       ///< the most likely growth
  double rate_low = 0;   ///< with confidence not less than this; -infinity if the values say nothing
  double rate_high = 0;  ///< nor more than this
  LeakSeverity severity = LeakSeverity::none;
  Nanoseconds span{};            ///< time from the first to the last value looked at
  std::uint64_t alarms = 0;      ///< how often the status became `leaking`
  std::optional<Instant> since;  ///< when it became so, while it is
};

/// Tells from the size of one thing over time whether it leaks. It looks at the lowest value of each block, so that
/// batches that fill up and empty do not matter, takes a robust line through the blocks of the window, and calls it a
/// leak if even the line's lower bound rises and the rise does not fade. Pure: times and values go in. One thread.
/// About 1 KiB.
class LeakDetector {
 public:
  explicit LeakDetector(LeakDetectorOptions options = {}) : options_(options) {}

  /// Times must not go back. True if the verdict was made anew.
  bool add(Instant time, std::uint64_t bytes);

  [[nodiscard]] const LeakVerdict& verdict() const { return verdict_; }

 private:
  void judge();
  [[nodiscard]] bool fades(std::span<const TrendPoint> points, double rate) const;

  LeakDetectorOptions options_;
  LeakVerdict verdict_;
  std::deque<TrendPoint> blocks_;  // minutes since start_, bytes
  std::deque<TrendPoint> rates_;   // what judge() found during the last window
  std::optional<Instant> start_;
  std::int64_t block_ = -1;  // the number of the block being filled
  TrendPoint lowest_{};      // in it
  int agreeing_ = 0;
};

}  // namespace marketprism::memory
