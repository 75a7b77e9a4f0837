#include "marketprism/tape/stamp.hpp"

#include <gtest/gtest.h>

namespace marketprism::tape {
namespace {

struct Taken {
  std::optional<std::int64_t> ns;
  std::string rest;
};

Taken take(std::string_view text) {
  const std::optional<UnixTime> time = take_stamp(text);
  return {time ? std::optional(ns_since_epoch(*time)) : std::nullopt, std::string(text)};
}

TEST(Stamp, ReadsDecimalSecondsExactly) {
  EXPECT_EQ(take("1633998512.0633569: {").ns, 1633998512063356900);
  EXPECT_EQ(take("1633998512.0633569: {").rest, ": {");
  EXPECT_EQ(take("1633998512.5").ns, 1633998512500000000);
  EXPECT_EQ(take("1633998512.000000001").ns, 1633998512000000001);
  EXPECT_EQ(take("0.1").ns, 100000000);
}

TEST(Stamp, CutsDigitsBelowTheNanosecond) { EXPECT_EQ(take("1.9999999999").ns, 1999999999); }

TEST(Stamp, TellsTheUnitOfAWholeNumberByItsDigits) {
  EXPECT_EQ(take("1633998512").ns, 1633998512000000000);
  EXPECT_EQ(take("1633998512123").ns, 1633998512123000000);
  EXPECT_EQ(take("1633998512123456").ns, 1633998512123456000);
  EXPECT_EQ(take("1633998512123456789 {").ns, 1633998512123456789);
}

TEST(Stamp, RefusesWhatIsNoTimeAndLeavesTheText) {
  for (const std::string_view text : {"", "x", "-1", ".5", " 1", "99999999999999999999", "9999999999999999999",
                                      "99999999999", "99999999999.5", "18446744073709551616"}) {
    EXPECT_EQ(take(text).ns, std::nullopt) << text;
    EXPECT_EQ(take(text).rest, text);
  }
}

}  // namespace
}  // namespace marketprism::tape
