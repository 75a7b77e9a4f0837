#include "marketprism/wire/utf8.hpp"

#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace marketprism::wire {

namespace {

#ifdef __AVX2__
constexpr std::size_t block_bytes = 64;

bool is_ascii_block(const char* at) {
  const auto* const halves = reinterpret_cast<const __m256i_u*>(at);
  return _mm256_movemask_epi8(_mm256_or_si256(_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1))) == 0;
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

#ifdef __AVX2__

/// One way in which two bytes after each other are wrong, or may be: sets of nibbles, one bit for each value. After
/// Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte" (2021): every kind of error shows in two
/// adjacent bytes, but for a third or fourth byte that is missing or too many.
struct Pattern {
  unsigned first_high;
  unsigned first_low;
  unsigned second_high;
};

constexpr unsigned any = 0xFFFF, ascii = 0x00FF, continuation = 0x0F00, lead = 0xF000;

constexpr Pattern patterns[8] = {
    {lead, any, ascii | lead},          // the continuation is missing
    {ascii, any, continuation},         // a continuation of nothing
    {1U << 0xE, 1U << 0, 0x0300},       // E0 80…9F: overlong
    {1U << 0xF, 0xFFF0, 0x0E00},        // F4 90… and above: beyond U+10FFFF
    {1U << 0xE, 1U << 0xD, 0x0C00},     // ED A0…BF: surrogate
    {1U << 0xC, 0x0003, continuation},  // C0, C1: overlong
    {1U << 0xF, 0xFFE1, 0x0100},        // F0 80…8F: overlong; F5 80… and above: beyond U+10FFFF
    {continuation, any, continuation},  // right exactly if a lead of three or four bytes stands before
};
constexpr char two_continuations = static_cast<char>(0x80);  // the last of them

/// For each nibble the patterns that it fits; twice, once for each half of a register.
struct alignas(32) Table {
  std::uint8_t bytes[32] = {};

  constexpr explicit Table(unsigned Pattern::* nibbles) {
    for (unsigned nibble = 0; nibble < 32; ++nibble) {
      for (unsigned i = 0; i < 8; ++i) {
        if ((patterns[i].*nibbles >> (nibble % 16) & 1) != 0) bytes[nibble] |= static_cast<std::uint8_t>(1U << i);
      }
    }
  }
  [[nodiscard]] __m256i of(__m256i nibbles) const {
    return _mm256_shuffle_epi8(_mm256_load_si256(reinterpret_cast<const __m256i*>(bytes)), nibbles);
  }
};

constexpr Table first_high(&Pattern::first_high);
constexpr Table first_low(&Pattern::first_low);
constexpr Table second_high(&Pattern::second_high);

/// The bytes of `input`, each replaced by the one `distance` before it.
template <int distance>
__m256i before(__m256i input, __m256i previous) {
  return _mm256_alignr_epi8(input, _mm256_permute2x128_si256(previous, input, 0x21), 16 - distance);
}

__m256i errors_in(__m256i input, __m256i previous) {
  const __m256i nibble = _mm256_set1_epi8(0x0F);
  const auto high = [nibble](__m256i bytes) { return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble); };
  const __m256i first = before<1>(input, previous);
  const __m256i fits =
      _mm256_and_si256(_mm256_and_si256(first_high.of(high(first)), first_low.of(_mm256_and_si256(first, nibble))),
                       second_high.of(high(input)));
  // The highest bit is set where a third or fourth byte has to stand.
  const __m256i third = _mm256_subs_epu8(before<2>(input, previous), _mm256_set1_epi8(0xE0 - 0x80));
  const __m256i fourth = _mm256_subs_epu8(before<3>(input, previous), _mm256_set1_epi8(0xF0 - 0x80));
  const __m256i wanted = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8(two_continuations));
  return _mm256_xor_si256(fits, wanted);
}

/// Whole characters only, from `at` to `end`. Not inlined, for text that is all ASCII does not come here.
[[gnu::noinline]] bool are_characters(const char* at, const char* end) {
  __m256i previous = _mm256_setzero_si256();
  __m256i errors = previous;
  for (; end - at >= 32; at += 32) {
    const __m256i input = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    errors = _mm256_or_si256(errors, errors_in(input, previous));
    previous = input;
  }
  // Zeros behind the end, at least one, show a character that is left half.
  alignas(32) char rest[32] = {};
  std::memcpy(rest, at, static_cast<std::size_t>(end - at));
  errors = _mm256_or_si256(errors, errors_in(_mm256_load_si256(reinterpret_cast<const __m256i*>(rest)), previous));
  return _mm256_testz_si256(errors, errors) != 0;
}

/// How many bytes at the end belong to a character that may go on in the next piece.
std::ptrdiff_t half_character(const char* at, const char* end) {
  constexpr unsigned char leads[] = {0xC0, 0xE0, 0xF0};
  for (std::ptrdiff_t i = 1; i <= 3 && end - at >= i; ++i) {
    if (static_cast<unsigned char>(end[-i]) >= leads[i - 1]) return i;
  }
  return 0;
}

#endif

}  // namespace

bool Utf8Validator::feed(std::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  for (; needed_ != 0; ++at) {
    if (at == end) return true;
    if (!step(static_cast<unsigned char>(*at))) return false;
  }
  at = skip_ascii(at, end);
#ifdef __AVX2__
  if (end - at >= 8) {
    const char* const cut = end - half_character(at, end);
    if (!are_characters(at, cut)) return false;
    at = cut;
  }
#endif
  while (at != end) {
    const auto byte = static_cast<unsigned char>(*at++);
    if (!step(byte)) return false;
    if (needed_ == 0 && byte < 0x80) at = skip_ascii(at, end);
  }
  return true;
}

/// Takes one byte; false if it cannot follow what was there.
bool Utf8Validator::step(unsigned char byte) {
  if (needed_ != 0) {
    if (byte < lowest_ || byte > highest_) return false;
    lowest_ = 0x80;
    highest_ = 0xBF;
    --needed_;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte < 0xC2 || byte > 0xF4) return false;
  needed_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  if (byte == 0xE0) lowest_ = 0xA0;
  if (byte == 0xED) highest_ = 0x9F;
  if (byte == 0xF0) lowest_ = 0x90;
  if (byte == 0xF4) highest_ = 0x8F;
  return true;
}

bool is_utf8(std::string_view text) {
  Utf8Validator validator;
  return validator.feed(text) && validator.is_complete();
}

}  // namespace marketprism::wire
