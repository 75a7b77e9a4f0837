#include "marketprism/net/http_message.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "marketprism/wire/url.hpp"

namespace marketprism::net {
namespace {

// RFC 9110, section 5.6.2: what names and methods are made of.
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> token_table = make_token_table();

// Looks at every byte, so that the loop has no branch.
bool is_token(std::string_view text) {
  bool is_good = !text.empty();
  for (const char c : text) is_good &= token_table[static_cast<unsigned char>(c)];
  return is_good;
}

// Which of eight bytes are control characters, or a byte after one of them: the top bit of each.
std::uint64_t controls_in(std::uint64_t bytes) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
  const std::uint64_t deletes = bytes ^ (ones * 0x7F);
  return (((bytes - ones * 0x20) & ~bytes) | ((deletes - ones) & ~deletes)) & (ones * 0x80);
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7F;
}

bool has_control(std::string_view text) {
  while (text.size() >= 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data(), sizeof bytes);
    if (controls_in(bytes) != 0 && std::ranges::any_of(text.substr(0, 8), is_control)) return true;
    text.remove_prefix(8);
  }
  return std::ranges::any_of(text, is_control);
}

bool is_target(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) return false;
  }
  return !text.empty();
}

// RFC 9112, section 3.2.2: a target may name scheme and host too, as to a proxy; what it is about is behind them.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!wire::equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    if (path != std::string_view::npos) return target.substr(path);
    return target.substr(scheme.size() - 1, 1);  // no path is the path "/"
  }
  return target;
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::malformed, "HTTP: " + std::string(what));
}

// Up to 60 bytes of what was received, for a message.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return out + (text.size() > 60 ? "…'" : "'");
}

}  // namespace

HttpHead::Piece HttpHead::piece(std::string_view part) const {
  if (part.empty()) return {};
  return {static_cast<std::uint32_t>(part.data() - text_.data()), static_cast<std::uint32_t>(part.size())};
}

Result<> HttpHead::parse_version(std::string_view text) {
  if (text == "HTTP/1.1") {
    minor_version_ = 1;
  } else if (text == "HTTP/1.0") {
    minor_version_ = 0;
  } else if (text.starts_with("HTTP/") && text.size() == 8) {
    return fail(ErrorCode::unsupported, "HTTP: version " + quoted(text) + " is not spoken here", true);
  } else {
    return malformed("the start line does not name a version: " + quoted(text));
  }
  return {};
}

Result<> HttpHead::parse_request(std::string_view text, std::size_t fields_max) {
  text_.assign(text);
  status_ = 0;
  const std::string_view all = text_;
  const std::size_t line_end = all.find("\r\n");
  if (line_end == std::string_view::npos) return malformed("the request line has no end");
  const std::string_view line = all.substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return malformed("bad request line " + quoted(line));
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (!is_token(method) || !is_target(target)) return malformed("bad request line " + quoted(line));
  method_ = piece(method);
  target_ = piece(origin_form(target));
  if (auto version = parse_version(line.substr(second + 1)); !version) return version;
  return parse_fields(all.substr(line_end + 2), fields_max);
}

Result<> HttpHead::parse_response(std::string_view text, std::size_t fields_max) {
  text_.assign(text);
  method_ = {};
  const std::string_view all = text_;
  const std::size_t line_end = all.find("\r\n");
  if (line_end == std::string_view::npos) return malformed("the status line has no end");
  const std::string_view line = all.substr(0, line_end);
  if (line.size() < 12 || line[8] != ' ') return malformed("bad status line " + quoted(line));
  if (auto version = parse_version(line.substr(0, 8)); !version) return version;
  status_ = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return malformed("bad status line " + quoted(line));
    status_ = status_ * 10 + (c - '0');
  }
  if (status_ < 100 || (line.size() > 12 && line[12] != ' ')) return malformed("bad status line " + quoted(line));
  const std::string_view reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (has_control(reason)) return malformed("control characters in the status line");
  target_ = piece(reason);
  return parse_fields(all.substr(line_end + 2), fields_max);
}

Result<> HttpHead::parse_fields(std::string_view rest, std::size_t fields_max) {
  fields_.clear();
  name_sizes_ = 0;
  while (true) {
    const std::size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return malformed("the head has no end");
    if (end == 0) return {};
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return malformed("bad header line " + quoted(line));
    }
    const std::string_view value = wire::trim_blanks(line.substr(colon + 1));
    if (has_control(value)) return malformed("control characters in the header " + quoted(line.substr(0, colon)));
    if (fields_.size() == fields_max) {
      return fail(ErrorCode::too_large, "HTTP: more than " + std::to_string(fields_max) + " headers");
    }
    fields_.push_back({piece(line.substr(0, colon)), piece(value)});
    name_sizes_ |= std::uint64_t{1} << (colon & 63U);
  }
}

bool HttpHead::is_named(const FieldAt& field, std::string_view name) const {
  return field.name.size == name.size() && wire::equal_ignoring_case(view(field.name), name);
}

std::size_t HttpHead::count(std::string_view name) const {
  if (!may_have(name)) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(fields_, [&](const FieldAt& f) { return is_named(f, name); }));
}

std::string_view HttpHead::path() const {
  const std::string_view all = target();
  if (all.starts_with('?')) return "/";
  return all.substr(0, all.find('?'));
}

std::string_view HttpHead::query() const {
  const std::string_view all = target();
  const std::size_t mark = all.find('?');
  return mark == std::string_view::npos ? std::string_view() : all.substr(mark + 1);
}

std::optional<std::string> HttpHead::query_value(std::string_view name) const {
  std::string_view rest = query();
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const auto key = wire::percent_decode(pair.substr(0, equals));
    if (!key || *key != name) continue;
    if (equals == std::string_view::npos) return std::string();
    auto value = wire::percent_decode(pair.substr(equals + 1));
    if (!value) return std::nullopt;
    return std::move(*value);
  }
  return std::nullopt;
}

std::optional<std::string_view> HttpHead::find(std::string_view name) const {
  if (!may_have(name)) return std::nullopt;
  for (const FieldAt& field : fields_) {
    if (is_named(field, name)) return view(field.value);
  }
  return std::nullopt;
}

bool HttpHead::contains_token(std::string_view name, std::string_view token) const {
  if (!may_have(name)) return false;
  for (const FieldAt& field : fields_) {
    if (!is_named(field, name)) continue;
    std::string_view list = view(field.value);
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      if (wire::equal_ignoring_case(wire::trim_blanks(list.substr(0, comma)), token)) return true;
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
  }
  return false;
}

bool HttpHead::keeps_alive() const {
  if (contains_token("Connection", "close")) return false;
  return minor_version_ >= 1 || contains_token("Connection", "keep-alive");
}

wire::HttpRequestHead HttpHead::to_request_head() const {
  wire::HttpRequestHead head;
  head.method = method();
  head.target = target();
  head.minor_version = minor_version_;
  for (std::size_t i = 0; i < size(); ++i) head.headers.add(at(i).name, at(i).value);
  return head;
}

wire::HttpResponseHead HttpHead::to_response_head() const {
  wire::HttpResponseHead head;
  head.status = status_;
  head.reason = reason();
  head.minor_version = minor_version_;
  for (std::size_t i = 0; i < size(); ++i) head.headers.add(at(i).name, at(i).value);
  return head;
}

Result<std::string> make_http_request(std::string_view host_header, const HttpRequest& request) {
  wire::HttpRequestHead head;
  head.method = request.method;
  head.target = request.target;
  if (!request.headers.contains("Host")) head.headers.add("Host", host_header);
  for (const auto& [name, value] : request.headers) {
    // A length that is not the body's would make the peer wait, or take the next request for a part of this one.
    if (!wire::equal_ignoring_case(name, "Content-Length")) head.headers.add(name, value);
  }
  if (head.headers.contains("Transfer-Encoding")) {
    return fail(ErrorCode::invalid_argument, "HTTP: the body is sent by length; leave Transfer-Encoding out", true);
  }
  if (!head.headers.contains("User-Agent")) head.headers.add("User-Agent", "marketprism");
  if (!head.headers.contains("Accept-Encoding")) head.headers.add("Accept-Encoding", "gzip");
  const bool expects_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (request.body_source != nullptr) {
    if (!request.body.empty()) {
      return fail(ErrorCode::invalid_argument, "HTTP: the request has a body and a source of one; leave one out", true);
    }
    const auto size = request.body_source->size();
    head.headers.add(size ? "Content-Length" : "Transfer-Encoding", size ? std::to_string(*size) : "chunked");
  } else if (!request.body.empty() || expects_body) {
    head.headers.add("Content-Length", std::to_string(request.body.size()));
  }
  std::string text;
  if (auto appended = wire::append_head(text, head); !appended) return std::unexpected(std::move(appended.error()));
  text += request.body;
  return text;
}

}  // namespace marketprism::net
