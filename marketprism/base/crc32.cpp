#include "marketprism/base/crc32.hpp"

#include <array>
#include <cstring>

namespace marketprism {
namespace {

// tables[0] moves one byte through the register; tables[k] moves a byte that k more bytes follow.
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> result{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0U);
    result[0][byte] = value;
  }
  for (std::size_t k = 1; k < result.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = result[k - 1][byte];
      result[k][byte] = (before >> 8) ^ result[0][before & 0xff];
    }
  }
  return result;
}();

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t so_far) {
  std::uint32_t value = ~so_far;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {  // eight bytes a step: little-endian machines only, as all we build for
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + 4, 4);
    low ^= value;
    value = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
            tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
  }
  for (; left > 0; --left, ++at) value = (value >> 8) ^ tables[0][(value ^ static_cast<unsigned char>(*at)) & 0xff];
  return ~value;
}

}  // namespace marketprism
