#include "marketprism/base/decimal.hpp"

#include <array>
#include <cassert>
#include <charconv>
#include <cstdlib>

namespace marketprism {
namespace {

constexpr int digits_max = 28;
constexpr int exponent_max = 127;

constexpr auto powers_of_ten = [] {
  std::array<UInt128, 39> powers{};
  UInt128 power = 1;
  for (auto& entry : powers) {
    entry = power;
    power *= 10;
  }
  return powers;
}();

UInt128 magnitude(Int128 value) {
  return value < 0 ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
}

int digit_count(UInt128 value) {
  int digits = 0;
  while (digits < 38 && value >= powers_of_ten[static_cast<std::size_t>(digits)]) ++digits;
  return digits;
}

/// Takes trailing zeros out of the mantissa.
void normalize(Int128& mantissa, int& exponent) {
  if (mantissa == 0) {
    exponent = 0;
    return;
  }
  while (mantissa % 10 == 0) {
    mantissa /= 10;
    ++exponent;
  }
}

}  // namespace

Decimal::Decimal(std::int64_t mantissa, int exponent) : Decimal() {
  Int128 wide = mantissa;
  normalize(wide, exponent);
  assert(exponent >= -exponent_max && exponent <= exponent_max);
  *this = Decimal(wide, exponent, exponent < 0 ? -exponent : 0);
}

// The usual number of an exchange: at most 18 digits, perhaps a point, no exponent. The trailing zeros are cut off as
// text, which saves dividing them out of the mantissa.
bool Decimal::parse(std::string_view text, Decimal& out) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.empty() || text.size() > 20) return parse_any(text, out);
  const bool negative = *at == '-';
  at += negative;
  const char* const digits = at;
  std::uint64_t value = 0;
  while (at != end && static_cast<unsigned char>(*at - '0') <= 9)
    value = value * 10 + static_cast<std::uint64_t>(*at++ - '0');
  const auto whole_digits = at - digits;
  if (whole_digits == 0 || whole_digits > 18) return parse_any(text, out);
  int exponent = 0;
  int scale = 0;
  if (at != end) {
    if (*at != '.' || end - digits > 19) return parse_any(text, out);
    const char* last = end;
    while (last[-1] == '0') --last;  // stops at the point at the latest
    scale = static_cast<int>(end - at) - 1;
    if (scale == 0) return false;
    for (const char* p = at + 1; p < last; ++p) {
      const auto digit = static_cast<unsigned char>(*p - '0');
      if (digit > 9) return parse_any(text, out);
      value = value * 10 + digit;
    }
    exponent = -static_cast<int>(last - at - 1);
  }
  if (exponent == 0) {  // a whole number: its zeros stand before the point
    if (value == 0) {
      out = Decimal(Int128{0}, 0, scale);
      return true;
    }
    while (value % 10 == 0) {
      value /= 10;
      ++exponent;
    }
  }
  const auto mantissa = static_cast<std::int64_t>(value);
  out.low_ = static_cast<std::uint64_t>(negative ? -mantissa : mantissa);
  out.high_ = negative ? -1 : 0;
  out.exponent_ = static_cast<std::int8_t>(exponent);
  out.scale_ = static_cast<std::uint8_t>(scale);
  return true;
}

bool Decimal::parse_any(std::string_view text, Decimal& out) noexcept {
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++at;
  UInt128 value = 0;
  int digits = 0;  // significant ones, trailing zeros not counted
  int pending = 0;
  int exponent = 0;
  int scale = 0;
  int seen = 0;
  bool point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point && seen > 0) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    ++seen;
    if (point) ++scale;
    if (c == '0') {
      ++pending;  // worth something only if another digit follows
      continue;
    }
    digits = digits == 0 ? 1 : digits + pending + 1;
    if (digits > digits_max) return false;
    value =
        value * powers_of_ten[static_cast<std::size_t>(digits == 1 ? 0 : pending + 1)] + static_cast<UInt128>(c - '0');
    pending = 0;
  }
  if (seen == 0 || (point && scale == 0) || scale > exponent_max) return false;
  exponent = pending - scale;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return false;
    ++at;
    if (at < text.size() && text[at] == '+') ++at;
    int shift = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), shift);
    if (error != std::errc{} || end != text.data() + text.size() || std::abs(shift) > 2 * exponent_max) return false;
    exponent += shift;
    scale = scale - shift > 0 ? scale - shift : 0;
  }
  if (value == 0) {
    out = Decimal(Int128{0}, 0, scale > exponent_max ? exponent_max : scale);
    return true;
  }
  if (std::abs(exponent) > exponent_max || scale > exponent_max) return false;
  const auto mantissa = static_cast<Int128>(value);
  out = Decimal(negative ? -mantissa : mantissa, exponent, scale);
  return true;
}

Decimal Decimal::of(std::string_view text) {
  Decimal value;
  [[maybe_unused]] const bool is_number = parse(text, value);
  assert(is_number);
  return value;
}

Decimal Decimal::operator-() const { return Decimal(-mantissa(), exponent(), scale()); }

std::strong_ordering Decimal::compare_aligned(const Decimal& a, const Decimal& b) {
  if (const int sa = a.sign(), sb = b.sign(); sa != sb || sa == 0) return sa <=> sb;
  const int difference = a.exponent() - b.exponent();
  if (a.is_narrow() && b.is_narrow() && std::abs(difference) <= 18) {
    const auto x = static_cast<Int128>(static_cast<std::int64_t>(a.low_));
    const auto y = static_cast<Int128>(static_cast<std::int64_t>(b.low_));
    const auto power = static_cast<Int128>(powers_of_ten[static_cast<std::size_t>(std::abs(difference))]);
    return difference >= 0 ? x * power <=> y : x <=> y * power;
  }
  // Same sign: the number with more digits before the point is the larger; with as many, aligning adds at most 28
  // digits.
  UInt128 x = magnitude(a.mantissa());
  UInt128 y = magnitude(b.mantissa());
  std::strong_ordering order = digit_count(x) + a.exponent() <=> digit_count(y) + b.exponent();
  if (order == 0) {
    if (difference > 0) x *= powers_of_ten[static_cast<std::size_t>(difference)];
    if (difference < 0) y *= powers_of_ten[static_cast<std::size_t>(-difference)];
    order = x <=> y;
  }
  return a.is_negative() ? 0 <=> order : order;
}

void Decimal::append_digits(std::string& out, int fraction_digits) const {
  std::array<char, 40> digits{};
  char* const last = digits.data() + digits.size();
  char* first = last;
  UInt128 value = magnitude(mantissa());
  while (value > 0xffff'ffff'ffff'ffffU) {
    *--first = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  }
  auto narrow = static_cast<std::uint64_t>(value);
  do {
    *--first = static_cast<char>('0' + narrow % 10);
    narrow /= 10;
  } while (narrow != 0);
  const int count = static_cast<int>(last - first);
  const int point = count + exponent();  // digits before the point
  if (is_negative()) out += '-';
  if (point <= 0) {
    out += '0';
  } else {
    const int leading = point < count ? point : count;
    out.append(first, static_cast<std::size_t>(leading));
    out.append(static_cast<std::size_t>(is_zero() ? 0 : point - leading), '0');
  }
  if (fraction_digits <= 0) return;
  out += '.';
  const int gap = point < 0 && !is_zero() ? -point : 0;  // zeros right after the point
  out.append(static_cast<std::size_t>(gap < fraction_digits ? gap : fraction_digits), '0');
  const int start = point > 0 ? point : 0;
  const int rest = count > start && !is_zero() ? count - start : 0;
  if (rest > 0) out.append(first + start, static_cast<std::size_t>(rest));
  const int tail = fraction_digits - gap - rest;
  if (tail > 0) out.append(static_cast<std::size_t>(tail), '0');
}

void Decimal::append_to(std::string& out) const { append_digits(out, scale() > -exponent() ? scale() : -exponent()); }

void Decimal::append_plain_to(std::string& out) const { append_digits(out, exponent() < 0 ? -exponent() : 0); }

std::string Decimal::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

double Decimal::to_double() const {
  // Both factors are exact doubles in this range, so the one division or multiplication rounds correctly.
  if (is_narrow() && std::abs(exponent()) <= 22) {
    const auto value = static_cast<std::int64_t>(low_);
    if (std::abs(value) <= (std::int64_t{1} << 53)) {
      static constexpr std::array<double, 23> powers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
      const double power = powers[static_cast<std::size_t>(std::abs(exponent()))];
      return exponent() < 0 ? static_cast<double>(value) / power : static_cast<double>(value) * power;
    }
  }
  const std::string text = to_string();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool Decimal::survives_double() const {
  if (digit_count(magnitude(mantissa())) <= 15) return true;  // every decimal of 15 digits has its own double
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), to_double()).ptr;
  Decimal back;
  return parse(std::string_view(text.data(), static_cast<std::size_t>(end - text.data())), back) && back == *this;
}

std::optional<Int128> Decimal::scaled(int digits) const {
  const int shift = exponent() + digits;
  if (is_zero()) return Int128{0};
  const UInt128 value = magnitude(mantissa());
  if (shift < 0 || digit_count(value) + shift > 38) return std::nullopt;
  const auto result = static_cast<Int128>(value * powers_of_ten[static_cast<std::size_t>(shift)]);
  return is_negative() ? -result : result;
}

}  // namespace marketprism
