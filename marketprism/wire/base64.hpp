#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"

namespace marketprism::wire {

/// The standard alphabet with padding (RFC 4648, section 4).
std::string base64_encode(std::span<const std::uint8_t> bytes);
/// `malformed` for anything that `base64_encode` would not have written: other characters, no padding, stray bits.
Result<std::string> base64_decode(std::string_view text);

}  // namespace marketprism::wire
