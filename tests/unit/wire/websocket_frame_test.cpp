#include "marketprism/wire/websocket_frame.hpp"

#include <cstring>

#include <gtest/gtest.h>

namespace marketprism::wire {
namespace {

using namespace std::string_literals;

std::uint32_t key_of(const char (&bytes)[5]) {
  std::uint32_t key = 0;
  std::memcpy(&key, bytes, 4);
  return key;
}

TEST(WebSocketFrame, WritesTheExamplesOfTheRfc) {  // RFC 6455, section 5.7
  const std::uint32_t key = key_of("\x37\xFA\x21\x3D");
  const auto frame = [](WebSocketFrameHeader header, std::string_view payload) {
    std::string out = "before";
    append_frame(out, header, payload);
    return out.substr(6);
  };
  using enum WebSocketOpcode;
  EXPECT_EQ(frame({.opcode = text}, "Hello"), "\x81\x05Hello");
  EXPECT_EQ(frame({.opcode = text, .is_masked = true, .mask_key = key}, "Hello"),
            "\x81\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58");
  EXPECT_EQ(frame({.opcode = text, .is_final = false}, "Hel"), "\x01\x03Hel");
  EXPECT_EQ(frame({.opcode = continuation}, "lo"), "\x80\x02lo");
  EXPECT_EQ(frame({.opcode = ping}, "Hello"), "\x89\x05Hello");
  EXPECT_EQ(frame({.opcode = pong, .is_masked = true, .mask_key = key}, "Hello"),
            "\x8A\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58");
  EXPECT_EQ(frame({.opcode = binary}, std::string(256, 'x')).substr(0, 4), "\x82\x7E\x01\x00"s);
  EXPECT_EQ(frame({.opcode = binary}, std::string(65536, 'x')).substr(0, 10),
            "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
  EXPECT_EQ(frame({.opcode = text, .rsv1 = true}, "").substr(0, 2), "\xC1\x00"s);
}

TEST(WebSocketFrame, MasksTheSameInPartsAndAtAnyAddress) {
  const std::uint32_t key = key_of("\x01\x20\x03\x40");
  const char bytes[] = {'\x01', '\x20', '\x03', '\x40'};
  for (std::size_t size = 0; size < 80; ++size) {
    const std::string clear(size, 'q');
    std::string expected = clear;
    for (std::size_t i = 0; i < size; ++i) expected[i] = static_cast<char>(expected[i] ^ bytes[i % 4]);
    for (std::size_t cut = 0; cut <= size; ++cut) {
      std::string masked = clear;
      mask_in_place(masked.data(), cut, key);
      mask_in_place(masked.data() + cut, size - cut, key, cut);
      ASSERT_EQ(masked, expected) << size << ' ' << cut;
    }
  }
}

}  // namespace
}  // namespace marketprism::wire
