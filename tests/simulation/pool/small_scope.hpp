#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace marketprism::simulation {

struct SmallScope {
  std::uint64_t schedules = 0;  ///< tried
  std::optional<std::string> violation;
};

/// Everything that can happen when three users share two connections: every order of their acquires, of dials that end
/// well or badly, of connections dying, of returns, and a cancellation or time-out at every point of it; `steps` events
/// at most, then faults stop and all must end well.
SmallScope search_small_scope(std::size_t steps);

}  // namespace marketprism::simulation
