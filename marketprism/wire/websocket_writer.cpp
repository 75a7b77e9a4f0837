#include "marketprism/wire/websocket_writer.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "marketprism/wire/utf8.hpp"

namespace marketprism::wire {

namespace {

constexpr std::size_t close_reason_bytes_max = websocket_control_payload_bytes_max - 2;

std::unexpected<Error> after_close() {
  return fail(ErrorCode::closed, "websocket: nothing can be sent after a close frame");
}

/// The longest beginning of at most `bytes_max` that does not cut a character; `text` is UTF-8.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

WebSocketWriter::WebSocketWriter(WebSocketWriterOptions options) : options_(std::move(options)) {
  assert(options_.role == WebSocketRole::server || options_.mask_key);
  if (options_.deflate) compressor_.emplace(*options_.deflate, options_.role, options_.compress_level);
}

Result<> WebSocketWriter::write_text(std::string& out, std::string_view text) {
  if (options_.check_utf8 && !is_utf8(text)) {
    return fail(ErrorCode::malformed, "websocket: text to send is not UTF-8", true);
  }
  return write_message(out, WebSocketOpcode::text, text);
}

Result<> WebSocketWriter::write_binary(std::string& out, std::string_view data) {
  return write_message(out, WebSocketOpcode::binary, data);
}

Result<> WebSocketWriter::write_ping(std::string& out, std::string_view data) {
  return write_control(out, WebSocketOpcode::ping, data);
}

Result<> WebSocketWriter::write_pong(std::string& out, std::string_view data) {
  return write_control(out, WebSocketOpcode::pong, data);
}

Result<> WebSocketWriter::write_close(std::string& out, WebSocketCloseCode code, std::string_view reason) {
  char payload[websocket_control_payload_bytes_max];
  std::size_t size = 0;
  if (code != WebSocketCloseCode::none) {
    const auto value = static_cast<unsigned>(code);
    if (!may_be_sent(code)) {
      return fail(ErrorCode::invalid_argument, fmt::format("websocket: the close code {} may not be sent", value),
                  true);
    }
    if (!is_utf8(reason)) return fail(ErrorCode::malformed, "websocket: the close reason is not UTF-8", true);
    reason = cut(reason, close_reason_bytes_max);
    payload[0] = static_cast<char>(value >> 8);
    payload[1] = static_cast<char>(value);
    std::ranges::copy(reason, payload + 2);
    size = 2 + reason.size();
  }
  auto written = write_control(out, WebSocketOpcode::close, {payload, size});
  if (written) is_closed_ = true;
  return written;
}

Result<> WebSocketWriter::write_message(std::string& out, WebSocketOpcode opcode, std::string_view data) {
  if (is_closed_) return after_close();
  bool rsv1 = false;
  if (compressor_ && data.size() >= options_.compress_bytes_min) {
    compressed_.clear();
    if (auto done = compressor_->compress(data, compressed_); !done) return done;
    data = compressed_;
    rsv1 = true;
  }
  const std::size_t piece_max = options_.fragment_bytes_max == 0 ? data.size() : options_.fragment_bytes_max;
  do {
    const std::string_view piece = data.substr(0, piece_max);
    data.remove_prefix(piece.size());
    write_frame(out, opcode, data.empty(), rsv1, piece);
    opcode = WebSocketOpcode::continuation;
    rsv1 = false;
  } while (!data.empty());
  return {};
}

Result<> WebSocketWriter::write_control(std::string& out, WebSocketOpcode opcode, std::string_view data) {
  if (is_closed_) return after_close();
  if (data.size() > websocket_control_payload_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("websocket: {} bytes in a control frame, 125 fit", data.size()),
                true);
  }
  write_frame(out, opcode, true, false, data);
  return {};
}

void WebSocketWriter::write_frame(std::string& out, WebSocketOpcode opcode, bool is_final, bool rsv1,
                                  std::string_view payload) {
  WebSocketFrameHeader header{.opcode = opcode, .is_final = is_final, .rsv1 = rsv1};
  if (options_.role == WebSocketRole::client) {
    header.is_masked = true;
    header.mask_key = options_.mask_key();
  }
  append_frame(out, header, payload);
}

}  // namespace marketprism::wire
