// RFC 7692; the cases follow the categories 12 and 13 of the Autobahn test suite.
#include "marketprism/wire/permessage_deflate.hpp"

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "tests/unit/wire/websocket_bytes.hpp"

namespace marketprism::wire {
namespace {

using namespace std::string_literals;
using Kind = WebSocketMessageKind;

constexpr std::size_t no_limit = 1U << 30;

std::string inflate_all(DeflateDecompressor& decompressor, const std::string& bytes) {
  std::string out;
  const auto done = decompressor.decompress(bytes, true, out, no_limit);
  return done ? out : "error: " + done.error().message;
}

std::string deflate_all(DeflateCompressor& compressor, const std::string& text) {
  std::string out = "kept";
  EXPECT_TRUE(compressor.compress(text, out));
  EXPECT_TRUE(out.starts_with("kept"));
  return out.substr(4);
}

/// Text like a venue's: much the same from message to message.
std::string book(Random& random, std::size_t levels) {
  std::string text = R"({"e":"depthUpdate","s":"BTCUSDT","b":[)";
  for (std::size_t i = 0; i < levels; ++i) {
    text += "[\"" + std::to_string(60'000 + random.below(2000)) + ".10\",\"0." + std::to_string(random.below(100'000)) +
            "\"],";
  }
  return text + "]}";
}

TEST(PermessageDeflate, ReadsTheExamplesOfTheRfc) {  // section 7.2.3
  const auto fresh = [](const std::string& bytes) {
    DeflateDecompressor decompressor({}, WebSocketRole::client);
    return inflate_all(decompressor, bytes);
  };
  EXPECT_EQ(fresh("\xF2\x48\xCD\xC9\xC9\x07\x00"s), "Hello");
  EXPECT_EQ(fresh("\x00\x05\x00\xFA\xFF\x48\x65\x6C\x6C\x6F\x00"s), "Hello") << "a block without compression";
  EXPECT_EQ(fresh("\xF3\x48\xCD\xC9\xC9\x07\x00\x00"s), "Hello") << "a block marked as the last";
  EXPECT_EQ(fresh("\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00"s), "Hello") << "two blocks";
  EXPECT_EQ(fresh("\x00"s), "") << "an empty message";
  EXPECT_EQ(fresh(""), "") << "nothing at all is taken as an empty message";
  EXPECT_EQ(fresh("\xF3\x48\xCD\xC9\xC9\x07\x00"s), "Hello")
      << "the block marked as the last without the byte after it";

  std::string unlimited;
  DeflateDecompressor boundless({}, WebSocketRole::client);
  ASSERT_TRUE(boundless.decompress("\xF2\x48\xCD\xC9\xC9\x07\x00"s, true, unlimited, SIZE_MAX));
  EXPECT_EQ(unlimited, "Hello");

  DeflateDecompressor window({}, WebSocketRole::client);
  EXPECT_EQ(inflate_all(window, "\xF2\x48\xCD\xC9\xC9\x07\x00"s), "Hello");
  EXPECT_EQ(inflate_all(window, "\xF2\x00\x11\x00\x00"s), "Hello") << "refers to the message before";
  EXPECT_EQ(inflate_all(window, ""), "");
  EXPECT_EQ(inflate_all(window, "\xF2\x00\x11\x00\x00"s), "Hello") << "nothing at all leaves the window alone";
  DeflateDecompressor forgetful({.server_no_context_takeover = true}, WebSocketRole::client);
  EXPECT_EQ(inflate_all(forgetful, "\xF2\x48\xCD\xC9\xC9\x07\x00"s), "Hello");
  EXPECT_TRUE(inflate_all(forgetful, "\xF2\x00\x11\x00\x00"s).starts_with("error")) << "there is no message before";
}

TEST(PermessageDeflate, KeepsTheWindowOverABlockMarkedAsTheLast) {
  DeflateDecompressor window({}, WebSocketRole::client);
  EXPECT_EQ(inflate_all(window, "\xF3\x48\xCD\xC9\xC9\x07\x00\x00"s), "Hello");
  EXPECT_EQ(inflate_all(window, "\xF2\x00\x11\x00\x00"s), "Hello");
}

TEST(PermessageDeflate, WritesTheExampleOfTheRfc) {
  DeflateCompressor compressor({}, WebSocketRole::client);
  EXPECT_EQ(deflate_all(compressor, "Hello"), "\xF2\x48\xCD\xC9\xC9\x07\x00"s);
  EXPECT_EQ(deflate_all(compressor, "Hello"), "\xF2\x00\x11\x00\x00"s);
  EXPECT_EQ(deflate_all(compressor, ""), "\x00"s);
  EXPECT_EQ(deflate_all(compressor, ""), "\x00"s);
  EXPECT_EQ(deflate_all(compressor, "Hello"), "\x02\x13\x00\x00"s);
}

TEST(PermessageDeflate, BothSidesAgreeWithAllParameters) {
  for (int bits = 8; bits <= 15; ++bits) {
    for (const bool forgets : {false, true}) {
      for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
        const bool is_client = role == WebSocketRole::client;
        DeflateParameters parameters;
        (is_client ? parameters.client_max_window_bits : parameters.server_max_window_bits) = bits;
        (is_client ? parameters.client_no_context_takeover : parameters.server_no_context_takeover) = forgets;
        DeflateCompressor compressor(parameters, role);
        DeflateDecompressor decompressor(parameters, is_client ? WebSocketRole::server : WebSocketRole::client);
        Random random(static_cast<std::uint64_t>(bits));
        std::size_t first_size = 0;
        for (int round = 0; round < 60; ++round) {
          std::string text = book(random, random.below(300));
          if (round % 7 == 0) text.clear();
          if (round % 5 == 0) {
            for (char& c : text) c = static_cast<char>(random.next());
          }
          const std::string packed = deflate_all(compressor, text);
          ASSERT_EQ(inflate_all(decompressor, packed), text) << bits << ' ' << forgets << ' ' << round;
        }
        const std::string same = book(random, 5);
        first_size = deflate_all(compressor, same).size();
        const std::size_t second_size = deflate_all(compressor, same).size();
        EXPECT_EQ(second_size < first_size, !forgets) << bits;
      }
    }
  }
}

TEST(PermessageDeflate, TakesFragmentsCutAnywhere) {
  Random random(5);
  DeflateCompressor compressor({}, WebSocketRole::server);
  DeflateDecompressor decompressor({}, WebSocketRole::client);
  for (int round = 0; round < 200; ++round) {
    const std::string text = book(random, random.below(60));
    const std::string packed = deflate_all(compressor, text);
    std::string_view rest = packed;
    std::string out;
    do {
      const std::string_view piece = rest.substr(0, random.below(30));
      rest.remove_prefix(piece.size());
      ASSERT_TRUE(decompressor.decompress(piece, rest.empty(), out, no_limit));
    } while (!rest.empty());
    ASSERT_EQ(out, text);
  }
}

TEST(PermessageDeflate, CostsMemoryOnlyOnceUsed) {
  DeflateCompressor compressor({}, WebSocketRole::server);
  DeflateDecompressor decompressor({}, WebSocketRole::client);
  EXPECT_EQ(compressor.memory_bytes() + decompressor.memory_bytes(), 0U);
  EXPECT_EQ(inflate_all(decompressor, deflate_all(compressor, "x")), "x");
  EXPECT_EQ(compressor.memory_bytes(), 256U * 1024);
  EXPECT_EQ(decompressor.memory_bytes(), 39U * 1024);
}

TEST(PermessageDeflate, LargeMessagesGoThrough) {
  Random random(11);
  std::string text(5'000'000, 'q');
  for (std::size_t i = 0; i < text.size(); i += 1 + random.below(40)) text[i] = static_cast<char>(random.next());
  DeflateCompressor compressor({}, WebSocketRole::server, 1);
  DeflateDecompressor decompressor({}, WebSocketRole::client);
  EXPECT_TRUE(inflate_all(decompressor, deflate_all(compressor, text)) == text);
}

TEST(PermessageDeflate, StopsAtTheLimitOfWhatComesOut) {
  DeflateCompressor compressor({}, WebSocketRole::server);
  const std::string bomb = deflate_all(compressor, std::string(100'000'000, '0'));
  EXPECT_LT(bomb.size(), 200'000U);
  DeflateDecompressor decompressor({}, WebSocketRole::client);
  std::string out;
  const auto done = decompressor.decompress(bomb, true, out, 1'000'000);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::too_large);
  EXPECT_LT(out.capacity(), 2'100'000U);

  for (const std::size_t size : {999UZ, 1000UZ, 1001UZ}) {
    DeflateCompressor exact({}, WebSocketRole::server);
    DeflateDecompressor limited({}, WebSocketRole::client);
    std::string small;
    EXPECT_EQ(limited.decompress(deflate_all(exact, std::string(size, 'x')), true, small, 1000).has_value(),
              size <= 1000);
  }
}

TEST(PermessageDeflate, RefusesGarbageAndHalfMessages) {
  const std::string bad[] = {
      "\xFF\xFF\xFF\xFF",                   // block type 3
      "\x00\x05\x00\xFA\x00Hello"s,         // length and its complement differ
      "\x00\x05\x00\xFA\xFF\x48\x65"s,      // half a stored block
      "\xF2\x48\xCD\xC9",                   // half a block
      "\xF2\x48\xCD\xC9\xC9\x07",           // no start of the block that the tail ends
      "\x02\x13\x00\x00"s,                  // refers to before the start
      "\xF3\x48\xCD\xC9\xC9\x07\x00\xAA"s,  // garbage after the last block
  };
  for (const std::string& bytes : bad) {
    DeflateDecompressor decompressor({}, WebSocketRole::client);
    std::string out;
    const auto done = decompressor.decompress(bytes, true, out, no_limit);
    ASSERT_FALSE(done) << out;
    EXPECT_EQ(done.error().code, ErrorCode::malformed);
  }
  // A window larger than agreed: the reference goes back 600 bytes, 512 are there.
  Random random(1);
  std::string text;
  for (int i = 0; i < 600; ++i) text += static_cast<char>(random.next());
  DeflateCompressor wide({}, WebSocketRole::server);
  DeflateDecompressor narrow({.server_max_window_bits = 9}, WebSocketRole::client);
  EXPECT_EQ(inflate_all(narrow, deflate_all(wide, text)), text);
  EXPECT_TRUE(inflate_all(narrow, deflate_all(wide, text)).starts_with("error"));
}

TEST(PermessageDeflate, TheParserReadsCompressedMessages) {
  const auto client = WebSocketRole::client;
  const std::string hello = "\xF2\x48\xCD\xC9\xC9\x07\x00"s, again = "\xF2\x00\x11\x00\x00"s;
  const Outcome hello_outcome{{{Kind::text, "Hello"}}};
  struct Row {
    const char* name;
    std::string bytes;
    Outcome expected;
  };
  DeflateCompressor compressor({.server_no_context_takeover = true}, WebSocketRole::server);
  const std::string bad_text = deflate_all(compressor, "a\xFF"), half_text = deflate_all(compressor, "a\xE2\x82");
  const std::string bomb = deflate_all(compressor, std::string(100'000, 'a'));
  const Row rows[] = {
      {"whole", raw_frame(client, 0xC1, hello), hello_outcome},
      {"uncompressed beside it", raw_frame(client, 0x81, "Hello"), hello_outcome},
      {"two",
       raw_frame(client, 0xC1, hello) + raw_frame(client, 0xC2, again),
       {{{Kind::text, "Hello"}, {Kind::binary, "Hello"}}}},
      {"fragments", raw_frame(client, 0x41, hello.substr(0, 3)) + raw_frame(client, 0x80, hello.substr(3)),
       hello_outcome},
      {"empty last fragment", raw_frame(client, 0x41, hello) + raw_frame(client, 0x80, ""), hello_outcome},
      {"ping between",
       raw_frame(client, 0x41, hello.substr(0, 3)) + raw_frame(client, 0x89, "p") +
           raw_frame(client, 0x80, hello.substr(3)),
       {{{Kind::ping, "p"}, {Kind::text, "Hello"}}}},
      {"RSV1 on a continuation",
       raw_frame(client, 0x41, hello.substr(0, 3)) + raw_frame(client, 0xC0, hello.substr(3)),
       {{}, 1002}},
      {"RSV1 on a ping", raw_frame(client, 0xC9, ""), {{}, 1002}},
      {"RSV1 and RSV2", raw_frame(client, 0xE1, hello), {{}, 1002}},
      {"garbage", raw_frame(client, 0xC1, "\xFF\xFF"), {{}, 1007}},
      {"not UTF-8", raw_frame(client, 0xC1, bad_text), {{}, 1007}},
      {"not UTF-8, but binary", raw_frame(client, 0xC2, bad_text), {{{Kind::binary, "a\xFF"}}}},
      {"half a character", raw_frame(client, 0xC1, half_text), {{}, 1007}},
      {"bomb", raw_frame(client, 0xC1, bomb), {{}, 1009}},
      {"at the limit",
       raw_frame(client, 0xC1, deflate_all(compressor, std::string(5000, 'a'))),
       {{{Kind::text, std::string(5000, 'a')}}}},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {1UZ, 5UZ, 1UZ << 20}) {
      EXPECT_EQ(parse_in_pieces({.message_bytes_max = 5000, .deflate = DeflateParameters{}}, row.bytes, piece),
                row.expected)
          << row.name;
    }
  }
  // What takes room but yields nothing is bounded, too.
  std::string endless = raw_frame(client, 0x42, "");
  const std::string empty_block = "\x00\x00\x00\xFF\xFF"s;
  for (int i = 0; i < 5000; ++i) endless += raw_frame(client, 0x00, empty_block);
  EXPECT_EQ(parse_in_pieces({.message_bytes_max = 5000, .deflate = DeflateParameters{}}, endless, 1000).error, 1009);
}

}  // namespace
}  // namespace marketprism::wire
