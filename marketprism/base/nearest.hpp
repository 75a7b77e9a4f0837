#pragma once
#include <span>
#include <string_view>

namespace marketprism {

/// The name most like `text` (fewest single-letter edits), for "did you mean". Empty if there are no names.
std::string_view nearest(std::string_view text, std::span<const std::string_view> names);

}  // namespace marketprism
