#pragma once
#include "marketprism/base/time.hpp"

namespace marketprism::emulator {

/// Now, on both clocks: `now` for intervals, `utc` for the stamps in messages.
struct Moment {
  Instant now{};
  UnixTime utc{};
};

}  // namespace marketprism::emulator
