#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace marketprism::tape {

/// Seven bits a byte, least first, the top bit set on all but the last (LEB128).
inline void put_varint(std::string& bytes, std::uint64_t value) {
  char text[10];
  std::size_t size = 0;
  while (value >= 0x80) {
    text[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  text[size++] = static_cast<char>(value);
  bytes.append(text, size);
}

/// false where `bytes` ends within the number or it does not fit; `bytes` is then of no more use.
inline bool take_varint(std::string_view& bytes, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 9 && byte > 1) return false;
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

/// Signed numbers near zero become small unsigned ones: 0, -1, 1, -2 → 0, 1, 2, 3.
constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

inline void put_text(std::string& bytes, std::string_view text) {
  put_varint(bytes, text.size());
  bytes.append(text);
}

inline bool take_text(std::string_view& bytes, std::string_view& text) {
  std::uint64_t size = 0;
  if (!take_varint(bytes, size) || size > bytes.size()) return false;
  text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

/// Little-endian whatever the machine.
template <class T>
void put_fixed(char*& at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) *at++ = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <class T>
T take_fixed(const char*& at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{static_cast<unsigned char>(*at++)} << (8 * i);
  return static_cast<T>(value);
}

}  // namespace marketprism::tape
