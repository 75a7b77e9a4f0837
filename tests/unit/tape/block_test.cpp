#include "marketprism/tape/block.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tape/collected.hpp"

namespace marketprism::tape {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Frame> sample_frames() {
  const std::string_view url = "https://api.x.com/depth?symbol=AB";
  return {
      {.receive_time = unix_time_ns(1000),
       .exchange = "okx",
       .connection = 1,
       .kind = FrameKind::connect,
       .url = "wss://x"},
      {.receive_time = unix_time_ns(1001),
       .exchange = "okx",
       .connection = 1,
       .direction = Direction::sent,
       .payload = "{}"},
      {.receive_time = unix_time_ns(999), .exchange = "okx", .connection = 2, .payload = "backwards"},
      {.receive_time = unix_time_ns(5000),
       .exchange = "binance",
       .connection = 1,
       .kind = FrameKind::http_response,
       .url = url,
       .code = 429,
       .symbol_hint = "AB",
       .payload = std::string_view("\0\xff", 2)},
      {.receive_time = unix_time_ns(5000), .exchange = "okx", .connection = 1, .kind = FrameKind::binary},
      {.receive_time = unix_time_ns(5001),
       .exchange = "okx",
       .connection = 1,
       .kind = FrameKind::close,
       .code = 1006,
       .payload = "reason"},
  };
}

std::string tape_of(const std::vector<std::vector<Frame>>& blocks, std::vector<std::size_t>* ends = nullptr) {
  std::string file = encode_file_header(unix_time_ns(1000));
  BlockBuffer buffer;
  BlockEncoder encoder;
  for (const std::vector<Frame>& frames : blocks) {
    for (const Frame& frame : frames) buffer.append(frame);
    encoder.encode(buffer, file);
    buffer.clear();
    if (ends != nullptr) ends->push_back(file.size());
  }
  return file;
}

TEST(Block, GivesBackExactlyWhatWasPutIn) {
  const std::vector<Frame> frames = sample_frames();
  const std::string file = tape_of({frames, {frames[2]}, frames});
  std::vector<OwnedFrame> expected;
  for (const Frame& frame : frames) expected.emplace_back(frame);
  expected.emplace_back(frames[2]);
  for (const Frame& frame : frames) expected.emplace_back(frame);
  for (const std::size_t portion : {1UL, 5UL, 100UL, file.size()}) {
    const Collected got = collect(Format::tape, file, portion);
    EXPECT_EQ(got.frames, expected) << portion;
    EXPECT_TRUE(got.problems.empty());
    EXPECT_EQ(got.stats.frames, expected.size());
  }
}

TEST(Block, TheBufferKnowsItsTimesAndCount) {
  BlockBuffer buffer;
  for (const Frame& frame : sample_frames()) buffer.append(frame);
  EXPECT_EQ(buffer.frames(), 6U);
  EXPECT_EQ(buffer.first_time(), unix_time_ns(1000));
  EXPECT_EQ(buffer.last_time(), unix_time_ns(5001));
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_TRUE(buffer.bytes().empty());
}

TEST(Block, AFileCutAnywhereGivesTheWholeBlocksBefore) {
  const std::vector<Frame> frames = sample_frames();
  std::vector<std::size_t> ends;
  const std::string file = tape_of({frames, frames, frames}, &ends);
  for (std::size_t kept = 0; kept <= file.size(); ++kept) {
    std::size_t whole = 0;
    for (const std::size_t end : ends) whole += kept >= end ? 1 : 0;
    const Collected got = collect(Format::tape, file.substr(0, kept), 64);
    EXPECT_EQ(got.frames.size(), whole * frames.size()) << kept;
    const bool is_clean = kept == 0 || kept == file_header_bytes || (whole > 0 && kept == ends[whole - 1]);
    EXPECT_EQ(got.problems.size(), is_clean ? 0U : 1U) << kept;
    if (is_clean) continue;
    EXPECT_THAT(got.problems[0], HasSubstr("the tape ends in the middle of a block"));
    EXPECT_EQ(got.stats.lost_bytes, kept - (whole > 0                  ? ends[whole - 1]
                                            : kept < file_header_bytes ? 0
                                                                       : file_header_bytes));
  }
}

TEST(Block, ADamagedByteLosesItsBlockOnly) {
  const std::vector<Frame> frames = sample_frames();
  std::vector<std::size_t> ends;
  const std::string file = tape_of({frames, frames, frames}, &ends);
  for (std::size_t at = ends[0]; at < ends[1]; ++at) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const Collected got = collect(Format::tape, damaged, 50);
    if (got.frames.size() == 3 * frames.size()) {  // a bit that zstd does not use
      EXPECT_EQ(got.frames, collect(Format::tape, file).frames) << at;
      continue;
    }
    EXPECT_EQ(got.frames.size(), 2 * frames.size()) << at;
    EXPECT_EQ(got.stats.damaged_blocks, 1U) << at;
    EXPECT_EQ(got.stats.lost_bytes, ends[1] - ends[0]) << at;
    EXPECT_EQ(got.problems.size(), 1U) << at;
  }
}

TEST(Block, AHeaderThatClaimsTooMuchIsDamageNotAnAllocation) {
  std::string file = encode_file_header(unix_time_ns(0));
  char header[block_header_bytes];
  encode_block_header({.compressed_bytes = 0xFFFFFFFF, .plain_bytes = 0xFFFFFFFF, .frames = 1}, header);
  file.append(header, sizeof header);
  file += std::string(100, 'x');
  const Collected got = collect(Format::tape, file);
  EXPECT_TRUE(got.frames.empty());
  EXPECT_EQ(got.problems.size(), 1U);
}

TEST(Block, ARightChecksumOverNonsenseIsAnError) {
  const std::string good = tape_of({sample_frames()});
  std::optional<BlockHeader> header = decode_block_header(std::string_view(good).substr(file_header_bytes));
  ASSERT_TRUE(header);
  header->frames = 1000;
  std::string file = good;
  encode_block_header(*header, file.data() + file_header_bytes);
  const Collected got = collect(Format::tape, file);
  EXPECT_EQ(got.frames.size(), 6U);
  EXPECT_THAT(got.problems, ElementsAre(HasSubstr("its content is not what its version says")));
}

}  // namespace
}  // namespace marketprism::tape
