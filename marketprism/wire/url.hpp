#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"

namespace marketprism::wire {

/// An absolute URL, taken apart: `scheme://[user[:password]@]host[:port][/path][?query]`. A plain value.
struct Url {
  std::string scheme;      ///< lower case
  std::string user;        ///< percent-decoded, empty if none
  std::string password;    ///< percent-decoded, empty if none
  std::string host;        ///< lower case; an IPv6 address stands without its brackets
  std::uint16_t port = 0;  ///< the default of the scheme if the text names none
  std::string path = "/";  ///< as written, never empty
  std::string query;       ///< as written, without '?'
  bool is_ipv6 = false;    ///< the host was written in brackets
  bool has_query = false;  ///< tells "/?" from "/"

  /// https and wss.
  [[nodiscard]] bool is_secure() const { return scheme == "https" || scheme == "wss"; }
  /// What stands in a request line: "/path?query".
  [[nodiscard]] std::string target() const;
  /// Host in brackets if it is IPv6, always with the port: "[::1]:443", the argument of CONNECT.
  [[nodiscard]] std::string host_and_port() const;
  /// The value of the Host header: like `host_and_port`, without the port if it is the scheme's default.
  [[nodiscard]] std::string host_header() const;
  /// Without user and password, so that it may be logged.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Url&, const Url&) = default;
};

/// 80 for http and ws, 443 for https and wss, 1080 for socks5 and socks5h; nothing for others.
std::optional<std::uint16_t> default_port(std::string_view scheme);

/// Refuses (`invalid_argument`, terminal; the message names the part that is wrong): no scheme, no host, bad port,
/// blanks and control characters, bad percent escapes, user without host, a bad IPv6 address, a fragment in ws and wss.
/// The fragment of other schemes is dropped: it is never sent.
Result<Url> parse_url(std::string_view text);

/// Everything but letters, digits and "-._~" becomes %XX: right for a name or a value of a query and for one segment of
/// a path.
std::string percent_encode(std::string_view text);
/// The reverse; `malformed` for a '%' that is not followed by two hexadecimal digits. '+' stays '+'.
Result<std::string> percent_decode(std::string_view text);

/// Appends "name=value", both percent-encoded, with a '&' before it if `query` is not empty.
void append_query(std::string& query, std::string_view name, std::string_view value);

}  // namespace marketprism::wire
