#include "marketprism/base/crc32.hpp"

#include <string>

#include <gtest/gtest.h>

namespace marketprism {
namespace {

TEST(Crc32, KnownValues) {
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32("The quick brown fox jumps over the lazy dog"), 0x414fa339U);
}

TEST(Crc32, PartsGiveTheSameAsTheWhole) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32(std::string_view(text).substr(cut), crc32(std::string_view(text).substr(0, cut))), crc32(text));
  }
}

}  // namespace
}  // namespace marketprism
