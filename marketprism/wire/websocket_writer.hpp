#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/wire/permessage_deflate.hpp"
#include "marketprism/wire/websocket_frame.hpp"

namespace marketprism::wire {

struct WebSocketWriterOptions {
  WebSocketRole role = WebSocketRole::client;  ///< ours
  /// Four fresh random bytes for every frame; a client must have it (RFC 6455, section 10.3: not guessable by the
  /// peer).
  std::function<std::uint32_t()> mask_key;
  std::size_t fragment_bytes_max = 0;    ///< payload of one frame; 0: a message is one frame
  std::size_t compress_bytes_min = 128;  ///< shorter messages are sent as they are, even with deflate
  int compress_level = 6;
  bool check_utf8 = true;                    ///< of text messages
  std::optional<DeflateParameters> deflate;  ///< what the handshake agreed on
};

/// Writes messages as frames to the end of a buffer of the caller's. It keeps the order rules: nothing follows a close
/// frame (`closed`). One per connection, no lock.
class WebSocketWriter {
 public:
  explicit WebSocketWriter(WebSocketWriterOptions options);

  /// `malformed` if the text is not UTF-8; nothing is written then.
  Result<> write_text(std::string& out, std::string_view text);
  Result<> write_binary(std::string& out, std::string_view data);
  /// `too_large` above 125 bytes.
  Result<> write_ping(std::string& out, std::string_view data = {});
  Result<> write_pong(std::string& out, std::string_view data = {});
  /// A code that may not be sent (1005, 1006, …) is `invalid_argument`, except `none`: an empty close frame, the right
  /// echo of one. A reason above 123 bytes is cut at a character's boundary.
  Result<> write_close(std::string& out, WebSocketCloseCode code = WebSocketCloseCode::normal,
                       std::string_view reason = {});

  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// What this writer holds now; the buffer it writes to is the caller's.
  [[nodiscard]] std::size_t memory_bytes() const {
    return compressed_.capacity() + (compressor_ ? compressor_->memory_bytes() : 0);
  }

 private:
  Result<> write_message(std::string& out, WebSocketOpcode opcode, std::string_view data);
  Result<> write_control(std::string& out, WebSocketOpcode opcode, std::string_view data);
  void write_frame(std::string& out, WebSocketOpcode opcode, bool is_final, bool rsv1, std::string_view payload);

  WebSocketWriterOptions options_;
  std::optional<DeflateCompressor> compressor_;
  std::string compressed_;
  bool is_closed_ = false;
};

}  // namespace marketprism::wire
