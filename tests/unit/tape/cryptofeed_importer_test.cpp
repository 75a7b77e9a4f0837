#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tape/collected.hpp"

namespace marketprism::tape {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CryptofeedImporter, ReadsEachKindOfLine) {
  const Collected got = collect(Format::cryptofeed,
                                "https://api.x.com/depth?symbol=AB&limit=5 -> 1633998512.56: {\"bids\":[]}\n"
                                "\n"
                                "wss://stream.x.com:9443/ws <-> 1633998511.159679\n"
                                "wss://stream.x.com:9443/ws <- 1633998511.2: {\"op\":\"subscribe\"}\n"
                                "1633998512.5647851: {\"a\": 1}\n"
                                "configuration: {\"trades\":[\"A-B\"]}\n",
                                1UL << 20, ImportOptions{.exchange = "x", .connection = 7, .symbol_hint = "UNUSED"});
  ASSERT_EQ(got.frames.size(), 4U);
  EXPECT_TRUE(got.problems.empty());
  EXPECT_EQ(got.stats.ignored_lines, 2U);
  EXPECT_EQ(got.frames[0].kind, FrameKind::http_response);
  EXPECT_EQ(got.frames[0].url, "https://api.x.com/depth?symbol=AB&limit=5");
  EXPECT_EQ(got.frames[0].code, 200);
  EXPECT_EQ(got.frames[0].payload, "{\"bids\":[]}");
  EXPECT_EQ(got.frames[0].time_ns, 1633998512560000000);
  EXPECT_EQ(got.frames[1].kind, FrameKind::connect);
  EXPECT_EQ(got.frames[1].url, "wss://stream.x.com:9443/ws");
  EXPECT_EQ(got.frames[1].time_ns, 1633998511159679000);
  EXPECT_EQ(got.frames[2].kind, FrameKind::text);
  EXPECT_EQ(got.frames[2].direction, Direction::sent);
  EXPECT_EQ(got.frames[2].payload, "{\"op\":\"subscribe\"}");
  EXPECT_EQ(got.frames[3].direction, Direction::received);
  EXPECT_EQ(got.frames[3].payload, "{\"a\": 1}");
  EXPECT_EQ(got.frames[3].time_ns, 1633998512564785100);
  for (const OwnedFrame& frame : got.frames) {
    EXPECT_EQ(frame.exchange, "x");
    EXPECT_EQ(frame.connection, 7U);
    EXPECT_EQ(frame.symbol_hint, "");
  }
}

TEST(CryptofeedImporter, CutsTheHeadersOffAnAnswer) {
  const auto payload = [](std::string_view body) {
    const Collected got = collect(Format::cryptofeed, "https://h/p -> 1.5: " + std::string(body) + "\n");
    return got.frames.empty() ? std::string("none") : got.frames[0].payload;
  };
  EXPECT_EQ(payload(R"({"a":1} header: {"X-Used": "3"})"), R"({"a":1})");
  EXPECT_EQ(payload(R"([{"a":1}] header: {"X-Used": "3"})"), R"([{"a":1}])");
  EXPECT_EQ(payload(R"({"note":"my header: {x}"})"), R"({"note":"my header: {x}"})");
}

TEST(CryptofeedImporter, DecodesBytesLiterals) {
  const Collected got = collect(Format::cryptofeed,
                                "1.5: b'\\x1f\\x8b\\n\\'\\\\\"q\\x00'\n"
                                "1.6: b\"it's\"\n"
                                "1.7: b'cut\\x4\n"
                                "1.8: b'\n"
                                "1.9: b'\\q\\xzz'\n");
  ASSERT_EQ(got.frames.size(), 5U);
  for (const OwnedFrame& frame : got.frames) EXPECT_EQ(frame.kind, FrameKind::binary);
  EXPECT_EQ(got.frames[0].payload, std::string("\x1f\x8b\n'\\\"q\0", 8));
  EXPECT_EQ(got.frames[1].payload, "it's");
  EXPECT_EQ(got.frames[2].payload, "cut");
  EXPECT_EQ(got.frames[3].payload, "");
  EXPECT_EQ(got.frames[4].payload, "\\q\\xzz");
}

TEST(CryptofeedImporter, NamesMalformedLinesAndGoesOn) {
  const Collected got = collect(Format::cryptofeed,
                                "1.5: {\"cut\":\n"
                                "no stamp here\n"
                                "1.5 {\"no colon\"}\n"
                                "https://h/p\n"
                                "https://h/p => 1.5: {}\n"
                                "wss://h/p <-> never\n"
                                "99999999999999999999: {}\n"
                                "1.6:\n"
                                "1.7: {}");
  ASSERT_EQ(got.frames.size(), 3U);
  EXPECT_EQ(got.frames[0].payload, "{\"cut\":");
  EXPECT_EQ(got.frames[1].payload, "");
  EXPECT_EQ(got.frames[2].payload, "{}");
  EXPECT_EQ(got.stats.malformed_lines, 6U);
  EXPECT_THAT(got.problems, ElementsAre(HasSubstr("line 2: "), HasSubstr("line 3: "), HasSubstr("line 4: "),
                                        HasSubstr("line 5: "), HasSubstr("line 6: "), HasSubstr("line 7: ")));
}

TEST(CryptofeedImporter, ReportsALineAboveTheLimit) {
  const Collected got = collect(Format::cryptofeed, "1.5: " + std::string(100, 'x') + "\n1.6: y\n", 16,
                                ImportOptions{.line_bytes_max = 50});
  ASSERT_EQ(got.frames.size(), 1U);
  EXPECT_EQ(got.stats.oversized_lines, 1U);
  EXPECT_THAT(got.problems, ElementsAre(HasSubstr("line 1: longer than 50 bytes")));
}

TEST(CryptofeedImporter, PortionsDoNotMatter) {
  const std::string text =
      "https://h/p -> 1.25: {\"a\":[1]} header: {}\nwss://h <-> 1.5\nwss://h <- 1.6: {}\n1.7: b'\\x00\\xff'\n1.8: "
      "{\"z\":0}\nbad\n";
  const Collected whole = collect(Format::cryptofeed, text);
  ASSERT_EQ(whole.frames.size(), 5U);
  for (std::size_t portion = 1; portion < text.size(); ++portion) {
    const Collected parts = collect(Format::cryptofeed, text, portion);
    EXPECT_EQ(parts.frames, whole.frames) << portion;
    EXPECT_EQ(parts.problems, whole.problems) << portion;
  }
}

}  // namespace
}  // namespace marketprism::tape
