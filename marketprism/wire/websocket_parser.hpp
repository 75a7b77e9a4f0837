#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/wire/permessage_deflate.hpp"
#include "marketprism/wire/read_buffer.hpp"
#include "marketprism/wire/utf8.hpp"
#include "marketprism/wire/websocket_frame.hpp"

namespace marketprism::wire {

enum class WebSocketMessageKind : std::uint8_t { text, binary, ping, pong, close };

/// A whole message, or a control frame. `data` points into the parser: it is valid until its next `next`, `prepare` or
/// `append`.
struct WebSocketMessage {
  WebSocketMessageKind kind = WebSocketMessageKind::text;
  bool was_compressed = false;
  WebSocketCloseCode close_code = WebSocketCloseCode::none;  ///< of `close` only; `none` if the frame carried no code
  std::string_view data;                                     ///< payload; the reason, if `kind` is `close`

  [[nodiscard]] bool is_data() const { return kind <= WebSocketMessageKind::binary; }
};

struct WebSocketParserOptions {
  WebSocketRole role = WebSocketRole::client;        ///< ours
  std::size_t message_bytes_max = 16 * 1024 * 1024;  ///< of a message put together and decompressed
  std::size_t frame_bytes_max = 16 * 1024 * 1024;    ///< payload of one frame
  std::size_t read_bytes_start = 16 * 1024;          ///< the first read buffer
  std::size_t read_bytes_max = 256 * 1024;           ///< what it grows to while reads fill it
  bool check_utf8 = true;                            ///< of text messages; the reason of a close is always checked
  std::optional<DeflateParameters> deflate;          ///< what the handshake agreed on
};

/// Turns the bytes of a connection into messages (RFC 6455, RFC 7692). The owner of the socket loops:
///   read into `prepare()`; `commit(count)`; then `next()` until it gives no message.
/// A message that came in one frame and uncompressed is delivered where it was read, without a copy. One per
/// connection, no lock.
class WebSocketParser {
 public:
  explicit WebSocketParser(WebSocketParserOptions options = {});

  /// Where to read the next bytes to. Ends the validity of the last message.
  [[nodiscard]] std::span<std::byte> prepare(std::size_t min_bytes = 1) { return buffer_.prepare(min_bytes); }
  void commit(std::size_t count) { buffer_.commit(count); }
  /// Copies bytes in: those that were read together with the handshake, or a test's.
  void append(std::string_view bytes) { buffer_.append(bytes); }

  /// The next message; nothing if more bytes are needed, or if a close frame was delivered (what follows it is
  /// discarded). An error is final: the connection must be failed with `close_code()`, and every later call gives the
  /// same error.
  Result<std::optional<WebSocketMessage>> next();

  /// What to send in a close frame after an error: 1002, 1007 or 1009.
  [[nodiscard]] WebSocketCloseCode close_code() const { return close_code_; }
  /// A close frame was delivered.
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// The peer is in the middle of a frame or of a fragmented message: an end of the stream here is no clean end.
  [[nodiscard]] bool is_inside_message() const { return has_header_ || in_message_ || buffer_.unread_bytes() != 0; }
  /// What this parser holds now.
  [[nodiscard]] std::size_t memory_bytes() const {
    return buffer_.capacity_bytes() + assembly_.capacity() + (decompressor_ ? decompressor_->memory_bytes() : 0);
  }

 private:
  enum class Step : std::uint8_t { incomplete, again, message, failed };

  Step read_header();
  Step check_flags(std::uint8_t first);
  Step check_size();
  void begin_message();
  Step take_payload(WebSocketMessage& message);
  bool process(char* payload, std::size_t count);
  Step end_control_frame(std::string_view payload, WebSocketMessage& message);
  Step end_data_frame(std::string_view payload, WebSocketMessage& message);
  Step decompress(std::string_view fragment);
  Step refuse(WebSocketCloseCode close_code, ErrorCode code, std::string_view what);
  Step refuse_size(std::string_view what, std::uint64_t limit);
  void tidy_assembly();

  WebSocketParserOptions options_;
  ReadBuffer buffer_;
  WebSocketFrameHeader header_;  ///< of the frame being read
  std::size_t processed_ = 0;    ///< bytes of its payload that are unmasked and checked
  bool has_header_ = false;
  bool in_message_ = false;     ///< between the first and the last frame of a message
  bool is_compressed_ = false;  ///< the message being read is
  bool is_closed_ = false;
  bool is_finished_ = false;  ///< closed or failed: nothing is parsed any more
  bool assembly_is_delivered_ = false;
  WebSocketMessageKind message_kind_ = WebSocketMessageKind::text;
  WebSocketCloseCode close_code_ = WebSocketCloseCode::normal;
  std::uint64_t compressed_bytes_ = 0;  ///< of the message being read
  Utf8Validator utf8_;
  std::string assembly_;            ///< a fragmented or compressed message
  std::size_t small_messages_ = 0;  ///< delivered in a row that needed little of `assembly_`
  std::optional<DeflateDecompressor> decompressor_;
  std::optional<Error> error_;
};

}  // namespace marketprism::wire
