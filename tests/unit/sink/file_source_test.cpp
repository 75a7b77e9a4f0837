#include "marketprism/sink/tape/file_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "marketprism/sink/tape/frame_merge.hpp"
#include "marketprism/tape/block.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void write_gzip(const std::string& path, std::string_view content) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())), static_cast<int>(content.size()));
  gzclose(file);
}

struct Read {
  std::vector<std::string> payloads;
  std::vector<std::string> problems;
  std::string error;
};

Read read_all(const std::vector<std::string>& paths, FileSourceOptions options = {}) {
  Read read;
  options.on_problem = [&read](const Error& error) { read.problems.push_back(error.message); };
  const Result<std::vector<std::string>> files = recording_files(paths);
  if (!files) {
    read.error = files.error().message;
    return read;
  }
  FrameMerge merge(*files, options);
  if (const Result<> opened = merge.open(); !opened) {
    read.error = opened.error().message;
    return read;
  }
  tape::Frame frame;
  while (merge.next(frame)) read.payloads.emplace_back(frame.payload);
  return read;
}

std::string tape_file(std::int64_t first_ns, std::string_view exchange, const std::vector<std::string>& payloads) {
  std::string bytes = tape::encode_file_header(unix_time_ns(first_ns));
  tape::BlockBuffer buffer;
  for (const std::string& payload : payloads) {
    buffer.append({.receive_time = unix_time_ns(first_ns++), .exchange = exchange, .payload = payload});
  }
  tape::BlockEncoder().encode(buffer, bytes);
  return bytes;
}

TEST(FileSource, ReadsPlainAndGzipAlikeWithSmallReads) {
  const TemporaryFolder folder;
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    expected.push_back("{\"n\":" + std::to_string(i * i) + "}");
    text += "1723161255030 " + expected.back() + "\n";
  }
  const std::string plain = folder.write("binance_btcusdt_20240808", text);
  write_gzip(plain + ".gz", text);
  for (const std::string& path : {plain, plain + ".gz"}) {
    Result<FileSource> source = FileSource::open(path, {.exchange = "binance", .connection = 3, .read_bytes = 1});
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ(source->format(), tape::Format::lines);
    tape::Frame frame;
    std::size_t count = 0;
    while (source->next(frame)) {
      ASSERT_EQ(frame.payload, expected[count++]);
      EXPECT_EQ(frame.exchange, "binance");
      EXPECT_EQ(frame.connection, 3U);
      EXPECT_EQ(frame.symbol_hint, "BTCUSDT");
    }
    EXPECT_EQ(count, expected.size());
    EXPECT_EQ(source->stats().frames, expected.size());
  }
}

TEST(FileSource, ACutGzipGivesWhatIsReadableAndNamesItself) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "1723161255030 {\"n\":" + std::to_string(i * 7919 % 10007) + "}\n";
  const std::string path = folder.path() + "/cut.gz";
  write_gzip(path, text);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const Read read = read_all({path});
  EXPECT_EQ(read.error, "");
  EXPECT_GT(read.payloads.size(), 1000U);
  EXPECT_LT(read.payloads.size(), 5000U);
  ASSERT_EQ(read.problems.size(), 1U);
  EXPECT_THAT(read.problems[0], HasSubstr(path + ": the file ends in the middle"));
}

TEST(FileSource, NamesWhatCannotBeRead) {
  const TemporaryFolder folder;
  EXPECT_THAT(read_all({folder.path() + "/nothing"}).error, HasSubstr("nothing: no such file or folder"));
  EXPECT_THAT(read_all({folder.path()}).error, HasSubstr("the folder holds no recording"));
  const std::string unknown = folder.write("x.txt", "what is this\n");
  EXPECT_THAT(read_all({unknown}).error, HasSubstr("x.txt: is no recording this program knows"));
  const Read forced = read_all({unknown}, {.format = tape::Format::lines});
  EXPECT_EQ(forced.error, "");
  EXPECT_EQ(forced.problems.size(), 1U);
  const Read empty = read_all({folder.write("empty", "")});
  EXPECT_EQ(empty.error, "");
  EXPECT_TRUE(empty.payloads.empty());
  EXPECT_THAT(FileSource::open(folder.path(), {}).error().message, HasSubstr("is a folder"));
}

TEST(FrameMerge, MergesByTimeTiesInOrderOfFiles) {
  const TemporaryFolder folder;
  folder.write("X.ws.1.0", "3.0: w3\n5.0: w5\n");
  folder.write("X.0", "https://h/i -> 1.0: {\"i\":1}\nconfiguration: {}\n");
  folder.write("X.http.0.0", "https://h/d -> 3.0: {\"h\":3}\nhttps://h/d -> 4.0: {\"h\":4}\n");
  folder.write(".hidden", "1.0: hidden\n");
  folder.write("part.tmp", "1.0: temporary\n");
  EXPECT_THAT(read_all({folder.path()}).payloads, ElementsAre("{\"i\":1}", "{\"h\":3}", "w3", "{\"h\":4}", "w5"));
  EXPECT_THAT(read_all({folder.path() + "/X.ws.1.0", folder.path() + "/X.http.0.0"}).payloads,
              ElementsAre("w3", "{\"h\":3}", "{\"h\":4}", "w5"));
}

TEST(FrameMerge, KeepsTheOrderWithinAFileWhereStampsGoBackwards) {
  const TemporaryFolder folder;
  folder.write("a", "2.0: a2\n1.0: a1\n6.0: a6\n");
  folder.write("b", "1.5: b1\n5.0: b5\n");
  EXPECT_THAT(read_all({folder.path()}).payloads, ElementsAre("b1", "a2", "a1", "b5", "a6"));
}

TEST(FrameMerge, PartsOfATapeFollowEachOther) {
  const TemporaryFolder folder;
  folder.write("tape/exchange=okx/date=2026-01-02/part-2000-1.mptape", tape_file(2000, "okx", {"o3", "o4"}));
  folder.write("tape/exchange=okx/date=2026-01-01/part-1000-0.mptape", tape_file(1000, "okx", {"o1", "o2"}));
  folder.write("tape/exchange=okx/date=2026-01-01/part-90-0.mptape", tape_file(90, "okx", {"o0"}));
  folder.write("tape/exchange=binance/date=2026-01-01/part-1001-0.mptape", tape_file(1001, "binance", {"b1", "b2"}));
  EXPECT_THAT(read_all({folder.path()}).payloads, ElementsAre("o0", "o1", "b1", "o2", "b2", "o3", "o4"));
  folder.write("tape/exchange=okx/date=2026-01-01/part-1000-0.mptape", "MPTAPE damaged");
  const Read damaged = read_all({folder.path()});
  EXPECT_THAT(damaged.payloads, ElementsAre("o0", "b1", "b2", "o3", "o4"));
  EXPECT_EQ(damaged.problems.size(), 1U);
}

TEST(NaturalLess, NumbersCountAsNumbers) {
  EXPECT_TRUE(natural_less("x.2", "x.10"));
  EXPECT_FALSE(natural_less("x.10", "x.2"));
  EXPECT_TRUE(natural_less("OKX.0", "OKX.http.0.0"));
  EXPECT_TRUE(natural_less("OKX.http.10.0", "OKX.ws.1.0"));
  EXPECT_TRUE(natural_less("a", "ab"));
  EXPECT_FALSE(natural_less("a", "a"));
  EXPECT_NE(natural_less("a01", "a1"), natural_less("a1", "a01"));
}

}  // namespace
}  // namespace marketprism::sink
