#include "marketprism/emulator/append.hpp"

#include <gtest/gtest.h>

namespace marketprism::emulator {
namespace {

std::string fixed(std::int64_t units, int decimals) {
  std::string out;
  append_fixed(out, units, decimals);
  return out;
}

std::string trimmed(std::int64_t units, int decimals, bool keeps_point) {
  std::string out;
  append_trimmed(out, units, decimals, keeps_point);
  return out;
}

TEST(Append, fixed_shows_all_decimals) {
  EXPECT_EQ(fixed(6183763, 2), "61837.63");
  EXPECT_EQ(fixed(5, 3), "0.005");
  EXPECT_EQ(fixed(0, 0), "0");
  EXPECT_EQ(fixed(0, 2), "0.00");
  EXPECT_EQ(fixed(-105, 1), "-10.5");
  EXPECT_EQ(fixed(42, 0), "42");
}

TEST(Append, padded_adds_zeros) {
  std::string out;
  append_padded(out, 6183763, 2, 8);
  append(out, " ");
  append_padded(out, 7, 0, 2);
  append(out, " ");
  append_padded(out, 123, 2, 0);
  EXPECT_EQ(out, "61837.63000000 7.00 1.23");
}

TEST(Append, trimmed_leaves_no_zeros_behind) {
  EXPECT_EQ(trimmed(61800'00, 2, false), "61800");
  EXPECT_EQ(trimmed(61800'00, 2, true), "61800.0");
  EXPECT_EQ(trimmed(61800'50, 2, true), "61800.5");
  EXPECT_EQ(trimmed(0, 4, false), "0");
}

}  // namespace
}  // namespace marketprism::emulator
