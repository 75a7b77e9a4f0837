#include "marketprism/wire/utf8.hpp"

#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace marketprism::wire {

namespace {

#ifdef __AVX2__
constexpr std::size_t block_bytes = 32;

bool is_ascii_block(const char* at) {
  return _mm256_movemask_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))) == 0;
}
#else
constexpr std::size_t block_bytes = 16;

bool is_ascii_block(const char* at) {
  std::uint64_t words[2];
  std::memcpy(words, at, sizeof words);
  return ((words[0] | words[1]) & 0x8080808080808080U) == 0;
}
#endif

bool is_ascii_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, 8);
  return (word & 0x8080808080808080U) == 0;
}

/// The first byte that is not ASCII, or somewhat before it; `end` if there is none.
const char* skip_ascii(const char* at, const char* end) {
  while (end - at >= static_cast<std::ptrdiff_t>(block_bytes)) {
    if (!is_ascii_block(at)) return at;
    at += block_bytes;
  }
  while (end - at >= 8) {
    if (!is_ascii_word(at)) return at;
    at += 8;
  }
  while (at != end && static_cast<unsigned char>(*at) < 0x80) ++at;
  return at;
}

}  // namespace

bool Utf8Validator::feed(std::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  if (needed_ == 0) at = skip_ascii(at, end);
  while (at != end) {
    const auto byte = static_cast<unsigned char>(*at++);
    if (needed_ != 0) {
      if (byte < lowest_ || byte > highest_) return false;
      lowest_ = 0x80;
      highest_ = 0xBF;
      --needed_;
    } else if (byte < 0x80) {
      at = skip_ascii(at, end);
    } else if (byte < 0xC2 || byte > 0xF4) {
      return false;
    } else if (byte < 0xE0) {
      needed_ = 1;
    } else if (byte < 0xF0) {
      needed_ = 2;
      if (byte == 0xE0) lowest_ = 0xA0;
      if (byte == 0xED) highest_ = 0x9F;
    } else {
      needed_ = 3;
      if (byte == 0xF0) lowest_ = 0x90;
      if (byte == 0xF4) highest_ = 0x8F;
    }
  }
  return true;
}

bool is_utf8(std::string_view text) {
  Utf8Validator validator;
  return validator.feed(text) && validator.is_complete();
}

}  // namespace marketprism::wire
