#pragma once
#include <cstddef>
#include <span>

namespace marketprism::memory {

struct TrendPoint {
  double at = 0;  ///< in any unit of time, ascending
  double value = 0;
};

/// A straight line through noisy points that a few outliers cannot turn.
struct Trend {
  double slope = 0;  ///< median of the slopes of all pairs of points (Theil–Sen), value per unit of time
  double low = 0;    ///< the slope is between `low` and `high` with the confidence asked for
  double high = 0;
  double correlation = 0;  ///< of neighbouring residuals, 0…1: noise has none, steps, curves and waves have much
  double fit = 0;          ///< median distance of the points from the line over the line's rise; 0 is a perfect line
};

/// `z`: the width of the confidence interval in standard deviations (4: one in 30,000 leaves it on a side). The
/// interval is Sen's, from the distribution of Kendall's S, made wider where the residuals are correlated, because
/// correlated points say less than as many independent ones; it is ±infinity where they say nothing. Points of a nearly
/// perfect line are believed as they are. O(n²) for n points; fewer than 3 points have no trend.
[[nodiscard]] Trend find_trend(std::span<const TrendPoint> points, double z);

}  // namespace marketprism::memory
