#include "marketprism/wire/websocket_parser.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

namespace marketprism::wire {

namespace {

constexpr std::size_t assembly_bytes_kept = 256 * 1024;
constexpr std::size_t small_messages_max = 1024;

template <class Integer>
std::uint64_t read_big_endian(const char* at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) value = (value << 8) | static_cast<unsigned char>(at[i]);
  return value;
}

bool is_known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

WebSocketMessageKind kind_of(WebSocketOpcode opcode) {
  switch (opcode) {
    case WebSocketOpcode::text: return WebSocketMessageKind::text;
    case WebSocketOpcode::ping: return WebSocketMessageKind::ping;
    case WebSocketOpcode::pong: return WebSocketMessageKind::pong;
    case WebSocketOpcode::close: return WebSocketMessageKind::close;
    case WebSocketOpcode::binary:
    case WebSocketOpcode::continuation: break;
  }
  return WebSocketMessageKind::binary;
}

}  // namespace

WebSocketParser::WebSocketParser(WebSocketParserOptions options)
    : options_(std::move(options)), buffer_(options_.read_bytes_start, options_.read_bytes_max) {
  if (options_.deflate) decompressor_.emplace(*options_.deflate, options_.role);
}

Result<std::optional<WebSocketMessage>> WebSocketParser::next() {
  if (assembly_is_delivered_) tidy_assembly();
  if (is_finished_) [[unlikely]] {
    buffer_.release();
    if (error_) return std::unexpected(*error_);
    return std::nullopt;
  }
  // Made where the caller gets it: copied, it would cost a fifth of the time of a short message.
  Result<std::optional<WebSocketMessage>> result(std::in_place, std::in_place);
  for (;;) {
    Step step = has_header_ ? Step::again : read_header();
    if (step == Step::again) step = take_payload(**result);
    if (step == Step::message) [[likely]]
      return result;
    if (step == Step::again) continue;
    if (step == Step::failed) {
      result = std::unexpected(*error_);
    } else {
      result->reset();
    }
    return result;
  }
}

WebSocketParser::Step WebSocketParser::read_header() {
  const std::string_view unread = buffer_.unread();
  if (unread.size() < 2) return Step::incomplete;
  const auto first = static_cast<std::uint8_t>(unread[0]);
  const auto second = static_cast<std::uint8_t>(unread[1]);
  header_.is_final = (first & 0x80) != 0;
  header_.rsv1 = (first & 0x40) != 0;
  header_.opcode = static_cast<WebSocketOpcode>(first & 0x0F);
  header_.is_masked = (second & 0x80) != 0;
  header_.payload_bytes = second & 0x7F;
  // A frame of its own, uncompressed, of text or binary, needs no look at its flags beyond this.
  const bool is_plain = !in_message_ && (first == 0x81 || first == 0x82);
  if (!is_plain || header_.is_masked != (options_.role == WebSocketRole::server)) {
    if (const Step step = check_flags(first); step == Step::failed) return step;
  }
  std::size_t size = 2;
  if (header_.payload_bytes >= 126) {
    const bool is_wide = header_.payload_bytes == 127;
    size = is_wide ? 10 : 4;
    if (unread.size() < size) return Step::incomplete;
    header_.payload_bytes =
        is_wide ? read_big_endian<std::uint64_t>(unread.data() + 2) : read_big_endian<std::uint16_t>(unread.data() + 2);
    if (header_.payload_bytes < (is_wide ? 0x10000U : 126U)) {
      return refuse(WebSocketCloseCode::protocol_error, ErrorCode::malformed, "length not in its shortest form");
    }
    if (header_.payload_bytes >> 63 != 0) {
      return refuse(WebSocketCloseCode::protocol_error, ErrorCode::malformed, "highest bit of the length set");
    }
  }
  if (const Step step = check_size(); step == Step::failed) return step;
  if (header_.is_masked) {
    if (unread.size() < size + 4) return Step::incomplete;
    std::memcpy(&header_.mask_key, unread.data() + size, 4);
    size += 4;
  }
  buffer_.consume(size);
  processed_ = 0;
  has_header_ = true;
  if (header_.opcode == WebSocketOpcode::text || header_.opcode == WebSocketOpcode::binary) begin_message();
  return Step::again;
}

WebSocketParser::Step WebSocketParser::check_flags(std::uint8_t first) {
  const auto wrong = [this](std::string_view what) {
    return refuse(WebSocketCloseCode::protocol_error, ErrorCode::malformed, what);
  };
  if ((first & 0x30) != 0) return wrong("reserved bit RSV2 or RSV3 set");
  if (!is_known(first & 0x0F)) return wrong("reserved opcode");
  const bool is_start = header_.opcode == WebSocketOpcode::text || header_.opcode == WebSocketOpcode::binary;
  if (header_.rsv1 && !decompressor_) return wrong("RSV1 set, but no compression was agreed on");
  if (header_.rsv1 && !is_start) return wrong("RSV1 set on a frame that starts no message");
  if (is_control(header_.opcode)) {
    if (!header_.is_final) return wrong("control frame in fragments");
    if (header_.payload_bytes > websocket_control_payload_bytes_max) return wrong("control frame above 125 bytes");
  } else if (is_start && in_message_) {
    return wrong("new message before the end of a fragmented one");
  } else if (!is_start && !in_message_) {
    return wrong("continuation without a message to continue");
  }
  if (header_.is_masked && options_.role == WebSocketRole::client) return wrong("masked frame from a server");
  if (!header_.is_masked && options_.role == WebSocketRole::server) return wrong("unmasked frame from a client");
  return Step::again;
}

WebSocketParser::Step WebSocketParser::check_size() {
  const bool starts = !in_message_ || is_control(header_.opcode);
  const bool is_compressed = starts ? header_.rsv1 : is_compressed_;
  const std::uint64_t limit = options_.message_bytes_max;
  if (header_.payload_bytes > options_.frame_bytes_max) return refuse_size("frame", options_.frame_bytes_max);
  if (is_control(header_.opcode)) return Step::again;
  if (!is_compressed) {
    const std::uint64_t before = starts ? 0 : assembly_.size();
    if (header_.payload_bytes > limit - before) return refuse_size("message", limit);
  } else {
    // The decompressor bounds what comes out. What goes in must be bounded too: blocks may be empty. DEFLATE adds 5
    // bytes to a block of 16 KiB or more that it cannot shrink.
    const std::uint64_t before = starts ? 0 : compressed_bytes_;
    const std::uint64_t overhead = limit / 1024 + 1024;
    const std::uint64_t most = std::max(limit, limit + overhead);  // the limit may be the largest number there is
    if (before > most || header_.payload_bytes > most - before) return refuse_size("compressed message", limit);
  }
  return Step::again;
}

void WebSocketParser::begin_message() {
  message_kind_ = kind_of(header_.opcode);
  is_compressed_ = header_.rsv1;
  compressed_bytes_ = 0;
}

WebSocketParser::Step WebSocketParser::take_payload(WebSocketMessage& message) {
  char* const payload = buffer_.unread_data();
  const std::size_t size = static_cast<std::size_t>(header_.payload_bytes);
  const std::size_t available = std::min(buffer_.unread_bytes(), size);
  if (available != processed_) {
    if (!process(payload + processed_, available - processed_)) {
      return refuse(WebSocketCloseCode::invalid_payload, ErrorCode::malformed, "text that is not UTF-8");
    }
    processed_ = available;
  }
  if (available < size) return Step::incomplete;
  buffer_.consume(size);
  has_header_ = false;
  if (is_control(header_.opcode)) return end_control_frame({payload, size}, message);
  return end_data_frame({payload, size}, message);
}

/// Unmasks and checks payload as it arrives, so that a large frame is not read twice and bad text is refused at once.
bool WebSocketParser::process(char* payload, std::size_t count) {
  if (header_.is_masked) mask_in_place(payload, count, header_.mask_key, processed_);
  const bool is_text = message_kind_ == WebSocketMessageKind::text && !is_compressed_ && !is_control(header_.opcode);
  return !is_text || !options_.check_utf8 || utf8_.feed({payload, count});
}

WebSocketParser::Step WebSocketParser::end_control_frame(std::string_view payload, WebSocketMessage& message) {
  message = WebSocketMessage{.kind = kind_of(header_.opcode), .data = payload};
  if (message.kind != WebSocketMessageKind::close) return Step::message;
  if (payload.size() == 1) {
    return refuse(WebSocketCloseCode::protocol_error, ErrorCode::malformed, "close frame of one byte");
  }
  if (payload.size() >= 2) {
    message.close_code = static_cast<WebSocketCloseCode>(read_big_endian<std::uint16_t>(payload.data()));
    message.data = payload.substr(2);
    if (!may_be_sent(message.close_code)) {
      return refuse(WebSocketCloseCode::protocol_error, ErrorCode::malformed,
                    fmt::format("close code {}", static_cast<int>(message.close_code)));
    }
    if (!is_utf8(message.data)) {
      return refuse(WebSocketCloseCode::invalid_payload, ErrorCode::malformed, "close reason that is not UTF-8");
    }
  }
  is_closed_ = is_finished_ = true;
  return Step::message;
}

WebSocketParser::Step WebSocketParser::end_data_frame(std::string_view payload, WebSocketMessage& message) {
  const bool is_single = header_.is_final && header_.opcode != WebSocketOpcode::continuation;
  in_message_ = !header_.is_final;
  if (is_compressed_) {
    if (const Step step = decompress(payload); step == Step::failed) return step;
  } else if (!is_single) {
    assembly_.append(payload);
  }
  if (in_message_) return Step::again;
  const bool is_text = message_kind_ == WebSocketMessageKind::text;
  if (is_text && options_.check_utf8 && !utf8_.is_complete()) {
    return refuse(WebSocketCloseCode::invalid_payload, ErrorCode::malformed, "text that ends inside a character");
  }
  assembly_is_delivered_ = is_compressed_ || !is_single;
  message.kind = message_kind_;
  message.was_compressed = is_compressed_;
  message.data = assembly_is_delivered_ ? std::string_view(assembly_) : payload;
  return Step::message;
}

WebSocketParser::Step WebSocketParser::decompress(std::string_view fragment) {
  compressed_bytes_ += fragment.size();
  const std::size_t before = assembly_.size();
  const auto done = decompressor_->decompress(fragment, header_.is_final, assembly_, options_.message_bytes_max);
  if (!done) {
    if (done.error().code == ErrorCode::too_large) return refuse_size("message", options_.message_bytes_max);
    return refuse(WebSocketCloseCode::invalid_payload, done.error().code, done.error().message);
  }
  const bool is_text = message_kind_ == WebSocketMessageKind::text;
  if (is_text && options_.check_utf8 && !utf8_.feed(std::string_view(assembly_).substr(before))) {
    return refuse(WebSocketCloseCode::invalid_payload, ErrorCode::malformed, "text that is not UTF-8");
  }
  return Step::again;
}

WebSocketParser::Step WebSocketParser::refuse(WebSocketCloseCode close_code, ErrorCode code, std::string_view what) {
  close_code_ = close_code;
  error_ = Error{code, fmt::format("websocket: bad frame from the peer: {}", what), false, nullptr};
  is_finished_ = true;
  return Step::failed;
}

WebSocketParser::Step WebSocketParser::refuse_size(std::string_view what, std::uint64_t limit) {
  return refuse(WebSocketCloseCode::message_too_big, ErrorCode::too_large,
                fmt::format("{} above the limit of {} bytes", what, limit));
}

/// Ends the life of a delivered message. Memory of a large one is kept as long as such messages keep coming.
void WebSocketParser::tidy_assembly() {
  assembly_is_delivered_ = false;
  if (assembly_.capacity() > assembly_bytes_kept) {
    small_messages_ = assembly_.size() > assembly_bytes_kept ? 0 : small_messages_ + 1;
    if (small_messages_ >= small_messages_max) {
      small_messages_ = 0;
      assembly_ = std::string();
    }
  }
  assembly_.clear();
}

}  // namespace marketprism::wire
