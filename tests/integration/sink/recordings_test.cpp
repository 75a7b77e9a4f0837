// Real recordings, where there are any: MARKETPRISM_RECORDINGS names the folder. Without it these tests are skipped,
// with CI set that is a failure.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/sink/tape/file_source.hpp"
#include "marketprism/sink/tape/frame_merge.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

std::optional<std::string> recordings() {
  const char* const folder = std::getenv("MARKETPRISM_RECORDINGS");
  if (folder != nullptr && std::filesystem::is_directory(folder)) return folder;
  if (std::getenv("CI") != nullptr) ADD_FAILURE() << "MARKETPRISM_RECORDINGS does not name a folder";
  return std::nullopt;
}

struct Counts {
  std::uint64_t messages = 0;  // received
  std::uint64_t sent = 0;
  std::uint64_t connects = 0;
  std::uint64_t answers = 0;
  std::uint64_t problems = 0;
  bool is_in_order = true;
};

Counts count(const std::string& path, const std::function<void(const tape::Frame&)>& on_frame = {}) {
  Counts counts;
  const Result<std::vector<std::string>> files = recording_files({path});
  if (!files) ADD_FAILURE() << files.error().message;
  FrameMerge merge(*files, {.on_problem = [&](const Error& error) {
    ++counts.problems;
    ADD_FAILURE() << error.message;
  }});
  if (const Result<> opened = merge.open(); !opened) ADD_FAILURE() << opened.error().message;
  tape::Frame frame;
  UnixTime last{};
  while (merge.next(frame)) {
    counts.is_in_order = counts.is_in_order && frame.receive_time >= last;
    last = frame.receive_time;
    if (on_frame) on_frame(frame);
    if (frame.kind == tape::FrameKind::connect) {
      ++counts.connects;
    } else if (frame.kind == tape::FrameKind::http_response) {
      ++counts.answers;
    } else {
      ++(frame.direction == tape::Direction::sent ? counts.sent : counts.messages);
    }
  }
  return counts;
}

TEST(Recordings, CryptofeedFoldersGiveEveryMessage) {
  const std::optional<std::string> folder = recordings();
  if (!folder) GTEST_SKIP() << "no recordings";
  // Messages over WebSocket, and answers over REST other than instrument lists, as the recordings' table has them.
  const std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> expected{{"BINANCE", {265, 4}},
                                                                                {"BINANCE_DELIVERY", {4371, 10}},
                                                                                {"BINANCE_FUTURES", {1535, 4}},
                                                                                {"BINANCE_US", {480, 4}},
                                                                                {"BITFINEX", {1693, 0}},
                                                                                {"BITGET", {1157, 0}},
                                                                                {"BITMEX", {2120, 0}},
                                                                                {"BITSTAMP", {747, 10}},
                                                                                {"DERIBIT", {136, 0}},
                                                                                {"GATEIO", {239, 10}},
                                                                                {"GATEIO_FUTURES", {450, 10}},
                                                                                {"GEMINI", {678, 0}},
                                                                                {"HUOBI", {362, 0}},
                                                                                {"HUOBI_SWAP", {2913, 0}},
                                                                                {"KRAKEN", {4430, 0}},
                                                                                {"KRAKEN_FUTURES", {7175, 0}},
                                                                                {"KUCOIN", {4721, 9}},
                                                                                {"OKX", {410, 0}},
                                                                                {"UPBIT", {449, 0}}};
  for (const auto& [exchange, wanted] : expected) {
    const std::string path = *folder + "/cryptofeed/" + exchange;
    std::uint64_t lists = count(path + "/" + exchange + ".0.gz").answers;
    const Counts counts = count(path, [&](const tape::Frame& frame) {
      if (frame.kind == tape::FrameKind::binary && exchange.starts_with("HUOBI")) {
        EXPECT_TRUE(tape::looks_like_gzip(frame.payload)) << exchange;
      } else if (frame.kind != tape::FrameKind::connect) {
        EXPECT_TRUE(frame.payload.starts_with('{') || frame.payload.starts_with('[')) << frame.payload.substr(0, 60);
      }
    });
    EXPECT_EQ(counts.messages, wanted.first) << exchange;
    EXPECT_EQ(counts.answers - lists, wanted.second) << exchange;
    EXPECT_GT(lists, 0U) << exchange;
    EXPECT_GT(counts.connects, 0U) << exchange;
    EXPECT_TRUE(counts.is_in_order) << exchange;
  }
}

TEST(Recordings, LineTapesGiveEveryLine) {
  const std::optional<std::string> folder = recordings();
  if (!folder) GTEST_SKIP() << "no recordings";
  const std::map<std::string, std::pair<std::uint64_t, std::string>> expected{
      {"binance_btcusdt_20240808", {41249, "BTCUSDT"}},
      {"binance_ethusdt_20240808", {33618, "ETHUSDT"}},
      {"binance-futures_btcusdt_20240808", {93954, "BTCUSDT"}},
      {"binance-futures_ethusdt_20240808", {74655, "ETHUSDT"}}};
  for (const auto& [name, wanted] : expected) {
    std::string hint;
    const Counts counts = count(*folder + "/tapes/" + name + ".gz", [&](const tape::Frame& frame) {
      if (frame.kind == tape::FrameKind::http_response) hint = frame.symbol_hint;
    });
    EXPECT_EQ(counts.messages + counts.answers, wanted.first) << name;
    EXPECT_EQ(counts.answers, 1U) << name;
    EXPECT_EQ(hint, wanted.second) << name;
  }
}

TEST(Recordings, OurTapeGivesBackEveryFrameOfThem) {
  const std::optional<std::string> folder = recordings();
  if (!folder) GTEST_SKIP() << "no recordings";
  using Copy =
      std::tuple<UnixTime, std::uint32_t, tape::Direction, tape::FrameKind, std::string, int, std::string, std::string>;
  const auto copy_of = [](const tape::Frame& frame) {
    return Copy(frame.receive_time, frame.connection, frame.direction, frame.kind, frame.url, frame.code,
                frame.symbol_hint, frame.payload);
  };
  const TemporaryFolder store;
  std::vector<Copy> given;
  {
    Result<std::unique_ptr<TapeWriter>> writer = TapeWriter::open(
        {.files = {.folder = store.path(), .file_bytes_max = 200'000}, .blocks_max = 2, .when_full = WhenFull::wait});
    ASSERT_TRUE(writer);
    TapePort& port = (*writer)->port("mixed");
    for (const std::string path : {"/cryptofeed/OKX", "/cryptofeed/HUOBI", "/tapes/binance_btcusdt_20240808.gz"}) {
      count(*folder + path, [&](const tape::Frame& frame) {
        given.push_back(copy_of(frame));
        port.append(frame);
      });
    }
    ASSERT_TRUE((*writer)->close());
    EXPECT_GT((*writer)->stats().files, 1U);
  }
  std::size_t at = 0;
  // Times jump back where one recording follows another: the order of the file counts, not the stamps.
  const std::string date_free = store.path() + "/tape/exchange=mixed";
  std::vector<Copy> found;
  std::map<std::string, std::vector<Copy>> by_day;
  for (const Copy& copy : given) by_day[date_text(std::get<0>(copy))].push_back(copy);
  for (const auto& [day, copies] : by_day) {
    found.clear();
    count(date_free + "/date=" + day, [&](const tape::Frame& frame) { found.push_back(copy_of(frame)); });
    EXPECT_TRUE(found == copies) << day;
    at += found.size();
  }
  EXPECT_EQ(at, given.size());
}

}  // namespace
}  // namespace marketprism::sink
