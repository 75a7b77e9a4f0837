#include "marketprism/wire/sha1.hpp"

#include <bit>
#include <cstddef>
#include <cstring>

namespace marketprism::wire {

namespace {

using Digest = std::array<std::uint32_t, 5>;
constexpr std::size_t block_bytes = 64;

void add_block(Digest& digest, const std::uint8_t* block) {
  std::uint32_t words[80];
  for (std::size_t i = 0; i < 16; ++i) {
    words[i] = (std::uint32_t{block[i * 4]} << 24) | (std::uint32_t{block[i * 4 + 1]} << 16) |
               (std::uint32_t{block[i * 4 + 2]} << 8) | block[i * 4 + 3];
  }
  for (std::size_t i = 16; i < 80; ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = digest;
  for (std::size_t i = 0; i < 80; ++i) {
    std::uint32_t mixed = 0;
    if (i < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5A827999;
    } else if (i < 40) {
      mixed = (b ^ c ^ d) + 0x6ED9EBA1;
    } else if (i < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    } else {
      mixed = (b ^ c ^ d) + 0xCA62C1D6;
    }
    const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  digest[0] += a;
  digest[1] += b;
  digest[2] += c;
  digest[3] += d;
  digest[4] += e;
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::string_view text) {
  Digest digest{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const std::uint64_t bits = std::uint64_t{text.size()} * 8;
  std::uint8_t block[2 * block_bytes];
  for (; text.size() >= block_bytes; text.remove_prefix(block_bytes)) {
    std::memcpy(block, text.data(), block_bytes);
    add_block(digest, block);
  }
  // The end: what is left, one bit, zeros, and the length in the last eight bytes of one or two blocks.
  std::memset(block, 0, sizeof block);
  if (!text.empty()) std::memcpy(block, text.data(), text.size());
  block[text.size()] = 0x80;
  const std::size_t end = text.size() + 9 <= block_bytes ? block_bytes : 2 * block_bytes;
  for (std::size_t i = 0; i < 8; ++i) block[end - 1 - i] = static_cast<std::uint8_t>(bits >> (i * 8));
  for (std::size_t at = 0; at < end; at += block_bytes) add_block(digest, block + at);

  std::array<std::uint8_t, 20> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(digest[i / 4] >> (24 - i % 4 * 8));
  return bytes;
}

}  // namespace marketprism::wire
