#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace marketprism::wire {

/// True if the whole text is UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing beyond U+10FFFF).
bool is_utf8(std::string_view text);

/// Checks a text that comes in pieces and fails at the first byte that cannot be continued to valid UTF-8.
class Utf8Validator {
 public:
  /// False once the text so far cannot be the beginning of valid UTF-8.
  bool feed(std::string_view piece);
  /// True if no character is left half.
  [[nodiscard]] bool is_complete() const { return needed_ == 0; }

 private:
  bool step(unsigned char byte);

  std::uint8_t needed_ = 0;     ///< continuation bytes still to come
  std::uint8_t lowest_ = 0x80;  ///< bounds of the next continuation byte
  std::uint8_t highest_ = 0xBF;
};

}  // namespace marketprism::wire
