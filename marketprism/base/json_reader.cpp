#include "marketprism/base/json_reader.hpp"

#include <array>

namespace marketprism {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Whether `text` is a number as RFC 8259 writes it.
bool is_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (!digits()) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

unsigned hex_value(std::string_view digits) {
  unsigned value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/// Reads the four digits after "\u" at `at`, and the low half of a pair if it follows; moves `at` past them.
unsigned escaped_code(std::string_view raw, std::size_t& at) {
  const unsigned code = hex_value(raw.substr(at, 4));
  at += 4;
  if (code < 0xd800 || code > 0xdfff) return code;
  if (code < 0xdc00 && raw.substr(at, 2) == "\\u") {
    const unsigned low = hex_value(raw.substr(at + 2, 4));
    if (low >= 0xdc00 && low <= 0xdfff) {
      at += 6;
      return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  return 0xfffd;
}

}  // namespace

bool JsonReader::quoted_slowly(const char* start, std::string_view& value) {
  while (at_ != end_) {
    const char c = *at_;
    if (c == '"') {
      value = std::string_view(start, static_cast<std::size_t>(at_ - start));
      ++at_;
      is_first_ = false;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return fault();
    if (c == '\\') {
      if (++at_ == end_) return fault();
      if (*at_ == 'u') {
        if (end_ - at_ < 5) return fault();
        for (int i = 1; i <= 4; ++i) {
          if (!is_hex(at_[i])) return fault();
        }
        at_ += 4;
      } else if (std::string_view("\"\\/bfnrt").find(*at_) == std::string_view::npos) {
        return fault();
      }
    }
    ++at_;
  }
  return fault();
}

std::string_view JsonReader::bare() {
  const char* const start = at_;
  while (at_ != end_ && *at_ != ',' && *at_ != '}' && *at_ != ']' && *at_ != ' ' && *at_ != '\n' && *at_ != '\r' &&
         *at_ != '\t') {
    ++at_;
  }
  const std::string_view value(start, static_cast<std::size_t>(at_ - start));
  is_first_ = false;
  if (is_number(value) || value == "null" || value == "true" || value == "false") return value;
  fault();
  return {};
}

std::string_view JsonReader::skip() {
  skip_space();
  const char* const start = at_;
  std::uint64_t objects = 0;  // one bit a level: it is an object
  int depth = 0;
  do {
    const Kind kind = peek();
    if (kind == Kind::object || kind == Kind::array) {
      if (depth == depth_max) {
        fault();
        return {};
      }
      objects = (objects << 1) | (kind == Kind::object ? 1U : 0U);
      ++depth;
      enter(*at_);
    } else {
      text();
    }
    while (depth > 0 && !failed_) {
      std::string_view key;
      if ((objects & 1) != 0 ? next_key(key) : next_element()) break;
      objects >>= 1;
      --depth;
    }
  } while (depth > 0 && !failed_);
  if (failed_) return {};
  return {start, static_cast<std::size_t>(at_ - start)};
}

std::string unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t at = 0; at < raw.size();) {
    const char c = raw[at++];
    if (c != '\\' || at == raw.size()) {
      out += c;
      continue;
    }
    switch (const char escaped = raw[at++]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': append_utf8(out, escaped_code(raw, at)); break;
      default: out += escaped;
    }
  }
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += hex[static_cast<std::size_t>(c >> 4)];
          out += hex[static_cast<std::size_t>(c & 15)];
        } else {
          out += c;
        }
    }
  }
}

}  // namespace marketprism
