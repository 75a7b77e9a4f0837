#include "marketprism/memory/leak_detector.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

namespace marketprism::memory {
namespace {

using Minutes = std::chrono::duration<double, std::ratio<60>>;

/// A warm-up fades: in the later half of the window it grows by less than this share of the earlier half's growth, or
/// in the whole window by less than this share of what it was one window ago.
constexpr double fading_share = 0.6;

LeakSeverity severity_of(double bytes_a_minute) {
  if (bytes_a_minute >= 4 * 1024 * 1024) return LeakSeverity::high;
  if (bytes_a_minute >= 256 * 1024) return LeakSeverity::medium;
  return LeakSeverity::low;
}

}  // namespace

std::string_view name_of(LeakStatus status) {
  constexpr std::array<std::string_view, 4> names{"measuring", "steady", "settling", "leaking"};
  return names.at(static_cast<std::size_t>(status));
}

std::string_view name_of(LeakSeverity severity) {
  constexpr std::array<std::string_view, 4> names{"none", "low", "medium", "high"};
  return names.at(static_cast<std::size_t>(severity));
}

bool LeakDetector::add(Instant time, std::uint64_t bytes) {
  if (!start_) start_ = time;
  const Nanoseconds age = time - *start_;
  if (age < options_.warm_up) return false;
  const TrendPoint point{Minutes(age).count(), static_cast<double>(bytes)};
  const std::int64_t block = age / options_.block;
  if (block == block_) {
    if (point.value < lowest_.value) lowest_ = point;
    return false;
  }
  const bool is_first = block_ < 0;
  block_ = block;
  const TrendPoint done = std::exchange(lowest_, point);
  if (is_first) return false;
  blocks_.push_back(done);
  while (done.at - blocks_.front().at > Minutes(options_.window).count()) blocks_.pop_front();
  judge();
  if (verdict_.status != LeakStatus::leaking) {
    verdict_.since.reset();
  } else if (!verdict_.since) {
    verdict_.since = time;
    ++verdict_.alarms;
  }
  return true;
}

bool LeakDetector::fades(std::span<const TrendPoint> points, double rate) const {
  const std::size_t half = points.size() / 2;
  const double early = find_trend(points.first(half), options_.z).slope;
  const double late = find_trend(points.subspan(half), options_.z).slope;
  if (late < fading_share * early) return true;
  const bool is_full =
      !rates_.empty() && points.back().at - rates_.front().at >= Minutes(options_.window).count() * 0.9;
  return is_full && rate < fading_share * rates_.front().value;
}

void LeakDetector::judge() {
  const std::vector<TrendPoint> points(blocks_.begin(), blocks_.end());
  const double minutes = points.back().at - points.front().at;
  verdict_.span = std::chrono::duration_cast<Nanoseconds>(Minutes(minutes));
  verdict_.severity = LeakSeverity::none;
  // A block less than the window is as full as it gets: the lowest values lie anywhere in their blocks.
  if (minutes < Minutes(options_.window - 2 * options_.block).count() || points.size() < 10) {
    verdict_.status = LeakStatus::measuring;
    agreeing_ = 0;
    return;
  }
  const Trend trend = find_trend(points, options_.z);
  verdict_.rate = trend.slope;
  verdict_.rate_low = trend.low;
  verdict_.rate_high = trend.high;
  verdict_.status = LeakStatus::steady;
  const bool is_growing = trend.slope >= options_.rate_min;
  const bool is_fading = is_growing && fades(points, trend.slope);
  rates_.push_back({points.back().at, trend.slope});
  while (points.back().at - rates_.front().at > Minutes(options_.window).count()) rates_.pop_front();
  if (is_fading) verdict_.status = LeakStatus::settling;
  agreeing_ = is_growing && !is_fading && trend.low >= options_.rate_min ? agreeing_ + 1 : 0;
  if (agreeing_ < options_.confirmations) return;
  verdict_.status = LeakStatus::leaking;
  verdict_.severity = severity_of(trend.slope);
}

}  // namespace marketprism::memory
