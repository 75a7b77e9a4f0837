#pragma once
#include <span>
#include <string>
#include <string_view>

#include "marketprism/monitor/metrics.hpp"

namespace marketprism::monitor {

enum class Exposition : std::uint8_t {
  prometheus,    ///< text format 0.0.4
  open_metrics,  ///< OpenMetrics 1.0.0
};

/// What the reader of the header `Accept` likes best; without one the older format.
Exposition exposition_for(std::string_view accept);
std::string_view content_type_of(Exposition exposition);

/// All series as text, by family; those of one family and the same labels are added up.
std::string write_exposition(std::span<const MetricFamily> families, const Scrape& scrape, Exposition exposition);

}  // namespace marketprism::monitor
