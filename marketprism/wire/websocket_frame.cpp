#include "marketprism/wire/websocket_frame.hpp"

#include <bit>
#include <cstring>

namespace marketprism::wire {

void append_frame_header(std::string& out, const WebSocketFrameHeader& header) {
  char bytes[websocket_frame_header_bytes_max];
  std::size_t size = 2;
  bytes[0] =
      static_cast<char>((header.is_final ? 0x80 : 0) | (header.rsv1 ? 0x40 : 0) | static_cast<int>(header.opcode));
  const std::uint64_t length = header.payload_bytes;
  const int mask_bit = header.is_masked ? 0x80 : 0;
  const auto put_length = [&](int marker, int count) {
    bytes[1] = static_cast<char>(marker | mask_bit);
    for (int shift = (count - 1) * 8; shift >= 0; shift -= 8) bytes[size++] = static_cast<char>(length >> shift);
  };
  if (length < 126) {
    put_length(static_cast<int>(length), 0);
  } else if (length <= 0xFFFF) {
    put_length(126, 2);
  } else {
    put_length(127, 8);
  }
  if (header.is_masked) {
    std::memcpy(bytes + size, &header.mask_key, 4);
    size += 4;
  }
  out.append(bytes, size);
}

void append_frame(std::string& out, WebSocketFrameHeader header, std::string_view payload) {
  header.payload_bytes = payload.size();
  append_frame_header(out, header);
  out.append(payload);
  if (header.is_masked) mask_in_place(out.data() + out.size() - payload.size(), payload.size(), header.mask_key);
}

void mask_in_place(char* data, std::size_t size, std::uint32_t mask_key, std::size_t offset) {
  const int turn = static_cast<int>(offset % 4) * 8;
  if constexpr (std::endian::native == std::endian::little) {
    mask_key = std::rotr(mask_key, turn);
  } else {
    mask_key = std::rotl(mask_key, turn);
  }
  const std::uint64_t wide = (static_cast<std::uint64_t>(mask_key) << 32) | mask_key;
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, 8);
    word ^= wide;
    std::memcpy(data + at, &word, 8);
  }
  char key[4];
  std::memcpy(key, &mask_key, 4);
  for (; at < size; ++at) data[at] = static_cast<char>(data[at] ^ key[at % 4]);
}

}  // namespace marketprism::wire
