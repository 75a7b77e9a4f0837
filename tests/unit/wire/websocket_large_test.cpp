// Large messages in many frames, modelled on the categories 9, 12 and 13 of the Autobahn test suite, written from RFC
// 6455 and RFC 7692. What goes over sockets is in tests/integration/net/websocket_large_test.cpp.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/wire/websocket_bytes.hpp"

namespace marketprism::wire {
namespace {

using Kind = WebSocketMessageKind;

constexpr int fin = 0x80, rsv1 = 0x40;
constexpr std::size_t whole = 1UZ << 20;  // pieces in which the bytes are read

/// Text with characters of all lengths, so that frames end within some of them.
std::string text_of(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() + 10 <= bytes; ++i)
    text += std::to_string(i % 10) + "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  text.resize(bytes, '.');
  return text;
}

/// One message in frames of `frame_bytes`, as the peer of a parser in `role` sends it.
std::string in_frames(WebSocketRole role, int opcode, std::string_view payload, std::size_t frame_bytes) {
  std::string bytes;
  for (std::size_t at = 0; at < payload.size(); at += frame_bytes) {
    const bool is_last = at + frame_bytes >= payload.size();
    bytes += raw_frame(role, (at == 0 ? opcode : 0) | (is_last ? fin : 0), payload.substr(at, frame_bytes));
  }
  return bytes;
}

bool delivers(WebSocketParserOptions options, const std::string& bytes, std::size_t piece, Kind kind,
              const std::string& payload) {
  const Outcome outcome = parse_in_pieces(std::move(options), bytes, piece);
  return outcome.error == 0 && outcome.messages.size() == 1 && outcome.messages[0].kind == kind &&
         outcome.messages[0].data == payload;
}

TEST(WebSocketLarge, OneMessageInManyFrames) {  // 9.3, 9.4
  const std::string payload = text_of(4 << 20);
  for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
    for (const std::size_t frame :
         {64UZ, 256UZ, 1UZ << 10, 4UZ << 10, 16UZ << 10, 64UZ << 10, 256UZ << 10, 1UZ << 20}) {
      EXPECT_TRUE(delivers({.role = role}, in_frames(role, 1, payload, frame), whole, Kind::text, payload)) << frame;
      EXPECT_TRUE(delivers({.role = role}, in_frames(role, 2, payload, frame), whole, Kind::binary, payload)) << frame;
    }
  }
}

TEST(WebSocketLarge, OneMessageInManyReads) {  // 9.5, 9.6
  const std::string payload = text_of(1 << 20);
  for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
    for (const std::size_t piece : {64UZ, 128UZ, 256UZ, 512UZ, 1024UZ, 2048UZ}) {
      EXPECT_TRUE(delivers({.role = role}, raw_frame(role, 0x81, payload), piece, Kind::text, payload)) << piece;
      EXPECT_TRUE(delivers({.role = role}, raw_frame(role, 0x82, payload), piece, Kind::binary, payload)) << piece;
    }
  }
}

TEST(WebSocketLarge, CompressedMessagesInManyFrames) {  // 12.*.11 to 12.*.18, 13.*.11 to 13.*.18
  struct Row {
    std::size_t message, frame;
  };
  constexpr Row rows[] = {{8192, 256},   {16384, 256},   {32768, 256},   {65536, 256},
                          {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768}};
  for (const bool forgets : {false, true}) {
    for (const int bits : {9, 15}) {
      const DeflateParameters parameters{.server_no_context_takeover = forgets, .server_max_window_bits = bits};
      DeflateCompressor compressor(parameters, WebSocketRole::server, 1);
      std::string bytes;
      Outcome expected;
      for (const Row& row : rows) {
        for (int i = 0; i < 5; ++i) {
          std::string payload = text_of(row.message);
          std::rotate(payload.begin(), payload.begin() + 10 * i,
                      payload.begin() + static_cast<std::ptrdiff_t>(row.message / 20 * 10));
          std::string packed;
          ASSERT_TRUE(compressor.compress(payload, packed));
          bytes += in_frames(WebSocketRole::client, 1 | rsv1, packed, row.frame);
          expected.messages.push_back({Kind::text, std::move(payload)});
        }
      }
      for (const std::size_t piece : {1000UZ, whole}) {
        EXPECT_TRUE(parse_in_pieces({.deflate = parameters}, bytes, piece) == expected) << bits << ' ' << forgets;
      }
    }
  }
}

TEST(WebSocketLarge, ACompressedMessageOf16MiBInManyFrames) {
  std::string payload = text_of(16 << 20);
  for (std::size_t i = 0; i < payload.size(); i += 977) payload[i] = static_cast<char>('a' + i % 26);
  DeflateCompressor compressor({}, WebSocketRole::server, 1);
  std::string packed;
  ASSERT_TRUE(compressor.compress(payload, packed));
  EXPECT_LT(packed.size(), payload.size() / 4);
  const WebSocketParserOptions options{.message_bytes_max = payload.size(), .deflate = DeflateParameters{}};
  EXPECT_TRUE(
      delivers(options, in_frames(WebSocketRole::client, 2 | rsv1, packed, 4096), whole, Kind::binary, payload));
  const WebSocketParserOptions smaller{.message_bytes_max = payload.size() - 1, .deflate = DeflateParameters{}};
  EXPECT_EQ(parse_in_pieces(smaller, in_frames(WebSocketRole::client, 2 | rsv1, packed, 4096), whole),
            (Outcome{{}, 1009}));
}

}  // namespace
}  // namespace marketprism::wire
