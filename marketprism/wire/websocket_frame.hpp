#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"

namespace marketprism::wire {

/// Which end of the connection we are. A client masks what it sends and refuses masked frames, a server the reverse.
enum class WebSocketRole : std::uint8_t { client, server };

/// RFC 6455, section 5.2.
enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

/// RFC 6455, section 7.4.1, and the registry it opened. 3000–4999 are free for libraries and applications: cast them.
enum class WebSocketCloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  none = 1005,      ///< never sent: the close frame carried no code
  abnormal = 1006,  ///< never sent: the connection ended without a close frame
  invalid_payload = 1007,
  policy_violation = 1008,
  message_too_big = 1009,
  missing_extension = 1010,
  internal_error = 1011,
  service_restart = 1012,
  try_again_later = 1013,
  bad_gateway = 1014,
};

/// True for a code that may stand in a close frame.
constexpr bool may_be_sent(WebSocketCloseCode code) {
  const auto value = static_cast<std::uint16_t>(code);
  return (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014) || (value >= 3000 && value <= 4999);
}

constexpr bool is_control(WebSocketOpcode opcode) { return (static_cast<std::uint8_t>(opcode) & 8U) != 0; }

inline constexpr std::size_t websocket_control_payload_bytes_max = 125;
inline constexpr std::size_t websocket_frame_header_bytes_max = 14;

/// The head of one frame. `mask_key` holds the four bytes in the order they have on the wire.
struct WebSocketFrameHeader {
  WebSocketOpcode opcode = WebSocketOpcode::text;
  bool is_final = true;
  bool rsv1 = false;  ///< set on the first frame of a message compressed by permessage-deflate
  bool is_masked = false;
  std::uint32_t mask_key = 0;
  std::uint64_t payload_bytes = 0;
};

/// Appends the head alone; the payload (masked, if the head says so) is the caller's to append.
void append_frame_header(std::string& out, const WebSocketFrameHeader& header);

/// Appends head and payload, masking the copy if the head says so. `header.payload_bytes` is taken from `payload`.
void append_frame(std::string& out, WebSocketFrameHeader header, std::string_view payload);

/// XORs `size` bytes with the key in place. `offset` is the position of the first byte within the payload, so that a
/// payload may be masked in parts.
void mask_in_place(char* data, std::size_t size, std::uint32_t mask_key, std::size_t offset = 0);

}  // namespace marketprism::wire
