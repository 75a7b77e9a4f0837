#pragma once
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"

namespace marketprism::wire {

struct HttpHeader {
  std::string name;
  std::string value;
};

/// The headers of a message in their order. Names are compared without regard to case; a name may stand more than once.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<HttpHeader> headers) : headers_(headers) {}

  void add(std::string_view name, std::string_view value);
  /// Replaces all of that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  /// The first of that name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// All of that name, joined by ", ".
  [[nodiscard]] std::string joined(std::string_view name) const;
  /// True if a comma-separated list of that name holds the token, without regard to case ("Connection: keep-alive,
  /// Upgrade").
  [[nodiscard]] bool contains_token(std::string_view name, std::string_view token) const;

  [[nodiscard]] std::size_t size() const { return headers_.size(); }
  [[nodiscard]] bool empty() const { return headers_.empty(); }
  [[nodiscard]] auto begin() const { return headers_.begin(); }
  [[nodiscard]] auto end() const { return headers_.end(); }

 private:
  std::vector<HttpHeader> headers_;
};

struct HttpRequestHead {
  std::string method = "GET";
  std::string target = "/";
  int minor_version = 1;  ///< of HTTP/1.x
  HttpHeaders headers;
};

struct HttpResponseHead {
  int status = 200;
  std::string reason;
  int minor_version = 1;
  HttpHeaders headers;
};

/// ASCII letters compared without regard to case.
bool equal_ignoring_case(std::string_view a, std::string_view b);
/// Without spaces and tabs at both ends.
std::string_view trim_blanks(std::string_view text);

/// `invalid_argument` for a name that is not a token (RFC 9110, section 5.6.2) or a value with CR, LF, NUL or another
/// control character: nobody may smuggle a header or a request into another one.
Result<> check_header(std::string_view name, std::string_view value);

/// Appends the head with the empty line that ends it; nothing is appended on an error (`check_header`; a method that is
/// no token; a target with blanks or control characters; a status outside 100–999).
Result<> append_head(std::string& out, const HttpRequestHead& head);
Result<> append_head(std::string& out, const HttpResponseHead& head);

/// Strict parsing of a head that ends with an empty line: CRLF only, no folded lines, no blank before the colon
/// (`malformed`).
Result<HttpRequestHead> parse_request_head(std::string_view text);
Result<HttpResponseHead> parse_response_head(std::string_view text);

inline constexpr std::size_t http_headers_max = 128;

/// Collects bytes until the empty line that ends a head, within a limit. Used once per handshake; what was read beyond
/// it is the `remainder`.
class HttpHeadReader {
 public:
  explicit HttpHeadReader(std::size_t bytes_max = 16 * 1024);

  /// Room for at least one byte, as long as the head is not complete.
  [[nodiscard]] std::span<std::byte> prepare();
  /// True once the head is complete; `too_large` if the limit is reached without its end, `malformed` for a NUL byte.
  Result<bool> commit(std::size_t count);
  /// Copies bytes in (a test's, or another reader's remainder), then like `commit`. Bytes beyond the limit are an
  /// error.
  Result<bool> append(std::string_view bytes);

  [[nodiscard]] bool is_complete() const { return head_bytes_ != 0; }
  /// The head with its empty line; only when complete.
  [[nodiscard]] std::string_view head() const { return std::string_view(bytes_).substr(0, head_bytes_); }
  /// What was read beyond the head; only when complete.
  [[nodiscard]] std::string_view remainder() const {
    return std::string_view(bytes_).substr(head_bytes_, filled_ - head_bytes_);
  }

 private:
  std::string bytes_;
  std::size_t bytes_max_;
  std::size_t filled_ = 0;
  std::size_t head_bytes_ = 0;
};

}  // namespace marketprism::wire
