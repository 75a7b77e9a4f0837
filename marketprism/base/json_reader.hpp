#pragma once
#include <bit>
#include <charconv>
#include <cstdint>
#include <emmintrin.h>
#include <string>
#include <string_view>

#include "marketprism/base/decimal.hpp"

namespace marketprism {

/// Reads one JSON text in one pass, in the order of the text, without a tree and without allocating. The caller walks:
///
///     JsonReader json(text);
///     if (json.enter_object())
///       for (std::string_view key; json.next_key(key);)
///         if (key == "p") price = json.text(); else json.skip();
///     if (!json.finish()) …the text is not whole or not JSON…
///
/// Strings come as views into the text, escapes not yet decoded (`unescape`). The first fault makes every later call
/// return false or empty; `finish` tells. Nothing read may be used before `finish` has said true, because a text can be
/// cut at any byte. One thread; the text must outlive the reader.
class JsonReader {
 public:
  enum class Kind { object, array, string, number, boolean, null, none };

  explicit JsonReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  /// What stands at the next value; `none` at the end or after a fault.
  Kind peek() {
    skip_space();
    if (at_ == end_) return Kind::none;
    switch (*at_) {
      case '{': return Kind::object;
      case '[': return Kind::array;
      case '"': return Kind::string;
      case 't':
      case 'f': return Kind::boolean;
      case 'n': return Kind::null;
      default: return *at_ == '-' || (*at_ >= '0' && *at_ <= '9') ? Kind::number : Kind::none;
    }
  }

  bool enter_object() { return enter('{'); }
  bool enter_array() { return enter('['); }

  /// The next key of the object entered last; false at its end.
  bool next_key(std::string_view& key) {
    skip_space();
    if (at_ != end_ && *at_ == '}') return leave();
    if (!separate()) return false;
    if (at_ == end_ || *at_ != '"') return fault();
    if (!quoted(key)) return false;
    skip_space();
    if (at_ == end_ || *at_ != ':') return fault();
    ++at_;
    return true;
  }

  /// Whether another element of the array entered last follows; false at its end.
  bool next_element() {
    skip_space();
    if (at_ != end_ && *at_ == ']') return leave();
    if (!separate()) return false;
    if (at_ != end_ && *at_ != ']') return true;
    return fault();
  }

  /// A string without its quotes.
  std::string_view string() {
    std::string_view value;
    skip_space();
    if (at_ == end_ || *at_ != '"') {
      fault();
      return {};
    }
    quoted(value);
    return value;
  }

  /// The text of a string, number, boolean or null: a string without quotes, else as it stands; a null is empty.
  std::string_view text() {
    skip_space();
    if (at_ != end_ && *at_ == '"') return string();
    if (at_ != end_ && (*at_ == '{' || *at_ == '[')) {
      fault();
      return {};
    }
    const std::string_view value = bare();
    return value == "null" ? std::string_view() : value;
  }

  /// A whole number, written as a number or as a string.
  std::int64_t integer() {
    const std::string_view value = text();
    std::int64_t result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc{} || end != value.data() + value.size() || value.empty()) fault();
    return result;
  }

  /// A decimal number, written as a number or as a string. A null or an empty string is a fault.
  Decimal decimal() {
    Decimal result;
    if (!Decimal::parse(text(), result)) fault();
    return result;
  }

  bool boolean() {
    const std::string_view value = text();
    if (value == "true") return true;
    if (value != "false") fault();
    return false;
  }

  /// Passes over any value and returns its text.
  std::string_view skip();

  /// True if everything was well formed and only white space follows.
  bool finish() {
    skip_space();
    return !failed_ && at_ == end_;
  }

  bool failed() const { return failed_; }

 private:
  static constexpr int depth_max = 64;

  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool fault() {
    failed_ = true;
    at_ = end_;
    return false;
  }
  bool enter(char bracket) {
    skip_space();
    if (at_ == end_ || *at_ != bracket) return fault();
    ++at_;
    is_first_ = true;
    return true;
  }
  bool leave() {
    ++at_;
    is_first_ = false;
    return false;
  }
  /// Passes the comma before all elements but the first.
  bool separate() {
    if (at_ == end_) return fault();
    if (is_first_) {
      is_first_ = false;
      return true;
    }
    if (*at_ != ',') return fault();
    ++at_;
    skip_space();
    return true;
  }
  /// At an opening quote: passes the string.
  bool quoted(std::string_view& value) {
    const char* const start = ++at_;
    while (end_ - at_ >= 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
      const __m128i special = _mm_or_si128(
          _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))),
          _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block));
      const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
      if (mask == 0) {
        at_ += 16;
        continue;
      }
      at_ += std::countr_zero(mask);
      if (*at_ == '"') {
        value = std::string_view(start, static_cast<std::size_t>(at_ - start));
        ++at_;
        is_first_ = false;
        return true;
      }
      break;
    }
    return quoted_slowly(start, value);
  }
  bool quoted_slowly(const char* start, std::string_view& value);
  /// A number, true, false or null.
  std::string_view bare();

  const char* at_;
  const char* end_;
  bool failed_ = false;
  bool is_first_ = false;  // the container was just entered: no comma is due
};

/// Decodes the escapes of a JSON string's contents. Lone surrogates become U+FFFD.
std::string unescape(std::string_view raw);

/// Appends `text` as the contents of a JSON string, escaping what must be.
void append_escaped(std::string& out, std::string_view text);

}  // namespace marketprism
