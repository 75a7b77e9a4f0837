#include "marketprism/wire/url.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

#include <fmt/format.h>

namespace marketprism::wire {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_unreserved(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

/// Passwords may stand in a URL, so messages never repeat it before the '@'.
std::unexpected<Error> wrong(std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("URL: {}", what), true);
}

bool has_good_escapes(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return false;
  }
  return true;
}

Result<> check_name(const std::string& host) {
  if (host.size() > 253) return wrong("the host is longer than 253 characters");
  std::size_t label_start = 0;
  for (std::size_t i = 0; i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      const std::size_t length = i - label_start;
      if (length == 0 || length > 63) return wrong(fmt::format("the host \"{}\" has an empty or too long label", host));
      label_start = i + 1;
    } else if (!is_letter(host[i]) && !is_digit(host[i]) && host[i] != '-' && host[i] != '_') {
      return wrong(fmt::format("the host \"{}\" has a character that no host name has", host));
    }
  }
  // "127.1" and "0x7f.0.0.1" mean different hosts to different resolvers: a last label of digits must end a full IPv4
  // address.
  const std::string_view last = std::string_view(host).substr(host.rfind('.') + 1);
  const bool is_numeric = is_digit(last[0]) && (std::ranges::all_of(last, is_digit) || last.starts_with("0x"));
  in_addr address{};
  if (is_numeric && inet_pton(AF_INET, host.c_str(), &address) != 1) {
    return wrong(fmt::format("the host \"{}\" is no IPv4 address", host));
  }
  return {};
}

Result<> read_user(std::string_view text, Url& url) {
  const std::size_t colon = text.find(':');
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || !password) return wrong("user or password has a '%' without two hexadecimal digits");
  if (user->empty()) return wrong("the user before '@' is empty");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

Result<> read_port(std::string_view text, Url& url) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.size() > 5 || port == 0 || port > 65535) {
    return wrong(fmt::format("the port \"{}\" is not a number from 1 to 65535", text));
  }
  url.port = static_cast<std::uint16_t>(port);
  return {};
}

Result<> read_host(std::string_view text, Url& url) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong("the IPv6 address has no closing bracket");
    url.host = to_lower(text.substr(1, close - 1));
    url.is_ipv6 = true;
    in6_addr address{};
    if (inet_pton(AF_INET6, url.host.c_str(), &address) != 1) {
      return wrong(fmt::format("\"{}\" is no IPv6 address", url.host));
    }
    text.remove_prefix(close + 1);
    has_port = !text.empty();
    if (has_port && text[0] != ':') return wrong("something other than a port follows the IPv6 address");
    if (has_port) port = text.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    url.host = to_lower(text.substr(0, colon));
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    if (url.host.empty()) return wrong("the host is missing");
    if (auto checked = check_name(url.host); !checked) return checked;
  }
  if (has_port) return read_port(port, url);
  const auto usual = default_port(url.scheme);
  if (!usual) return wrong(fmt::format("the scheme \"{}\" has no port of its own: name one", url.scheme));
  url.port = *usual;
  return {};
}

}  // namespace

std::optional<std::uint16_t> default_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  if (scheme == "socks5" || scheme == "socks5h") return 1080;
  return std::nullopt;
}

Result<Url> parse_url(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) return wrong("it has a blank or a control character: percent-encode it");
    if (byte >= 0x80)
      return wrong("it has a character outside ASCII: percent-encode it, or write the host in punycode");
  }
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return wrong("it does not start with scheme://");
  Url url;
  url.scheme = to_lower(text.substr(0, colon));
  const auto fits_scheme = [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; };
  if (url.scheme.empty() || !is_letter(url.scheme[0]) || !std::ranges::all_of(url.scheme, fits_scheme)) {
    return wrong("the scheme before :// is no scheme");
  }
  text.remove_prefix(colon + 3);

  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    if (url.scheme == "ws" || url.scheme == "wss") return wrong("a WebSocket URL has no fragment (#)");
    text = text.substr(0, hash);
  }
  const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, authority_end);
  std::string_view rest = text.substr(authority_end);
  if (const std::size_t at = authority.find('@'); at != std::string_view::npos) {
    if (auto read = read_user(authority.substr(0, at), url); !read) return std::unexpected(std::move(read.error()));
    authority.remove_prefix(at + 1);
    if (authority.find('@') != std::string_view::npos)
      return wrong("it has two '@' before the path: write the first as %40");
  }
  if (authority.empty()) return wrong("the host is missing");
  if (auto read = read_host(authority, url); !read) return std::unexpected(std::move(read.error()));

  if (!has_good_escapes(rest)) return wrong("path or query has a '%' without two hexadecimal digits");
  const std::size_t mark = rest.find('?');
  url.has_query = mark != std::string_view::npos;
  if (url.has_query) url.query = rest.substr(mark + 1);
  rest = rest.substr(0, mark);
  if (!rest.empty()) url.path = rest;
  return url;
}

std::string Url::target() const { return has_query ? path + '?' + query : path; }

std::string Url::host_and_port() const {
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string Url::host_header() const {
  if (default_port(scheme) != port) return host_and_port();
  return is_ipv6 ? '[' + host + ']' : host;
}

std::string Url::to_string() const { return scheme + "://" + host_header() + target(); }

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return encoded;
}

Result<std::string> percent_decode(std::string_view text) {
  if (!has_good_escapes(text))
    return fail(ErrorCode::malformed, "a '%' is not followed by two hexadecimal digits", true);
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      decoded += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

void append_query(std::string& query, std::string_view name, std::string_view value) {
  if (!query.empty()) query += '&';
  query += percent_encode(name);
  query += '=';
  query += percent_encode(value);
}

}  // namespace marketprism::wire
