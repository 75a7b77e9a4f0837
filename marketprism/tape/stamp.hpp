#pragma once
#include <optional>
#include <string_view>

#include "marketprism/base/time.hpp"

namespace marketprism::tape {

/// Reads the time stamp `text` begins with and removes it from `text`. With a decimal point it is seconds, exact to the
/// nanosecond (further digits are cut off); a whole number tells its unit by its digits (10 s, 13 ms, 16 µs, 19 ns).
/// No floating point is involved. Nothing is removed, and nullopt returned, where no stamp or one out of range stands.
std::optional<UnixTime> take_stamp(std::string_view& text);

}  // namespace marketprism::tape
