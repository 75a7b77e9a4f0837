#pragma once
#include <algorithm>
#include <cstring>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/wire/websocket_parser.hpp"

namespace marketprism::wire {

/// A message as a test expects it.
struct Expected {
  WebSocketMessageKind kind = WebSocketMessageKind::text;
  std::string data;
  int close_code = 1005;

  friend bool operator==(const Expected&, const Expected&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Expected& message) {
    return out << "kind " << static_cast<int>(message.kind) << ", " << message.data.size() << " bytes \""
               << message.data.substr(0, 40) << "\", close code " << message.close_code;
  }
};

/// All that came out of a parser: the messages, and the close code of the error that ended it (0: none).
struct Outcome {
  std::vector<Expected> messages;
  int error = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    for (const Expected& message : outcome.messages) out << "[" << message << "] ";
    return out << "error " << outcome.error;
  }
};

/// Takes all messages that are there. False after an error, which is written into `outcome`.
inline bool drain(WebSocketParser& parser, Outcome& outcome) {
  for (;;) {
    auto next = parser.next();
    if (!next) {
      outcome.error = static_cast<int>(parser.close_code());
      return false;
    }
    if (!*next) return true;
    const WebSocketMessage& message = **next;
    outcome.messages.push_back({message.kind, std::string(message.data), static_cast<int>(message.close_code)});
  }
}

/// Feeds `bytes` in pieces of `piece_bytes` through prepare and commit, as a socket would.
inline Outcome parse_in_pieces(WebSocketParserOptions options, std::string_view bytes, std::size_t piece_bytes) {
  WebSocketParser parser(std::move(options));
  Outcome outcome;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    const auto room = parser.prepare(std::min<std::size_t>(piece.size(), 64));
    const std::size_t count = std::min(piece.size(), room.size());
    std::memcpy(room.data(), piece.data(), count);
    parser.commit(count);
    bytes.remove_prefix(count);
    if (!drain(parser, outcome)) break;
  }
  return outcome;
}

/// One frame as the peer of a parser in `role` would send it, with any first byte.
inline std::string raw_frame(WebSocketRole role, int first_byte, std::string_view payload) {
  WebSocketFrameHeader header;
  header.is_masked = role == WebSocketRole::server;
  header.mask_key = 0x5AC3F10E;
  std::string out;
  append_frame(out, header, payload);
  out[0] = static_cast<char>(first_byte);
  return out;
}

inline std::string close_payload(int code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  return payload += reason;
}

}  // namespace marketprism::wire
