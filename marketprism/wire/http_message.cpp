#include "marketprism/wire/http_message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

namespace marketprism::wire {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_token_character(char c) {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || is_digit(c) || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_character); }

/// What may stand in a value: everything but control characters; a tab is none of them here.
bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
}

bool is_target_character(char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; }

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::malformed, fmt::format("HTTP head: {}", what), true);
}

Result<> append_headers(std::string& out, const HttpHeaders& headers) {
  for (const HttpHeader& header : headers) {
    if (auto checked = check_header(header.name, header.value); !checked) return checked;
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  out += "\r\n";
  return {};
}

/// Cuts the next line, without its CRLF, off `text`.
Result<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return malformed("it does not end with an empty line");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return malformed("a line has a lone CR, a lone LF or a NUL in it");
  }
  return line;
}

/// Reads header lines up to the empty one, which must be the last.
Result<> read_headers(std::string_view text, HttpHeaders& headers) {
  for (;;) {
    const auto line = take_line(text);
    if (!line) return std::unexpected(line.error());
    if (line->empty()) break;
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos) return malformed("a header line has no colon");
    const std::string_view name = line->substr(0, colon);
    if (!is_token(name)) return malformed("a header name is no token (a blank before the colon, or a folded line?)");
    const std::string_view value = trim_blanks(line->substr(colon + 1));
    if (!std::ranges::all_of(value, is_value_character)) {
      return malformed(fmt::format("the value of {} has a control character", name));
    }
    if (headers.size() == http_headers_max) {
      return fail(ErrorCode::too_large, fmt::format("HTTP head: more than {} headers", http_headers_max), true);
    }
    headers.add(name, value);
  }
  if (!text.empty()) return malformed("something follows the empty line");
  return {};
}

/// "HTTP/1.0" and "HTTP/1.1".
std::optional<int> minor_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  return std::nullopt;
}

}  // namespace

void HttpHeaders::add(std::string_view name, std::string_view value) {
  headers_.push_back({std::string(name), std::string(value)});
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void HttpHeaders::remove(std::string_view name) {
  std::erase_if(headers_, [name](const HttpHeader& header) { return equal_ignoring_case(header.name, name); });
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
  for (const HttpHeader& header : headers_) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::size_t HttpHeaders::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(headers_, [name](const HttpHeader& h) { return equal_ignoring_case(h.name, name); }));
}

std::string HttpHeaders::joined(std::string_view name) const {
  std::string all;
  bool is_first = true;
  for (const HttpHeader& header : headers_) {
    if (!equal_ignoring_case(header.name, name)) continue;
    if (!is_first) all += ", ";
    all += header.value;
    is_first = false;
  }
  return all;
}

bool HttpHeaders::contains_token(std::string_view name, std::string_view token) const {
  for (const HttpHeader& header : headers_) {
    if (!equal_ignoring_case(header.name, name)) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (equal_ignoring_case(trim_blanks(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a == b) return true;  // most peers write names as the RFCs do
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim_blanks(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

Result<> check_header(std::string_view name, std::string_view value) {
  if (!is_token(name)) return fail(ErrorCode::invalid_argument, "HTTP: a header name is empty or no token", true);
  if (!std::ranges::all_of(value, is_value_character)) {
    return fail(ErrorCode::invalid_argument, fmt::format("HTTP: the value of {} has a control character", name), true);
  }
  return {};
}

Result<> append_head(std::string& out, const HttpRequestHead& head) {
  if (!is_token(head.method)) return fail(ErrorCode::invalid_argument, "HTTP: the method is no token", true);
  if (head.target.empty() || !std::ranges::all_of(head.target, is_target_character)) {
    return fail(ErrorCode::invalid_argument, "HTTP: the target is empty or has a blank or control character", true);
  }
  assert(head.minor_version == 0 || head.minor_version == 1);
  const std::size_t before = out.size();
  out.append(head.method)
      .append(" ")
      .append(head.target)
      .append(head.minor_version == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  auto appended = append_headers(out, head.headers);
  if (!appended) out.resize(before);
  return appended;
}

Result<> append_head(std::string& out, const HttpResponseHead& head) {
  if (head.status < 100 || head.status > 999) {
    return fail(ErrorCode::invalid_argument, fmt::format("HTTP: {} is no status", head.status), true);
  }
  if (!std::ranges::all_of(head.reason, is_value_character)) {
    return fail(ErrorCode::invalid_argument, "HTTP: the reason has a control character", true);
  }
  assert(head.minor_version == 0 || head.minor_version == 1);
  const std::size_t before = out.size();
  out += fmt::format("HTTP/1.{} {} {}\r\n", head.minor_version, head.status, head.reason);
  auto appended = append_headers(out, head.headers);
  if (!appended) out.resize(before);
  return appended;
}

Result<HttpRequestHead> parse_request_head(std::string_view text) {
  const auto line = take_line(text);
  if (!line) return std::unexpected(line.error());
  const std::size_t first = line->find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line->find(' ', first + 1);
  if (second == std::string_view::npos) return malformed("the request line is not \"method target version\"");
  HttpRequestHead head;
  head.method = line->substr(0, first);
  head.target = line->substr(first + 1, second - first - 1);
  const auto version = minor_version(line->substr(second + 1));
  if (!is_token(head.method)) return malformed("the method is no token");
  if (head.target.empty() || !std::ranges::all_of(head.target, is_target_character)) {
    return malformed("the target is empty or has a control character");
  }
  if (!version) return malformed("the version is not HTTP/1.0 or HTTP/1.1");
  head.minor_version = *version;
  if (auto read = read_headers(text, head.headers); !read) return std::unexpected(std::move(read.error()));
  return head;
}

Result<HttpResponseHead> parse_response_head(std::string_view text) {
  const auto line = take_line(text);
  if (!line) return std::unexpected(line.error());
  // "HTTP/1.1 101 Switching Protocols"; some servers leave out the reason and the blank before it.
  const auto version = minor_version(line->substr(0, 8));
  if (!version) return malformed("it does not start with HTTP/1.0 or HTTP/1.1");
  const std::string_view status = line->substr(std::min<std::size_t>(8, line->size()));
  const bool is_status = status.size() >= 4 && status[0] == ' ' && status[1] >= '1' &&
                         std::ranges::all_of(status.substr(1, 3), is_digit) && (status.size() == 4 || status[4] == ' ');
  if (!is_status) return malformed("the status is not a number of three digits");
  HttpResponseHead head;
  head.minor_version = *version;
  head.status = (status[1] - '0') * 100 + (status[2] - '0') * 10 + (status[3] - '0');
  head.reason = status.size() > 5 ? status.substr(5) : std::string_view();
  if (!std::ranges::all_of(head.reason, is_value_character)) return malformed("the reason has a control character");
  if (auto read = read_headers(text, head.headers); !read) return std::unexpected(std::move(read.error()));
  return head;
}

}  // namespace marketprism::wire
