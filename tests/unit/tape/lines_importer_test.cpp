#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tape/collected.hpp"

namespace marketprism::tape {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LinesImporter, ReadsFramesAndBareRestAnswers) {
  const Collected got = collect(Format::lines,
                                "1723161255030314667 {\"stream\":\"btcusdt@trade\",\"data\":{}}\n"
                                "1723161255031 {\"lastUpdateId\":5,\"bids\":[]}\n",
                                1UL << 20, ImportOptions{.exchange = "binance", .symbol_hint = "BTCUSDT"});
  ASSERT_EQ(got.frames.size(), 2U);
  EXPECT_EQ(got.frames[0].time_ns, 1723161255030314667);
  EXPECT_EQ(got.frames[0].kind, FrameKind::text);
  EXPECT_EQ(got.frames[0].payload, "{\"stream\":\"btcusdt@trade\",\"data\":{}}");
  EXPECT_EQ(got.frames[1].time_ns, 1723161255031000000);
  EXPECT_EQ(got.frames[1].kind, FrameKind::http_response);
  EXPECT_EQ(got.frames[1].code, 200);
  EXPECT_EQ(got.frames[1].symbol_hint, "BTCUSDT");
}

TEST(LinesImporter, AnAnswerInARenamedFileBelongsToTheSymbolNamedMost) {
  const auto hint = [](std::string_view name, std::string_view before) {
    const Collected got = collect(Format::lines, std::string(before) + "1723161255031 {\"lastUpdateId\":5}\n",
                                  1UL << 20, ImportOptions{.symbol_hint = symbol_from_file_name(name)});
    return got.frames.empty() ? std::string("none") : got.frames.back().symbol_hint;
  };
  const std::string eth = "1723161255030 {\"stream\":\"ethusdt@depth@0ms\",\"data\":{}}\n";
  const std::string btc = "1723161255030 {\"stream\":\"btcusdt@trade\",\"data\":{}}\n";
  EXPECT_EQ(hint("mutated.gz", eth), "ETHUSDT");
  EXPECT_EQ(hint("binance_ethusdt_20240808.gz", eth + btc), "ETHUSDT");
  EXPECT_EQ(hint("binance_ethusdt_20240808.gz", btc + eth), "ETHUSDT");
  EXPECT_EQ(hint("mutated.gz", btc + eth + eth), "ETHUSDT");
  EXPECT_EQ(hint("binance_ethusdt_20240808.gz", ""), "ETHUSDT");
}

TEST(LinesImporter, GarbageIsAPayloadButALineWithoutAStampIsNot) {
  const Collected got =
      collect(Format::lines,
              "1723161255031 {\n1723161255031 not json\nno stamp\n1723161255031\n   \n1723161255031\t[]\n"
              "1723161255.031 {}\n");
  ASSERT_EQ(got.frames.size(), 4U);
  EXPECT_EQ(got.frames[1].payload, "not json");
  EXPECT_EQ(got.frames[2].payload, "[]");
  EXPECT_EQ(got.frames[3].time_ns, 1723161255031000000);
  EXPECT_EQ(got.stats.malformed_lines, 2U);
  EXPECT_EQ(got.stats.ignored_lines, 1U);
  EXPECT_THAT(got.problems, ElementsAre(HasSubstr("line 3: no time stamp: \"no stamp\""), HasSubstr("line 4: ")));
}

TEST(SymbolFromFileName, FollowsTheNamesRecordersGive) {
  EXPECT_EQ(symbol_from_file_name("/x/y/binance-futures_btcusdt_20240808.gz"), "BTCUSDT");
  EXPECT_EQ(symbol_from_file_name("btcusdt_20240808.gz"), "BTCUSDT");
  EXPECT_EQ(symbol_from_file_name("btcusdt_2024-08-08"), "BTCUSDT");
  EXPECT_EQ(symbol_from_file_name("btcusdt.txt"), "BTCUSDT");
  EXPECT_EQ(symbol_from_file_name("binance-delivery_btcusd_perp_20240808.gz"), "BTCUSD_PERP");
  EXPECT_EQ(symbol_from_file_name("btcusd_perp_20240808.gz"), "BTCUSD_PERP");
  EXPECT_EQ(symbol_from_file_name("btcusdt_240927_20240808.gz"), "BTCUSDT_240927");
  EXPECT_EQ(symbol_from_file_name("binance-futures_btcusdt_240927_20240808.gz"), "BTCUSDT_240927");
  EXPECT_EQ(symbol_from_file_name("/tmp/.gz"), "");
  EXPECT_EQ(symbol_from_file_name("_20240808"), "");
  EXPECT_EQ(symbol_from_file_name(""), "");
}

TEST(DetectFormat, ByContent) {
  EXPECT_EQ(detect_format("https://h/p -> 1.5: {}"), Format::cryptofeed);
  EXPECT_EQ(detect_format("wss://h/p <-> 1.5\n"), Format::cryptofeed);
  EXPECT_EQ(detect_format("configuration: {}"), Format::cryptofeed);
  EXPECT_EQ(detect_format("1633998512.5: {}"), Format::cryptofeed);
  EXPECT_EQ(detect_format("1723161255030314667 {}"), Format::lines);
  EXPECT_EQ(detect_format("\n\ngarbage\n1723161255030314667 {}"), Format::lines);
  EXPECT_EQ(detect_format(std::string_view("MPTAPE\1\0", 8)), Format::tape);
  EXPECT_EQ(detect_format(""), std::nullopt);
  EXPECT_EQ(detect_format("{\"json\": 1}\n"), std::nullopt);
  EXPECT_EQ(format_named("lines"), Format::lines);
  EXPECT_EQ(format_named("pcap"), std::nullopt);
}

}  // namespace
}  // namespace marketprism::tape
