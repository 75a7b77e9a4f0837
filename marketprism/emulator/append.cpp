#include "marketprism/emulator/append.hpp"

#include <cassert>

namespace marketprism::emulator {
namespace {
constexpr int decimals_max = 18;
}

void append_fixed(std::string& out, std::int64_t units, int decimals) {
  assert(decimals >= 0 && decimals <= decimals_max);
  if (units < 0) out.push_back('-');
  auto magnitude = static_cast<std::uint64_t>(units < 0 ? -units : units);
  char digits[24];
  char* at = digits + sizeof digits;
  for (int place = 0; place <= decimals || magnitude != 0; ++place) {
    if (place == decimals && decimals != 0) *--at = '.';
    *--at = static_cast<char>('0' + magnitude % 10);
    magnitude /= 10;
  }
  out.append(at, digits + sizeof digits);
}

void append_padded(std::string& out, std::int64_t units, int decimals, int decimals_shown) {
  append_fixed(out, units, decimals);
  if (decimals_shown <= decimals) return;
  if (decimals == 0) out.push_back('.');
  out.append(static_cast<std::size_t>(decimals_shown - decimals), '0');
}

void append_trimmed(std::string& out, std::int64_t units, int decimals, bool keeps_point) {
  while (decimals > 0 && units % 10 == 0) {
    units /= 10;
    --decimals;
  }
  append_fixed(out, units, decimals);
  if (decimals == 0 && keeps_point) out.append(".0");
}

}  // namespace marketprism::emulator
