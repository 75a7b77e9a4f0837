#include "marketprism/wire/websocket_writer.hpp"

#include <gtest/gtest.h>

#include "tests/unit/wire/websocket_bytes.hpp"

namespace marketprism::wire {
namespace {

using namespace std::string_literals;
using Kind = WebSocketMessageKind;

WebSocketWriterOptions options_for(WebSocketRole role) {
  return {.role = role, .mask_key = [key = 0x01020304U]() mutable { return key *= 2654435761U; }};
}

WebSocketRole other(WebSocketRole role) {
  return role == WebSocketRole::client ? WebSocketRole::server : WebSocketRole::client;
}

TEST(WebSocketWriter, WritesWhatTheOtherSideReads) {
  const std::string large(70'000, 'x');
  for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
    WebSocketWriter writer(options_for(role));
    std::string out;
    ASSERT_TRUE(writer.write_text(out, "h\xC3\xA9llo"));
    ASSERT_TRUE(writer.write_text(out, ""));
    ASSERT_TRUE(writer.write_binary(out, "\x00\xFF"s));
    ASSERT_TRUE(writer.write_ping(out, "p"));
    ASSERT_TRUE(writer.write_text(out, large));
    ASSERT_TRUE(writer.write_pong(out));
    ASSERT_TRUE(writer.write_close(out, WebSocketCloseCode::going_away, "bye"));
    const Outcome expected{{{Kind::text, "h\xC3\xA9llo"},
                            {Kind::text, ""},
                            {Kind::binary, "\x00\xFF"s},
                            {Kind::ping, "p"},
                            {Kind::text, large},
                            {Kind::pong, ""},
                            {Kind::close, "bye", 1001}}};
    for (const std::size_t piece : {1UZ, 100UZ, 1UZ << 20})
      EXPECT_EQ(parse_in_pieces({.role = other(role)}, out, piece), expected);
    EXPECT_EQ(parse_in_pieces({.role = role}, out, 100).error, 1002);
  }
}

TEST(WebSocketWriter, MasksEveryFrameWithAFreshKey) {
  WebSocketWriter writer(options_for(WebSocketRole::client));
  std::string one, two;
  ASSERT_TRUE(writer.write_ping(one, "same"));
  ASSERT_TRUE(writer.write_ping(two, "same"));
  EXPECT_EQ(one.size(), 2 + 4 + 4U);
  EXPECT_NE(one, two);
}

TEST(WebSocketWriter, CutsMessagesIntoFragments) {
  for (std::size_t size = 0; size < 40; ++size) {
    auto options = options_for(WebSocketRole::server);
    options.fragment_bytes_max = 10;
    WebSocketWriter writer(options);
    const std::string payload(size, 'y');
    std::string out;
    ASSERT_TRUE(writer.write_text(out, payload));
    EXPECT_EQ(out.size(), size + 2 * std::max<std::size_t>(1, (size + 9) / 10)) << size;
    EXPECT_EQ(parse_in_pieces({}, out, 3), (Outcome{{{Kind::text, payload}}})) << size;
    EXPECT_EQ(parse_in_pieces({.frame_bytes_max = 10}, out, 100).error, 0);
  }
}

TEST(WebSocketWriter, RefusesWhatMayNotBeSent) {
  WebSocketWriter writer(options_for(WebSocketRole::server));
  std::string out;
  EXPECT_EQ(writer.write_text(out, "\xFF").error().code, ErrorCode::malformed);
  EXPECT_EQ(writer.write_ping(out, std::string(126, 'x')).error().code, ErrorCode::too_large);
  for (const int code : {0, 999, 1004, 1006, 1015, 2000, 5000}) {
    EXPECT_EQ(writer.write_close(out, static_cast<WebSocketCloseCode>(code)).error().code, ErrorCode::invalid_argument)
        << code;
  }
  EXPECT_EQ(writer.write_close(out, WebSocketCloseCode::normal, "\xC3").error().code, ErrorCode::malformed);
  EXPECT_EQ(out, "");
  EXPECT_FALSE(writer.is_closed());
  ASSERT_TRUE(writer.write_close(out, WebSocketCloseCode::none));
  EXPECT_EQ(out, "\x88\x00"s);
  EXPECT_TRUE(writer.is_closed());
  for (const auto& after : {writer.write_text(out, "x"), writer.write_pong(out), writer.write_close(out)}) {
    EXPECT_EQ(after.error().code, ErrorCode::closed);
  }
  EXPECT_EQ(out.size(), 2U);
}

TEST(WebSocketWriter, CutsALongReasonAtACharacter) {
  WebSocketWriter writer(options_for(WebSocketRole::server));
  std::string out, reason;
  while (reason.size() < 300) reason += "\xE2\x82\xAC";
  ASSERT_TRUE(writer.write_close(out, WebSocketCloseCode::internal_error, "ab" + reason));
  EXPECT_EQ(out.size(), 2 + 2 + 122U);
  EXPECT_EQ(parse_in_pieces({}, out, 1), (Outcome{{{Kind::close, "ab" + reason.substr(0, 120), 1011}}}));
}

TEST(WebSocketWriter, CompressesMessagesThatAreWorthIt) {
  const std::string book(5000, '7');
  for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
    auto options = options_for(role);
    options.deflate = DeflateParameters{};
    options.fragment_bytes_max = 7;
    WebSocketWriter writer(options);
    std::string out;
    ASSERT_TRUE(writer.write_text(out, "short"));
    ASSERT_TRUE(writer.write_binary(out, book));
    ASSERT_TRUE(writer.write_text(out, book));
    EXPECT_LT(out.size(), 300U);
    const Outcome expected{{{Kind::text, "short"}, {Kind::binary, book}, {Kind::text, book}}};
    for (const std::size_t piece : {1UZ, 9UZ, 1UZ << 20}) {
      EXPECT_EQ(parse_in_pieces({.role = other(role), .deflate = DeflateParameters{}}, out, piece), expected);
    }
    EXPECT_EQ(parse_in_pieces({.role = other(role)}, out, 1).error, 1002);
  }
}

}  // namespace
}  // namespace marketprism::wire
