#pragma once
#include <string_view>

#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::collector {

/// Whether data still comes: shown green, amber and red.
enum class Health : std::uint8_t { fresh, late, stale };
std::string_view name_of(Health health);

/// How long nothing may come of a fast type (trades, books, quotes) before somebody should know.
struct FreshnessLimits {
  Nanoseconds late_after = std::chrono::seconds(5);
  Nanoseconds stale_after = std::chrono::seconds(15);
};

/// `age`: since the last event of the type, or since the start if none came. Types that come rarely have twelve times
/// the limits; those that come when something unusual happens (liquidations) are never late.
Health health_of(market::EventType type, Nanoseconds age, const FreshnessLimits& limits);

}  // namespace marketprism::collector
