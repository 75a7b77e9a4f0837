#pragma once
#include <cstdint>
#include <string_view>

#include "marketprism/base/time.hpp"

namespace marketprism::tape {

enum class Direction : std::uint8_t { received, sent };

enum class FrameKind : std::uint8_t {
  connect,        ///< a connection was opened; `url` says where to
  close,          ///< it was closed; `code` is the WebSocket close code (0: without one), the payload the reason
  text,           ///< WebSocket text message
  binary,         ///< WebSocket binary message
  http_response,  ///< the body of an HTTP answer; `url` is the full URL with its query, `code` the status
  start,          ///< a recorder began: it knew nothing, and numbers its connections anew; the payload is `resumed` if
                  ///< there was a recording before
  hole,           ///< frames are missing here, whose number is the payload: the recorder had no room for them
};

inline constexpr std::string_view resumed = "resumed";

/// One unit of traffic as it was on the wire, before any decoding: what a recording is made of. It owns nothing: the
/// views are valid until the next call of whatever handed it out. Plain data, any thread.
struct Frame {
  UnixTime receive_time{};    ///< when it was read from the socket (for `sent`: handed to it)
  std::string_view exchange;  ///< venue name; empty where the recording does not say
  std::uint32_t connection = 0;
  Direction direction = Direction::received;
  FrameKind kind = FrameKind::text;
  std::string_view url;
  int code = 0;
  std::string_view symbol_hint;  ///< the exchange's symbol, upper case, where only the name of the file tells it
  std::string_view payload;
};

}  // namespace marketprism::tape
