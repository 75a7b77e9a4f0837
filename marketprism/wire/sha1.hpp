#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace marketprism::wire {

/// SHA-1 (RFC 3174). Only the WebSocket handshake asks for it; it is not for security.
std::array<std::uint8_t, 20> sha1(std::string_view text);

}  // namespace marketprism::wire
