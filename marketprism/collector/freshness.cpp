#include "marketprism/collector/freshness.hpp"

namespace marketprism::collector {

using market::EventType;

std::string_view name_of(Health health) {
  switch (health) {
    case Health::fresh: return "fresh";
    case Health::late: return "late";
    case Health::stale: return "stale";
  }
  return "unknown";
}

Health health_of(EventType type, Nanoseconds age, const FreshnessLimits& limits) {
  int factor = 1;
  switch (type) {
    case EventType::trade:
    case EventType::book:
    case EventType::bbo:
    case EventType::mark_price:
    case EventType::index_price: break;
    case EventType::candle:
    case EventType::funding_rate:
    case EventType::open_interest: factor = 12; break;
    case EventType::liquidation:
    case EventType::gap:
    case EventType::instrument: return Health::fresh;
  }
  if (age >= limits.stale_after * factor) return Health::stale;
  return age >= limits.late_after * factor ? Health::late : Health::fresh;
}

}  // namespace marketprism::collector
