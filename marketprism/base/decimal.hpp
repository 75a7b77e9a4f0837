#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/int128.hpp"

namespace marketprism {

/// An exact decimal number, 16 bytes: mantissa × 10^exponent, the mantissa without trailing zeros, and the number of
/// digits after the point as received, so that it prints with the digits it came with. Up to 28 significant digits;
/// what does not fit is refused by `parse`, never rounded. Equality and order are those of the numbers ("1.50" ==
/// "1.5").
class Decimal {
 public:
  constexpr Decimal() : low_(0), high_(0), exponent_(0), scale_(0) {}

  /// mantissa × 10^exponent; prints without trailing zeros.
  Decimal(std::int64_t mantissa, int exponent);

  /// Reads `[-]digits[.digits][e[±]digits]`, all of `text`. False, and `out` untouched, for anything else, for more
  /// than 28 significant digits, and for exponents outside ±127.
  static bool parse(std::string_view text, Decimal& out) noexcept;
  /// For texts written in the code and in tests; asserts that the text is a number.
  static Decimal of(std::string_view text);

  bool is_zero() const { return low_ == 0 && high_ == 0; }
  bool is_negative() const { return high_ < 0; }
  /// −1, 0 or 1.
  int sign() const { return high_ < 0 ? -1 : (low_ | static_cast<std::uint32_t>(high_)) != 0 ? 1 : 0; }

  Decimal operator-() const;

  friend bool operator==(const Decimal& a, const Decimal& b) {
    return a.low_ == b.low_ && a.high_ == b.high_ && a.exponent_ == b.exponent_;
  }
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
    if (a.exponent_ == b.exponent_ && a.is_narrow() && b.is_narrow()) {
      return static_cast<std::int64_t>(a.low_) <=> static_cast<std::int64_t>(b.low_);
    }
    return compare_aligned(a, b);
  }

  /// Appends the digits as received, without an exponent ("0.35210000").
  void append_to(std::string& out) const;
  /// Appends without trailing zeros ("0.3521").
  void append_plain_to(std::string& out) const;
  std::string to_string() const;

  /// The nearest double; `exact` (if given) tells whether the shortest digits of that double are this number.
  double to_double() const;
  /// Whether reading the double's 15–17 significant digits gives this number back.
  bool survives_double() const;

  /// value × 10^digits as an integer; nothing if that has a fraction or more than 38 digits.
  std::optional<Int128> scaled(int digits) const;

  Int128 mantissa() const {
    return static_cast<Int128>((static_cast<UInt128>(static_cast<Int128>(high_)) << 64) | low_);
  }
  /// The mantissa if it fits 64 bits, else false.
  bool narrow_mantissa(std::int64_t& value) const {
    value = static_cast<std::int64_t>(low_);
    return is_narrow();
  }
  int exponent() const { return static_cast<int>(exponent_); }
  int scale() const { return static_cast<int>(scale_); }

 private:
  Decimal(Int128 mantissa, int exponent, int scale)
      : low_(static_cast<std::uint64_t>(mantissa)),
        high_(static_cast<std::int32_t>(mantissa >> 64)),
        exponent_(static_cast<std::int8_t>(exponent)),
        scale_(static_cast<std::uint8_t>(scale)) {}

  bool is_narrow() const { return high_ == (static_cast<std::int64_t>(low_) >> 63); }
  static std::strong_ordering compare_aligned(const Decimal& a, const Decimal& b);
  static bool parse_any(std::string_view text, Decimal& out) noexcept;
  void append_digits(std::string& out, int fraction_digits) const;

  std::uint64_t low_;  // the lower 64 bits of the mantissa, two's complement
  std::int32_t high_;  // the upper 32
  std::int8_t exponent_;
  std::uint8_t scale_;
};
static_assert(sizeof(Decimal) == 16);

}  // namespace marketprism
