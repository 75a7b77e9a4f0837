#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/wire/websocket_frame.hpp"

namespace marketprism::wire {

/// What both sides agreed on (RFC 7692, section 7.1). Parser and writer take it as it is, with their role.
struct DeflateParameters {
  bool server_no_context_takeover = false;  ///< the server compresses every message from an empty window
  bool client_no_context_takeover = false;
  int server_max_window_bits = 15;  ///< 8–15
  int client_max_window_bits = 15;  ///< 8–15

  friend bool operator==(const DeflateParameters&, const DeflateParameters&) = default;
};

/// What we want: as a client the offer is made of it, as a server it narrows what the client offers.
struct DeflateOptions {
  DeflateParameters wanted;
  /// Client: also tell the server that it may limit our window (`client_max_window_bits` without a value).
  bool allow_client_window_limit = true;
};

/// Client: the value of Sec-WebSocket-Extensions.
std::string make_deflate_offer(const DeflateOptions& options);

/// Client: reads the server's Sec-WebSocket-Extensions (all its lines, joined by commas). Nothing if the server
/// declined; an error
/// (`malformed`, terminal) if it answered what was not offered: the connection must then be failed.
Result<std::optional<DeflateParameters>> read_deflate_response(const DeflateOptions& options,
                                                               std::string_view extensions);

/// A server's answer: what holds now, and the value of Sec-WebSocket-Extensions to send.
struct DeflateAnswer {
  DeflateParameters parameters;
  std::string extension;
};

/// Server: takes the first offer of permessage-deflate in the client's Sec-WebSocket-Extensions that is well formed and
/// possible.
std::optional<DeflateAnswer> answer_deflate_offer(const DeflateOptions& options, std::string_view extensions);

/// Compresses the messages we send. One per connection and direction; about 256 KiB with 15 window bits, allocated at
/// the first use.
class DeflateCompressor {
 public:
  /// `level`: zlib's 1–9.
  DeflateCompressor(const DeflateParameters& parameters, WebSocketRole role, int level = 6);
  ~DeflateCompressor();
  DeflateCompressor(DeflateCompressor&&) noexcept;
  DeflateCompressor& operator=(DeflateCompressor&&) noexcept;

  /// Appends the compressed payload of one whole message to `out`.
  Result<> compress(std::string_view message, std::string& out);
  /// What zlib holds for it now, by zlib's own formula.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decompresses the messages we receive, fragment by fragment. One per connection and direction; up to 44 KiB,
/// allocated at the first use.
class DeflateDecompressor {
 public:
  DeflateDecompressor(const DeflateParameters& parameters, WebSocketRole role);
  ~DeflateDecompressor();
  DeflateDecompressor(DeflateDecompressor&&) noexcept;
  DeflateDecompressor& operator=(DeflateDecompressor&&) noexcept;

  /// Appends what `fragment` holds to `out`; `is_final` ends the message. Never lets `out` grow beyond `size_max`:
  /// `too_large` then. `malformed` for bytes that are not DEFLATE. After an error the object must not be used again.
  Result<> decompress(std::string_view fragment, bool is_final, std::string& out, std::size_t size_max);
  /// What zlib holds for it now, by zlib's own formula.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::wire
