#include "marketprism/memory/trend.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace marketprism::memory {
namespace {

constexpr double nearly_perfect = 0.03;  // residuals this small against the line's rise need no statistics
constexpr double correlation_max = 0.95;

double median_of(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double element_of(std::vector<double>& values, std::size_t rank) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

double neighbour_correlation(std::span<const double> residuals) {
  double mean = 0;
  for (const double r : residuals) mean += r;
  mean /= static_cast<double>(residuals.size());
  double together = 0, alone = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    const double r = residuals[i] - mean;
    alone += r * r;
    if (i > 0) together += r * (residuals[i - 1] - mean);
  }
  if (alone <= 0) return 0;
  // Few points make it look smaller than it is, by (1 + 4r) / n (Kendall 1954).
  const double r = together / alone, n = static_cast<double>(residuals.size());
  return std::clamp(r + (1 + 4 * r) / n, 0.0, correlation_max);
}

}  // namespace

Trend find_trend(std::span<const TrendPoint> points, double z) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Trend trend{.low = -infinity, .high = infinity};
  const std::size_t n = points.size();
  if (n < 3) return trend;
  std::vector<double> slopes;
  slopes.reserve(n * (n - 1) / 2);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const double time = points[j].at - points[i].at;
      if (time > 0) slopes.push_back((points[j].value - points[i].value) / time);
    }
  }
  if (slopes.empty()) return trend;
  trend.slope = median_of(slopes);

  std::vector<double> residuals;
  for (const TrendPoint& point : points) residuals.push_back(point.value - trend.slope * point.at);
  trend.correlation = neighbour_correlation(residuals);
  std::vector<double> scratch = residuals;
  const double level = median_of(scratch);
  for (double& r : scratch) r = std::abs(r - level);
  const double rise = std::abs(trend.slope) * (points.back().at - points.front().at);
  trend.fit = rise > 0 ? median_of(scratch) / rise : 0;

  // The variance of Kendall's S for independent points, times what correlation of the kind x' = rx + noise adds to it.
  const double r = trend.fit <= nearly_perfect ? 0.0 : trend.correlation;
  const auto count = static_cast<double>(n);
  const double variance = count * (count - 1) * (2 * count + 5) / 18 * (1 + r) / (1 - r);
  const double half_width = z * std::sqrt(variance) / 2;
  const double middle = static_cast<double>(slopes.size()) / 2;
  if (half_width >= middle) return trend;
  trend.low = element_of(slopes, static_cast<std::size_t>(middle - half_width));
  trend.high = element_of(slopes, std::min(slopes.size() - 1, static_cast<std::size_t>(middle + half_width)));
  return trend;
}

}  // namespace marketprism::memory
