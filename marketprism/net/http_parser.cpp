#include "marketprism/net/http_parser.hpp"

#include <algorithm>
#include <cstring>

#include "marketprism/net/gzip_decoder.hpp"

namespace marketprism::net {
namespace {

constexpr std::size_t chunk_line_bytes_max = 4096;

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::malformed, "HTTP: " + std::string(what));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

HttpParser::HttpParser(HttpParserOptions options) : options_(options), buffer_(8 * 1024, 256 * 1024) {}
HttpParser::~HttpParser() = default;

void HttpParser::next_message(bool is_head, std::size_t stream_bytes) {
  phase_ = Phase::head;
  is_head_ = is_head;
  stream_bytes_ = stream_bytes;
  is_holding_back_ = false;
  searched_bytes_ = 0;
  trailer_bytes_ = 0;
  left_bytes_ = 0;
  is_encoded_ = false;
  body_.clear();
}

Result<bool> HttpParser::parse() {
  while (phase_ != Phase::complete) {
    const auto stepped = step();
    if (!stepped) return std::unexpected(stepped.error());
    if (*stepped == Step::more) return false;
  }
  return true;
}

Result<HttpParser::Step> HttpParser::step() {
  switch (phase_) {
    case Phase::head: return read_head();
    case Phase::chunk_size: return read_chunk_size();
    case Phase::chunk_end: return read_chunk_end();
    case Phase::trailer: return read_trailer();
    case Phase::complete: return Step::again;
    case Phase::body_by_length:
    case Phase::chunk_data:
    case Phase::body_until_close: break;
  }
  return read_body();
}

Result<HttpParser::Step> HttpParser::read_body() {
  const std::string_view unread = buffer_.unread();
  const std::string_view bytes =
      phase_ == Phase::body_until_close
          ? unread
          : unread.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes_, unread.size())));
  if (bytes.empty() && !is_holding_back_) return Step::more;
  const auto taken = take_body(bytes);
  if (!taken) return std::unexpected(taken.error());
  buffer_.consume(*taken);
  is_holding_back_ = *taken < bytes.size() || (is_encoded_ && decoder_->has_more());
  if (phase_ == Phase::body_until_close) return Step::more;
  left_bytes_ -= *taken;
  if (left_bytes_ != 0 || is_holding_back_) return Step::more;
  if (phase_ == Phase::chunk_data) {
    phase_ = Phase::chunk_end;
  } else if (auto finished = finish(); !finished) {
    return std::unexpected(std::move(finished.error()));
  }
  return Step::again;
}

Result<HttpParser::Step> HttpParser::read_head() {
  // RFC 9112, section 2.2: a server ignores empty lines before a request line.
  while (!options_.is_response && buffer_.unread().starts_with("\r\n")) {
    buffer_.consume(2);
    searched_bytes_ = 0;
  }
  const std::string_view text = buffer_.unread();
  // The end may lie across the border of what was searched before.
  const std::size_t from = searched_bytes_ < 3 ? 0 : searched_bytes_ - 3;
  const std::size_t end = text.find("\r\n\r\n", from);
  if (end == std::string_view::npos) {
    searched_bytes_ = text.size();
    if (text.size() > options_.head_bytes_max) {
      return fail(ErrorCode::too_large,
                  "HTTP: the head is larger than " + std::to_string(options_.head_bytes_max) + " bytes");
    }
    return Step::more;
  }
  const std::string_view head = text.substr(0, end + 4);
  if (head.size() > options_.head_bytes_max) {
    return fail(ErrorCode::too_large,
                "HTTP: the head is larger than " + std::to_string(options_.head_bytes_max) + " bytes");
  }
  auto parsed = options_.is_response ? head_.parse_response(head, options_.fields_max)
                                     : head_.parse_request(head, options_.fields_max);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  buffer_.consume(head.size());
  searched_bytes_ = 0;
  return begin_body();
}

Result<std::uint64_t> HttpParser::content_length() const {
  constexpr std::string_view name = "Content-Length";
  std::optional<std::uint64_t> length;
  for (std::size_t i = 0; i < head_.size(); ++i) {
    const HttpHead::Field field = head_.at(i);
    if (field.name.size() != name.size() || !wire::equal_ignoring_case(field.name, name)) continue;
    std::uint64_t value = 0;
    if (field.value.empty() || field.value.size() > 18) return malformed("bad Content-Length");
    for (const char c : field.value) {
      if (c < '0' || c > '9') return malformed("bad Content-Length");
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (length && *length != value) return malformed("two different Content-Length");
    length = value;
  }
  return length.value_or(UINT64_MAX);
}

// RFC 9112, section 6.3: how long the body is.
Result<HttpParser::Step> HttpParser::begin_body() {
  const auto transfer_encoding = head_.find("Transfer-Encoding");
  const auto length = content_length();
  if (!length) return std::unexpected(length.error());
  if (transfer_encoding) {
    if (*length != UINT64_MAX) return malformed("both Content-Length and Transfer-Encoding");
    if (!wire::equal_ignoring_case(*transfer_encoding, "chunked") || head_.minor_version() == 0) {
      return fail(ErrorCode::unsupported, "HTTP: transfer coding '" + std::string(*transfer_encoding) + "'");
    }
    if (head_.count("Transfer-Encoding") != 1) return malformed("more than one Transfer-Encoding");
  }
  const int status = head_.status();
  if (options_.is_response && status < 200 && status != 101) {
    phase_ = Phase::head;  // 100, 103: the real one follows
    return Step::again;
  }
  const bool has_none = options_.is_response && (is_head_ || status == 101 || status == 204 || status == 304);
  const bool is_empty = !options_.is_response && !transfer_encoding && *length == UINT64_MAX;
  if (has_none || is_empty || (*length == 0 && !transfer_encoding)) {
    phase_ = Phase::complete;
    return Step::again;
  }
  if (*length != UINT64_MAX && *length > options_.body_bytes_max && stream_bytes_ == 0) {
    return fail(ErrorCode::too_large, "HTTP: a body of " + std::to_string(*length) + " bytes; at most " +
                                          std::to_string(options_.body_bytes_max) + " are taken");
  }
  const auto encoding = head_.find("Content-Encoding");
  is_encoded_ = options_.decompress && encoding &&
                (wire::equal_ignoring_case(*encoding, "gzip") || wire::equal_ignoring_case(*encoding, "x-gzip") ||
                 wire::equal_ignoring_case(*encoding, "deflate"));
  if (is_encoded_) {
    if (decoder_ == nullptr) decoder_ = std::make_unique<GzipDecoder>();
    decoder_->reset();
  }
  if (transfer_encoding) {
    phase_ = Phase::chunk_size;
  } else if (*length != UINT64_MAX) {
    left_bytes_ = *length;
    phase_ = Phase::body_by_length;
  } else {
    phase_ = Phase::body_until_close;
  }
  return Step::again;
}

Result<HttpParser::Step> HttpParser::read_chunk_size() {
  const std::string_view text = buffer_.unread();
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) {
    if (text.size() > chunk_line_bytes_max) return malformed("a chunk's size line without end");
    return Step::more;
  }
  const std::string_view line = text.substr(0, end);
  std::uint64_t size = 0;
  std::size_t digits = 0;
  while (digits < line.size() && hex_digit(line[digits]) >= 0) {
    if (digits == 15) return malformed("a chunk's size is out of range");
    size = size * 16 + static_cast<std::uint64_t>(hex_digit(line[digits]));
    ++digits;
  }
  const std::string_view extension = wire::trim_blanks(line.substr(digits));
  if (digits == 0 || (!extension.empty() && extension.front() != ';') ||
      extension.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return malformed("bad size line of a chunk");
  }
  buffer_.consume(end + 2);
  left_bytes_ = size;
  phase_ = size == 0 ? Phase::trailer : Phase::chunk_data;
  if (stream_bytes_ == 0 && (size > options_.body_bytes_max || body_.size() + size > options_.body_bytes_max)) {
    return fail(ErrorCode::too_large,
                "HTTP: the body is larger than " + std::to_string(options_.body_bytes_max) + " bytes");
  }
  return Step::again;
}

Result<HttpParser::Step> HttpParser::read_chunk_end() {
  const std::string_view text = buffer_.unread();
  if (text.size() < 2) return Step::more;
  if (!text.starts_with("\r\n")) return malformed("a chunk is longer than it says");
  buffer_.consume(2);
  phase_ = Phase::chunk_size;
  return Step::again;
}

// Trailers are read and forgotten: nothing we speak with puts anything into them.
Result<HttpParser::Step> HttpParser::read_trailer() {
  const std::string_view text = buffer_.unread();
  const std::size_t end = text.find("\r\n");
  const std::size_t line_bytes = end == std::string_view::npos ? text.size() : end + 2;
  if (trailer_bytes_ + line_bytes > options_.head_bytes_max) {
    return fail(ErrorCode::too_large,
                "HTTP: the trailer is larger than " + std::to_string(options_.head_bytes_max) + " bytes");
  }
  if (end == std::string_view::npos) return Step::more;
  buffer_.consume(line_bytes);
  trailer_bytes_ += line_bytes;
  if (end != 0) return Step::again;
  if (auto finished = finish(); !finished) return std::unexpected(std::move(finished.error()));
  return Step::again;
}

// How many of the bytes were taken: all of them, unless the body is streamed and its reader slow.
Result<std::size_t> HttpParser::take_body(std::string_view bytes) {
  if (stream_bytes_ != 0) {
    if (is_encoded_) return decoder_->decode_some(bytes, body_, stream_bytes_);
    const std::size_t count = std::min(bytes.size(), stream_bytes_ - std::min(body_.size(), stream_bytes_));
    body_.append(bytes.substr(0, count));
    return count;
  }
  if (is_encoded_) {
    if (auto ok = decoder_->decode(bytes, body_, options_.body_bytes_max); !ok) return std::unexpected(ok.error());
    return bytes.size();
  }
  if (bytes.size() > options_.body_bytes_max - body_.size()) {
    return fail(ErrorCode::too_large,
                "HTTP: the body is larger than " + std::to_string(options_.body_bytes_max) + " bytes");
  }
  body_.append(bytes);
  return bytes.size();
}

Result<> HttpParser::finish() {
  // A body of no bytes is an empty one, though gzip of nothing would have some.
  if (is_encoded_ && decoder_->has_begun() && !decoder_->is_complete())
    return malformed("the gzip stream of the body is cut");
  phase_ = Phase::complete;
  return {};
}

Result<> HttpParser::end() {
  if (phase_ == Phase::complete) return {};
  if (phase_ == Phase::body_until_close) return finish();
  if (!has_begun()) return fail(ErrorCode::connection_closed, "the peer closed the connection");
  return malformed("the connection ended in the middle of a message");
}

}  // namespace marketprism::net
