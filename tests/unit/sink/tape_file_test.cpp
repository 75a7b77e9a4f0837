#include "marketprism/sink/tape/tape_file.hpp"

#include <csignal>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/sink/tape/file_source.hpp"
#include "marketprism/tape/block.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 2026-11-23T23:59:59Z
constexpr UnixTime late = unix_time_ns(1795478399'000000000);
constexpr Instant start{std::chrono::hours(5)};

std::string block(std::string_view payload) {
  tape::BlockBuffer buffer;
  buffer.append({.receive_time = late, .exchange = "x", .payload = payload});
  std::string bytes;
  tape::BlockEncoder().encode(buffer, bytes);
  return bytes;
}

std::vector<std::string> files_in(const TemporaryFolder& folder) {
  const Result<std::vector<std::string>> files = recording_files({folder.path()});
  std::vector<std::string> names;
  if (!files) return names;
  for (const std::string& file : *files) names.push_back(file.substr(folder.path().size() + 1));
  return names;
}

std::vector<std::string> payloads(const std::string& path) {
  std::vector<std::string> found;
  Result<FileSource> source = FileSource::open(path, {});
  if (!source) return {source.error().message};
  tape::Frame frame;
  while (source->next(frame)) found.emplace_back(frame.payload);
  return found;
}

TEST(TapeFolder, NamesFilesByVenueDateAndFirstTime) {
  const TemporaryFolder folder;
  TapeFolder tape({.folder = folder.path()}, "okx");
  EXPECT_TRUE(tape.write(block("1"), late, start));
  EXPECT_TRUE(tape.write(block("2"), late, start));
  EXPECT_TRUE(tape.write(block("3"), late + std::chrono::seconds(1), start));
  EXPECT_THAT(files_in(folder), ElementsAre("tape/exchange=okx/date=2026-11-23/part-1795478399000000000-0.mptape",
                                            "tape/exchange=okx/date=2026-11-24/part-1795478400000000000-0.mptape"));
  EXPECT_THAT(payloads(folder.path() + "/" + files_in(folder)[0]), ElementsAre("1", "2"));
}

TEST(TapeFolder, StartsAnotherFileAtTheLimits) {
  const TemporaryFolder folder;
  const std::string bytes = block("12345");
  TapeFolder tape({.folder = folder.path(),
                   .file_bytes_max = tape::file_header_bytes + 2 * bytes.size(),
                   .file_age_max = std::chrono::seconds(10)},
                  "okx");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(tape.write(bytes, late + std::chrono::nanoseconds(i), start));
  EXPECT_EQ(tape.files_created(), 3U);
  EXPECT_TRUE(tape.write(bytes, late + std::chrono::nanoseconds(9), start + std::chrono::seconds(9)));
  EXPECT_EQ(tape.files_created(), 3U);
  EXPECT_TRUE(tape.write(bytes, late + std::chrono::nanoseconds(10), start + std::chrono::seconds(11)));
  EXPECT_EQ(tape.files_created(), 4U);
}

TEST(TapeFolder, ARestartDoesNotTouchWhatIsThere) {
  const TemporaryFolder folder;
  for (const std::string_view payload : {"first", "second"}) {
    TapeFolder tape({.folder = folder.path()}, "okx");
    EXPECT_TRUE(tape.write(block(payload), late, start));
  }
  const std::vector<std::string> files = files_in(folder);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_THAT(payloads(folder.path() + "/" + files[0]), ElementsAre("first"));
  EXPECT_THAT(payloads(folder.path() + "/" + files[1]), ElementsAre("second"));
}

TEST(TapeFolder, AFolderThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  folder.write("tape", "a file in the way");
  TapeFolder tape({.folder = folder.path()}, "okx");
  const Result<> written = tape.write(block("1"), late, start);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr(folder.path() + "/tape/exchange=okx"));
}

/// Lets files of this process grow to `bytes` at most while it lives, so that a write stops in the middle of a block.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(TapeFolder, AWriteThatFailsInTheMiddleLeavesWholeBlocksAndCanBeRepeated) {
  const TemporaryFolder folder;
  TapeFolder tape({.folder = folder.path()}, "okx");
  const std::string big = block(std::string(300, 'b') + "unlike the rest \x01\x02\x03");
  EXPECT_TRUE(tape.write(block("1"), late, start));
  const std::string path = tape.file()->path();
  const std::uint64_t whole = tape.file()->bytes();
  {
    const FileSizeLimit limit(whole + big.size() / 2);
    const Result<> written = tape.write(big, late, start);
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().message, HasSubstr(path + ": cannot write to the tape"));
  }
  EXPECT_EQ(std::filesystem::file_size(path), whole);
  EXPECT_THAT(payloads(path), ElementsAre("1"));
  EXPECT_TRUE(tape.write(big, late, start));
  EXPECT_TRUE(tape.write(block("3"), late, start));
  EXPECT_EQ(payloads(path).size(), 3U);
  EXPECT_EQ(files_in(folder).size(), 1U);
}

}  // namespace
}  // namespace marketprism::sink
