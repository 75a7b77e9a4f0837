#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "marketprism/base/histogram.hpp"
#include "marketprism/memory/object_pool_statistics.hpp"
#include "marketprism/monitor/pool_sizing.hpp"
#include "marketprism/pool/pool_stats.hpp"

namespace marketprism::monitor {

/// What the report says of one pool of connections.
struct PoolEfficiency {
  std::string name;
  pool::PoolStats stats;
  std::size_t streams = 0;             ///< of pools whose connections carry many streams
  std::optional<SizingAdvice> sizing;  ///< of pools of leases whose uses were recorded

  /// Dials that did not happen: acquires that got a used connection, or streams that share one.
  [[nodiscard]] std::uint64_t connections_saved() const;
  /// What those dials would have taken, by the connect times that were measured.
  [[nodiscard]] Nanoseconds time_saved() const;
};

/// A value over time for a plot.
struct TimeSeries {
  std::vector<std::int64_t> time_s;
  std::vector<double> values;
};

struct MemoryTrend {
  std::uint64_t rss = 0, rss_peak = 0;
  TimeSeries rss_bytes;
  double growth_bytes_per_min = 0;
  std::string verdict;  ///< "steady", "leaking in books", …
};

/// All that the report is made of.
struct EfficiencyInput {
  double uptime_s = 0;
  std::uint64_t messages = 0;
  double cpu_s = 0;
  std::vector<PoolEfficiency> pools;
  std::vector<memory::ObjectPoolStatistics> object_pools;
  MemoryTrend memory;
  Histogram loop_lag_ns;
  TimeSeries loop_lag_p99_ms;
};

/// Something to change, and why.
struct Recommendation {
  std::string subject;
  std::string text;
};
std::vector<Recommendation> recommend(const EfficiencyInput& input);

/// The report as JSON, as Markdown, and as one HTML page with plots that needs nothing from elsewhere.
std::string efficiency_json(const EfficiencyInput& input);
std::string efficiency_markdown(const EfficiencyInput& input);
std::string efficiency_html(const EfficiencyInput& input);

}  // namespace marketprism::monitor
