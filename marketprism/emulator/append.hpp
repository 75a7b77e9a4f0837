#pragma once
#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace marketprism::emulator {

// Texts are put together by appending to one reused string: no formatting library, no allocation once it has grown.

inline void append_part(std::string& out, std::string_view part) { out.append(part); }
inline void append_part(std::string& out, char part) { out.push_back(part); }
inline void append_part(std::string& out, std::integral auto number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

/// Appends texts and whole numbers one after the other.
void append(std::string& out, const auto&... parts) { (append_part(out, parts), ...); }

/// Appends units × 10^-decimals with all its decimals: (6183763, 2) is "61837.63".
void append_fixed(std::string& out, std::int64_t units, int decimals);

/// Like `append_fixed`, padded with zeros to `decimals_shown`.
void append_padded(std::string& out, std::int64_t units, int decimals, int decimals_shown);

/// Like `append_fixed` without trailing zeros; a whole number keeps ".0" if `keeps_point`.
void append_trimmed(std::string& out, std::int64_t units, int decimals, bool keeps_point);

}  // namespace marketprism::emulator
