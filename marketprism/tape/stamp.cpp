#include "marketprism/tape/stamp.hpp"

#include <cstddef>
#include <cstdint>

namespace marketprism::tape {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<UnixTime> take_stamp(std::string_view& text) {
  constexpr std::int64_t seconds_max = 9'223'372'035;  // one less than what fits, so that any fraction may follow
  std::size_t at = 0;
  std::uint64_t whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    if (at == 19) return std::nullopt;
    whole = whole * 10 + static_cast<std::uint64_t>(text[at] - '0');
    ++at;
  }
  if (at == 0 || whole > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const auto value = static_cast<std::int64_t>(whole);
  if (at == text.size() || text[at] != '.') {
    if (at <= 11 && value > seconds_max) return std::nullopt;
    if (value >= 100'000'000'000 && value < 100'000'000'000'000 && value / 1000 > seconds_max) return std::nullopt;
    if (value >= 100'000'000'000'000 && value < 100'000'000'000'000'000 && value / 1'000'000 > seconds_max) {
      return std::nullopt;
    }
    text.remove_prefix(at);
    return unix_time_by_digits(value);
  }
  if (value > seconds_max) return std::nullopt;
  ++at;
  std::int64_t fraction = 0;
  std::int64_t unit = 100'000'000;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    fraction += unit * (text[at] - '0');
    unit /= 10;
  }
  text.remove_prefix(at);
  return unix_time_ns(value * 1'000'000'000 + fraction);
}

}  // namespace marketprism::tape
