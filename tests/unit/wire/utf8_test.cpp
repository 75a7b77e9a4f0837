#include "marketprism/wire/utf8.hpp"

#include <string>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::wire {
namespace {

std::string encode(std::uint32_t point) {
  const auto tail = [point](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

/// By the definition: decode, encode again, compare.
bool is_utf8_by_definition(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC0 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF8 ? 4
                                           : 0;
    if (size == 0 || text.size() < size) return false;
    std::uint32_t point = size == 1 ? lead : lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
    if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF) || encode(point) != text.substr(0, size)) return false;
    text.remove_prefix(size);
  }
  return true;
}

TEST(Utf8, TakesEveryCharacterAndNoSurrogate) {
  const std::string before(29, 'a'), after(40, 'b');
  for (std::uint32_t point = 0; point <= 0x110010; ++point) {
    const bool is_good = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    ASSERT_EQ(is_utf8(encode(point)), is_good) << point;
    if (point % 7 == 0) {
      ASSERT_EQ(is_utf8(before + encode(point) + after), is_good) << point;
    }
  }
}

TEST(Utf8, AgreesWithTheDefinitionOnAllShortSequences) {
  for (std::uint32_t bits = 0; bits < 0x1000000; bits += bits < 0x800000 ? 0x10000 : 1) {
    const char text[] = {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)};
    if ((bits & 0xC000) != 0x8000 && (bits & 0xFF) > 1) continue;
    ASSERT_EQ(is_utf8({text, 3}), is_utf8_by_definition({text, 3})) << bits;
  }
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const char text[] = {static_cast<char>(a), static_cast<char>(b), '\x80', '\x80'};
      for (std::size_t size = 1; size <= 4; ++size) {
        ASSERT_EQ(is_utf8({text, size}), is_utf8_by_definition({text, size})) << a << ' ' << b << ' ' << size;
      }
    }
  }
}

std::string random_text(Random& random) {
  std::string text;
  const bool is_dense = random.chance(0.5);
  for (std::uint64_t count = random.below(150); count > 0; --count) {
    std::uint32_t point = static_cast<std::uint32_t>(random.below(0x80));
    if (random.chance(is_dense ? 0.9 : 0.05)) {
      const std::uint32_t bounds[] = {0x800, 0x10000, 0x110000};
      point = static_cast<std::uint32_t>(random.below(bounds[random.below(3)]));
    }
    if (point >= 0xD800 && point <= 0xDFFF) point = 0x20AC;
    text += encode(point);
  }
  if (random.chance(0.5)) {
    for (std::uint64_t harm = random.below(3); harm > 0 && !text.empty(); --harm) {
      const std::size_t at = random.below(text.size());
      if (random.chance(0.5)) {
        text[at] = static_cast<char>(random.next());
      } else {
        text.erase(at, 1 + random.below(2));
      }
    }
  }
  return text;
}

TEST(Utf8, AgreesWithTheDefinitionOnRandomTextsInPieces) {
  Random random(7);
  int good = 0;
  for (int round = 0; round < 50'000; ++round) {
    const std::string text = random_text(random);
    const bool expected = is_utf8_by_definition(text);
    good += expected;
    ASSERT_EQ(is_utf8(text), expected) << round;
    Utf8Validator validator;
    bool is_good = true;
    std::string_view rest = text;
    while (!rest.empty() && is_good) {
      const std::string_view piece = rest.substr(0, 1 + random.below(70));
      is_good = validator.feed(piece);
      rest.remove_prefix(piece.size());
    }
    ASSERT_EQ(is_good && validator.is_complete(), expected) << round;
  }
  EXPECT_GT(good, 20'000);
  EXPECT_LT(good, 45'000);
}

TEST(Utf8, FailsAtTheFirstByteThatCannotBeContinued) {
  const std::string_view bad[] = {"\x80",     "\xC0", "\xC1", "\xE0\x9F",     "\xED\xA0",        "\xF0\x8F",
                                  "\xF4\x90", "\xF5", "\xFF", "\xE2\x82\x28", "\xF0\x9F\x98\xC0"};
  for (const std::string_view text : bad) {
    for (const std::size_t lead : {0UZ, 31UZ, 64UZ, 100UZ}) {
      Utf8Validator validator;
      ASSERT_TRUE(validator.feed(std::string(lead, 'a') + std::string(text.substr(0, text.size() - 1)))) << text;
      ASSERT_FALSE(validator.feed(text.substr(text.size() - 1))) << text;
      Utf8Validator at_once;
      ASSERT_FALSE(at_once.feed(std::string(lead, 'a') + std::string(text)));
    }
  }
}

}  // namespace
}  // namespace marketprism::wire
