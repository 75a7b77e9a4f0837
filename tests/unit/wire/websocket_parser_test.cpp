// Modelled on the case categories 1–7, 9 and 10 of the Autobahn test suite, written from RFC 6455.
#include "marketprism/wire/websocket_parser.hpp"

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "tests/unit/wire/websocket_bytes.hpp"

namespace marketprism::wire {
namespace {

using namespace std::string_literals;
using Kind = WebSocketMessageKind;

constexpr WebSocketRole both_roles[] = {WebSocketRole::client, WebSocketRole::server};
constexpr std::size_t piece_sizes[] = {1, 2, 3, 7, 64, 1000, 1 << 20};

struct RawFrame {
  int first_byte;
  std::string payload;
};

struct Case {
  const char* name;
  std::vector<RawFrame> frames;
  Outcome expected;
};

constexpr int text = 0x81, binary = 0x82, close = 0x88, ping = 0x89, pong = 0x8A;
constexpr int text_start = 0x01, binary_start = 0x02, middle = 0x00, last = 0x80;

Outcome messages(std::vector<Expected> expected) { return {std::move(expected), 0}; }
Outcome fails(int close_code, std::vector<Expected> before = {}) { return {std::move(before), close_code}; }

void run(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    for (const WebSocketRole role : both_roles) {
      std::string bytes;
      for (const RawFrame& frame : test.frames) bytes += raw_frame(role, frame.first_byte, frame.payload);
      for (const std::size_t piece : piece_sizes) {
        EXPECT_EQ(parse_in_pieces({.role = role}, bytes, piece), test.expected)
            << test.name << ", role " << static_cast<int>(role) << ", pieces of " << piece;
      }
    }
  }
}

TEST(WebSocketParser, DeliversTextAndBinaryOfAllLengthEncodings) {  // 1.*
  std::vector<Case> cases;
  for (const std::size_t size : {0UZ, 1UZ, 2UZ, 31UZ, 125UZ, 126UZ, 127UZ, 128UZ, 65535UZ, 65536UZ, 65537UZ}) {
    const std::string payload(size, '*');
    cases.push_back({"text", {{text, payload}}, messages({{Kind::text, payload}})});
    cases.push_back({"binary", {{binary, payload}}, messages({{Kind::binary, payload}})});
  }
  run(cases);
}

TEST(WebSocketParser, DeliversControlFramesAndRefusesLongOnes) {  // 2.*
  const std::string longest(125, '\xFE');
  run({
      {"empty ping", {{ping, ""}}, messages({{Kind::ping, ""}})},
      {"ping with text", {{ping, "Hello"}}, messages({{Kind::ping, "Hello"}})},
      {"ping with bytes", {{ping, "\x00\xFF\xFE\xFD"s}}, messages({{Kind::ping, "\x00\xFF\xFE\xFD"s}})},
      {"longest ping", {{ping, longest}}, messages({{Kind::ping, longest}})},
      {"too long ping", {{ping, longest + "x"}}, fails(1002)},
      {"too long pong", {{pong, std::string(70000, 'x')}}, fails(1002)},
      {"unasked pong, then ping", {{pong, "a"}, {ping, "b"}}, messages({{Kind::pong, "a"}, {Kind::ping, "b"}})},
  });
}

TEST(WebSocketParser, RefusesReservedBits) {  // 3.*
  std::vector<Case> cases;
  for (int bits = 0x10; bits <= 0x70; bits += 0x10) {
    for (const int first : {text, binary, close, ping, pong, text_start}) {
      cases.push_back({"reserved bits", {{text, "ok"}, {first | bits, ""}}, fails(1002, {{Kind::text, "ok"}})});
    }
  }
  run(cases);
}

TEST(WebSocketParser, RefusesReservedOpcodes) {  // 4.*
  std::vector<Case> cases;
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    for (const auto& payload : {""s, "data"s}) {
      cases.push_back({"opcode", {{text, "ok"}, {0x80 | opcode, payload}}, fails(1002, {{Kind::text, "ok"}})});
      cases.push_back({"opcode inside", {{text_start, "a"}, {0x80 | opcode, payload}}, fails(1002)});
    }
  }
  run(cases);
}

TEST(WebSocketParser, PutsFragmentsTogether) {  // 5.*
  run({
      {"ping in fragments", {{0x09, "frag"}, {last, "ment"}}, fails(1002)},
      {"pong in fragments", {{0x0A, "frag"}, {last, "ment"}}, fails(1002)},
      {"close in fragments", {{0x08, close_payload(1000)}}, fails(1002)},
      {"two fragments", {{text_start, "frag1"}, {last, "frag2"}}, messages({{Kind::text, "frag1frag2"}})},
      {"three, one empty", {{binary_start, "a"}, {middle, ""}, {last, "b"}}, messages({{Kind::binary, "ab"}})},
      {"all empty", {{text_start, ""}, {middle, ""}, {last, ""}}, messages({{Kind::text, ""}})},
      {"ping between",
       {{text_start, "a"}, {ping, "p"}, {last, "b"}},
       messages({{Kind::ping, "p"}, {Kind::text, "ab"}})},
      {"many between",
       {{text_start, "1"}, {ping, "p"}, {middle, "2"}, {middle, "3"}, {pong, "q"}, {last, "4"}, {text, "5"}},
       messages({{Kind::ping, "p"}, {Kind::pong, "q"}, {Kind::text, "1234"}, {Kind::text, "5"}})},
      {"last without first", {{last, "x"}, {text, "y"}}, fails(1002)},
      {"middle without first", {{middle, "x"}}, fails(1002)},
      {"last after a whole message", {{text, "x"}, {last, "y"}}, fails(1002, {{Kind::text, "x"}})},
      {"text inside a message", {{text_start, "x"}, {text, "y"}}, fails(1002)},
      {"binary start inside a message", {{text_start, "x"}, {binary_start, "y"}}, fails(1002)},
      {"two fragmented messages",
       {{text_start, "a"}, {last, "b"}, {binary_start, "c"}, {last, "d"}},
       messages({{Kind::text, "ab"}, {Kind::binary, "cd"}})},
      {"close inside a message",
       {{text_start, "a"}, {close, close_payload(1001, "bye")}, {last, "b"}},
       messages({{Kind::close, "bye", 1001}})},
  });
}

TEST(WebSocketParser, ChecksUtf8OverFragments) {  // 6.*
  const std::string good = "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5 \xF0\x9F\x98\x80 plain tail";
  std::vector<Case> cases{
      {"good", {{text, good}}, messages({{Kind::text, good}})},
      {"bad", {{text, good + "\xED\xA0\x80"}}, fails(1007)},
      {"cut at the end", {{text, "ok \xE1\xBD"}}, fails(1007)},
      {"cut at the end of fragments", {{text_start, "ok \xE1"}, {last, "\xBD"}}, fails(1007)},
      {"binary is not checked", {{binary, "\xFF\xFE"}}, messages({{Kind::binary, "\xFF\xFE"}})},
      {"a control frame's payload is no part of the text",
       {{text_start, "\xE1"}, {ping, "\xFF"}, {last, "\xBD\xB9"}},
       messages({{Kind::ping, "\xFF"}, {Kind::text, "\xE1\xBD\xB9"}})},
      {"the next message starts anew",
       {{binary, "\xE1"}, {text, "a"}},
       messages({{Kind::binary, "\xE1"}, {Kind::text, "a"}})},
  };
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {
    cases.push_back(
        {"good, cut", {{text_start, good.substr(0, cut)}, {last, good.substr(cut)}}, messages({{Kind::text, good}})});
  }
  run(cases);
}

TEST(WebSocketParser, RefusesBadTextAtTheFirstBadByte) {  // 6.4.*
  for (const WebSocketRole role : both_roles) {
    const std::string frame = raw_frame(role, text, "good \xF4\x90" + std::string(1000, 'x'));
    const std::size_t bad_at = frame.size() - 1001;
    WebSocketParser parser({.role = role});
    parser.append(frame.substr(0, bad_at));
    auto next = parser.next();
    ASSERT_TRUE(next && !*next);
    parser.append(frame.substr(bad_at, 1));
    EXPECT_FALSE(parser.next());
    EXPECT_EQ(parser.close_code(), WebSocketCloseCode::invalid_payload);

    WebSocketParser fragments({.role = role});
    fragments.append(raw_frame(role, text_start, "good \xCE\xBA\xC0"));
    EXPECT_FALSE(fragments.next()) << "before the message ends";
  }
}

TEST(WebSocketParser, ReadsCloseFrames) {  // 7.*
  std::vector<Case> cases{
      {"no code", {{close, ""}}, messages({{Kind::close, "", 1005}})},
      {"one byte", {{close, "a"}}, fails(1002)},
      {"code", {{close, close_payload(1000)}}, messages({{Kind::close, "", 1000}})},
      {"longest",
       {{close, close_payload(1000, std::string(123, '*'))}},
       messages({{Kind::close, std::string(123, '*'), 1000}})},
      {"too long", {{close, close_payload(1000, std::string(124, '*'))}}, fails(1002)},
      {"reason not UTF-8", {{close, close_payload(1000, "\xCE\xBA\xED\xA0\x80")}}, fails(1007)},
      {"what follows is discarded",
       {{close, close_payload(1000)}, {text, "x"}, {close, "y"}},
       messages({{Kind::close, "", 1000}})},
  };
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    cases.push_back({"good code", {{close, close_payload(code, "r")}}, messages({{Kind::close, "r", code}})});
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    cases.push_back({"bad code", {{close, close_payload(code)}}, fails(1002)});
  }
  run(cases);
}

TEST(WebSocketParser, RefusesTheWrongMaskPerRole) {
  for (const WebSocketRole role : both_roles) {
    const WebSocketRole other = role == WebSocketRole::client ? WebSocketRole::server : WebSocketRole::client;
    for (const int first : {text, ping, close, text_start}) {
      EXPECT_EQ(parse_in_pieces({.role = role}, raw_frame(other, first, "x"), 1).error, 1002);
      EXPECT_EQ(parse_in_pieces({.role = role}, raw_frame(other, first, ""), 1 << 20).error, 1002);
    }
  }
}

TEST(WebSocketParser, RefusesLengthsNotInTheirShortestForm) {
  const std::string bad[] = {
      "\x81\x7E\x00\x7D"s,
      "\x81\x7E\x00\x00"s,
      "\x82\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF"s,
      "\x82\x7F\x80\x00\x00\x00\x00\x01\x00\x00"s,
  };
  for (const std::string& bytes : bad) {
    for (const std::size_t piece : piece_sizes) EXPECT_EQ(parse_in_pieces({}, bytes, piece).error, 1002);
  }
}

TEST(WebSocketParser, RefusesFrameAndMessageAboveTheirLimitBeforeTheyArrive) {  // 9.*, 10.*
  const WebSocketParserOptions options{.message_bytes_max = 1000, .frame_bytes_max = 600};
  const auto client = WebSocketRole::client;
  const std::string longest(600, 'x'), rest(400, 'y');
  EXPECT_EQ(parse_in_pieces(options, raw_frame(client, text, longest), 100).messages.size(), 1U);
  EXPECT_EQ(parse_in_pieces(options, raw_frame(client, text, longest + "x").substr(0, 4), 1), fails(1009));
  const std::string start = raw_frame(client, binary_start, longest);
  EXPECT_EQ(parse_in_pieces(options, start + raw_frame(client, last, rest), 100),
            messages({{Kind::binary, longest + rest}}));
  const std::string too_much = start + raw_frame(client, last, rest + "y").substr(0, 4);
  EXPECT_EQ(parse_in_pieces(options, too_much, 100), fails(1009));
  const std::string control = start + raw_frame(client, ping, "p") + raw_frame(client, last, rest);
  EXPECT_EQ(parse_in_pieces(options, control, 100).messages.size(), 2U);
  // The largest number that may be announced costs no memory.
  WebSocketParser parser(options);
  parser.append("\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s);
  EXPECT_FALSE(parser.next());
  EXPECT_LT(parser.memory_bytes(), 32U * 1024);
}

TEST(WebSocketParser, GrowsWithWhatArrivesNotWithWhatIsAnnounced) {
  WebSocketParser parser;
  parser.append("\x82\x7F\x00\x00\x00\x00\x00\xFF\x00\x00"s);  // 16 MiB less 64 KiB
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(parser.next());
    parser.append(std::string(1000, 'x'));
  }
  EXPECT_LT(parser.memory_bytes(), 64U * 1024);
  EXPECT_TRUE(parser.is_inside_message());
}

TEST(WebSocketParser, DeliversLargeMessagesUpToTheLimit) {  // 9.*
  const std::string payload(16 * 1024 * 1024, 'z');
  for (const WebSocketRole role : both_roles) {
    EXPECT_EQ(parse_in_pieces({.role = role}, raw_frame(role, text, payload), 100'000),
              messages({{Kind::text, payload}}));
  }
}

TEST(WebSocketParser, AnErrorIsFinal) {
  WebSocketParser parser;
  parser.append("\x83\x00\x81\x01x"s);
  const auto first = parser.next();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::malformed);
  EXPECT_NE(first.error().message.find("opcode"), std::string::npos);
  const auto room = parser.prepare(10);
  std::memcpy(room.data(), "\x81\x01x", 3);
  parser.commit(3);
  const auto second = parser.next();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, first.error().message);
  EXPECT_EQ(parser.close_code(), WebSocketCloseCode::protocol_error);
}

TEST(WebSocketParser, KnowsWhetherTheStreamMayEndHere) {
  const std::string bytes =
      raw_frame(WebSocketRole::client, text_start, "ab") + raw_frame(WebSocketRole::client, last, "c");
  WebSocketParser parser;
  EXPECT_FALSE(parser.is_inside_message());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    parser.append(bytes.substr(i, 1));
    Outcome outcome;
    ASSERT_TRUE(drain(parser, outcome));
    EXPECT_EQ(parser.is_inside_message(), i + 1 < bytes.size()) << i;
  }
}

TEST(WebSocketParser, DeliversSingleFramesWhereTheyWereRead) {
  WebSocketParser parser;
  const std::string bytes =
      raw_frame(WebSocketRole::client, text, "one") + raw_frame(WebSocketRole::client, binary, "two");
  const auto room = parser.prepare(1000);
  std::memcpy(room.data(), bytes.data(), bytes.size());
  parser.commit(bytes.size());
  const auto one = parser.next();
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((*one)->data.data(), reinterpret_cast<const char*>(room.data()) + 2);
  const auto two = parser.next();
  ASSERT_TRUE(two && *two);
  EXPECT_EQ((*two)->data.data(), reinterpret_cast<const char*>(room.data()) + 7);
}

TEST(WebSocketParser, CanLeaveTextUnchecked) {
  EXPECT_EQ(parse_in_pieces({.check_utf8 = false}, raw_frame(WebSocketRole::client, text, "\xFF"), 1),
            messages({{Kind::text, "\xFF"}}));
}

TEST(WebSocketParser, GivesTheSameForAnySplitOfAnyBytes) {
  Random random(20'240'601);
  for (int round = 0; round < 2000; ++round) {
    const WebSocketRole role = both_roles[random.below(2)];
    std::string bytes;
    for (std::uint64_t frames = random.below(8); frames > 0; --frames) {
      constexpr int firsts[] = {text,   text, binary,       ping,  pong, text_start,
                                middle, last, binary_start, close, 0x83, 0xC1};
      std::string payload(random.below(200), 'a');
      if (random.chance(0.2)) payload += "\xE2\x82\xAC";
      if (random.chance(0.05) && !payload.empty())
        payload[random.below(payload.size())] = static_cast<char>(random.next());
      bytes += raw_frame(role, firsts[random.below(std::size(firsts) - (random.chance(0.8) ? 3 : 0))], payload);
    }
    const Outcome whole = parse_in_pieces({.role = role}, bytes, 1 << 20);
    ASSERT_EQ(parse_in_pieces({.role = role}, bytes, 1 + random.below(40)), whole) << "round " << round;
    ASSERT_EQ(
        parse_in_pieces({.role = role, .read_bytes_start = 64, .read_bytes_max = 128}, bytes, 1 + random.below(300)),
        whole);
  }
}

}  // namespace
}  // namespace marketprism::wire
