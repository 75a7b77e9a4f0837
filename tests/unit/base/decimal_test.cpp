#include "marketprism/base/decimal.hpp"

#include <string>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism {
namespace {

TEST(Decimal, PrintsTheDigitsAsReceived) {
  for (const char* text :
       {"0", "0.00", "1", "10", "100.000", "0.35210000", "672.00000000", "-0.00010", "0.000000001", "61837.63000000",
        "1234567890123.12345678", "9999999999999999999999999999", "-12345678901234567890.12345678", "1000000", "0.10",
        "123456789012345678", "1234567890123456789", "0.1234567890123456789"}) {
    Decimal value;
    ASSERT_TRUE(Decimal::parse(text, value)) << text;
    EXPECT_EQ(value.to_string(), text);
  }
}

TEST(Decimal, PrintsPlainlyWithoutTrailingZeros) {
  const auto plain = [](const char* text) {
    std::string out;
    Decimal::of(text).append_plain_to(out);
    return out;
  };
  EXPECT_EQ(plain("0.35210000"), "0.3521");
  EXPECT_EQ(plain("100.000"), "100");
  EXPECT_EQ(plain("0.00"), "0");
  EXPECT_EQ(plain("-1200"), "-1200");
  EXPECT_EQ(plain("9.2E-7"), "0.00000092");
}

TEST(Decimal, ReadsExponents) {
  EXPECT_EQ(Decimal::of("9.2E-7").to_string(), "0.00000092");
  EXPECT_EQ(Decimal::of("1e-05").to_string(), "0.00001");
  EXPECT_EQ(Decimal::of("1e10").to_string(), "10000000000");
  EXPECT_EQ(Decimal::of("1.50e+2").to_string(), "150");
  EXPECT_EQ(Decimal::of("0e5"), Decimal::of("0.000"));
}

TEST(Decimal, RefusesWhatIsNoNumberOrDoesNotFit) {
  for (const char* text : {"",
                           "-",
                           ".",
                           "1.",
                           ".5",
                           "+1",
                           "1a",
                           "1..2",
                           "1.2.3",
                           "e5",
                           "1e",
                           "1e999",
                           "0x10",
                           " 1",
                           "1 ",
                           "nan",
                           "--1",
                           "99999999999999999999999999999",
                           "0.12345678901234567890123456789",
                           "1,5"}) {
    Decimal value = Decimal::of("7");
    EXPECT_FALSE(Decimal::parse(text, value)) << text;
    EXPECT_EQ(value, Decimal::of("7"));
  }
}

TEST(Decimal, ComparesAsNumbers) {
  EXPECT_EQ(Decimal::of("1.50"), Decimal::of("1.5"));
  EXPECT_EQ(Decimal::of("0"), Decimal::of("-0.00"));
  EXPECT_LT(Decimal::of("999.9"), Decimal::of("1000"));
  EXPECT_LT(Decimal::of("-1000"), Decimal::of("-999.9"));
  EXPECT_LT(Decimal::of("-0.1"), Decimal::of("0"));
  EXPECT_GT(Decimal::of("1e50"), Decimal::of("9999999999999999999999999999"));
  EXPECT_LT(Decimal::of("1e-50"), Decimal::of("0.0000001"));
  EXPECT_GT(Decimal::of("12345678901234567890.1"), Decimal::of("12345678901234567890.01"));
  EXPECT_LT(Decimal::of("-12345678901234567890.1"), Decimal::of("-12345678901234567890.01"));
}

TEST(Decimal, OrderAgreesWithIntegersOfACommonScale) {
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    const int places_a = static_cast<int>(random.below(7)), places_b = static_cast<int>(random.below(7));
    std::int64_t a = random.between(-100000, 100000), b = random.between(-100000, 100000);
    const Decimal x(a, -places_a), y(b, -places_b);
    for (int p = places_a; p < 7; ++p) a *= 10;
    for (int p = places_b; p < 7; ++p) b *= 10;
    ASSERT_EQ(x <=> y, a <=> b) << x.to_string() << " " << y.to_string();
    ASSERT_EQ(x == y, a == b);
  }
}

TEST(Decimal, TurnsIntoDoublesAndScaledIntegers) {
  EXPECT_EQ(Decimal::of("0.1").to_double(), 0.1);
  EXPECT_EQ(Decimal::of("61837.63").to_double(), 61837.63);
  EXPECT_EQ(Decimal::of("-123456789012345678901").to_double(), -123456789012345678901.0);
  EXPECT_TRUE(Decimal::of("0.123456789012345").survives_double());
  EXPECT_FALSE(Decimal::of("0.12345678901234567891").survives_double());
  EXPECT_EQ(Decimal::of("1.5").scaled(18), Int128{1500000000000000000});
  EXPECT_EQ(Decimal::of("-2").scaled(0), Int128{-2});
  EXPECT_FALSE(Decimal::of("0.1").scaled(0).has_value());
  EXPECT_FALSE(Decimal::of("1e30").scaled(18).has_value());
}

}  // namespace
}  // namespace marketprism
