#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/net/http_message.hpp"
#include "marketprism/wire/read_buffer.hpp"

namespace marketprism::net {

class GzipDecoder;

struct HttpParserOptions {
  bool is_response = true;
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 64 * 1024 * 1024;  ///< after decompression too
  std::size_t fields_max = 256;
  bool decompress = true;  ///< gzip and deflate; anything else in Content-Encoding is left as it is
};

/// Turns the bytes of a connection into whole HTTP/1.1 messages, one after the other. The owner of the socket loops:
/// read into `prepare()`; `commit(count)`; `parse()`; when it says complete, use `head()` and `body()`, then
/// `next_message()`. Sans-I/O, one per connection. Refuses what request smuggling is made of: both Content-Length and
/// Transfer-Encoding, lengths that differ, transfer codings but `chunked`, chunk sizes out of form.
class HttpParser {
 public:
  enum class Phase : std::uint8_t {
    head,
    body_by_length,
    chunk_size,
    chunk_data,
    chunk_end,
    trailer,
    body_until_close,
    complete
  };

  explicit HttpParser(HttpParserOptions options = {});
  ~HttpParser();

  [[nodiscard]] std::span<std::byte> prepare() { return buffer_.prepare(); }
  void commit(std::size_t count) { buffer_.commit(count); }
  void append(std::string_view bytes) { buffer_.append(bytes); }

  /// True once a whole message is there. Errors are final: `malformed`, `too_large`, `unsupported`.
  Result<bool> parse();
  /// The peer closed its side: completes a body that lasts until the end; otherwise `connection_closed` if nothing of a
  /// message was read, `malformed` if it was cut.
  Result<> end();

  /// Ready for the next message. `is_head`: the response to come answers HEAD and has no body. `stream_bytes` not 0:
  /// the owner takes `body()` away as it grows. Then that is all of the body that is kept at a time, decompressed, and
  /// body_bytes_max does not count.
  void next_message(bool is_head = false, std::size_t stream_bytes = 0);
  /// The last `parse` stopped because `body()` has stream_bytes: parse again, without a read, when it was taken.
  [[nodiscard]] bool is_holding_back() const { return is_holding_back_; }

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] bool is_complete() const { return phase_ == Phase::complete; }
  /// Something of a message was read.
  [[nodiscard]] bool has_begun() const { return phase_ != Phase::head || buffer_.unread_bytes() != 0; }
  [[nodiscard]] bool has_head() const { return phase_ != Phase::head; }
  [[nodiscard]] const HttpHead& head() const { return head_; }
  [[nodiscard]] HttpHead& head() { return head_; }
  [[nodiscard]] std::string& body() { return body_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  /// Bytes read beyond what was parsed.
  [[nodiscard]] std::string_view unread() const { return buffer_.unread(); }
  [[nodiscard]] std::size_t memory_bytes() const { return buffer_.capacity_bytes() + body_.capacity(); }

 private:
  enum class Step : std::uint8_t { more, again };

  Result<Step> step();
  Result<Step> read_head();
  Result<Step> begin_body();
  Result<std::uint64_t> content_length() const;
  Result<Step> read_chunk_size();
  Result<Step> read_chunk_end();
  Result<Step> read_trailer();
  Result<Step> read_body();
  Result<std::size_t> take_body(std::string_view bytes);
  Result<> finish();

  HttpParserOptions options_;
  wire::ReadBuffer buffer_;
  HttpHead head_;
  std::string body_;
  Phase phase_ = Phase::head;
  bool is_head_ = false;
  std::size_t stream_bytes_ = 0;  // 0: the body is kept as a whole
  bool is_holding_back_ = false;
  std::size_t searched_bytes_ = 0;  // of the head: no empty line ends in these
  std::size_t trailer_bytes_ = 0;
  std::uint64_t left_bytes_ = 0;  // of the body or chunk
  std::unique_ptr<GzipDecoder> decoder_;
  bool is_encoded_ = false;  // the body goes through the decoder
};

}  // namespace marketprism::net
