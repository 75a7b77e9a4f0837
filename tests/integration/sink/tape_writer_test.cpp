#include "marketprism/sink/tape/tape_writer.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/sink/tape/file_source.hpp"
#include "marketprism/sink/tape/frame_merge.hpp"
#include "tests/integration/sink/small_disk.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t first_ns = 1795478300'000000000;

/// The payloads in the folder, by venue and connection in the order read, as one text each.
std::map<std::string, std::vector<std::string>> read_back(const std::string& folder,
                                                          std::vector<std::string>* problems) {
  std::map<std::string, std::vector<std::string>> found;
  const Result<std::vector<std::string>> files = recording_files({folder});
  if (!files) return found;
  FrameMerge merge(*files, {.on_problem = [&](const Error& error) { problems->push_back(error.message); }});
  if (const Result<> opened = merge.open(); !opened) problems->push_back(opened.error().message);
  tape::Frame frame;
  while (merge.next(frame)) {
    found[std::string(frame.exchange) + "/" + std::to_string(frame.connection)].emplace_back(frame.payload);
  }
  return found;
}

TEST(TapeWriter, WritesWhatSeveralThreadsHandOver) {
  const TemporaryFolder folder;
  constexpr int count = 20000;
  Result<std::unique_ptr<TapeWriter>> writer = TapeWriter::open({
      .files = {.folder = folder.path(), .file_bytes_max = 100'000},
      .block_bytes_max = 16 << 10,
      .when_full = WhenFull::wait,
      .sync_every = std::chrono::milliseconds(1),
  });
  ASSERT_TRUE(writer) << writer.error().message;
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      TapePort& port = (*writer)->port(t < 2 ? "okx" : "binance");
      const std::string exchange = t < 2 ? "okx" : "binance";
      for (int i = 0; i < count; ++i) {
        const std::string payload = "{\"n\":" + std::to_string(i) + ",\"pad\":\"" + std::to_string(i * 7919) + "\"}";
        port.append(
            {.receive_time = unix_time_ns(first_ns + i), .exchange = exchange, .connection = t, .payload = payload});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Result<> closed = (*writer)->close();
  EXPECT_TRUE(closed) << closed.error().message;
  const TapeStats stats = (*writer)->stats();
  EXPECT_EQ(stats.frames, 4U * count);
  EXPECT_EQ(stats.dropped_frames, 0U);
  EXPECT_GT(stats.files, 2U);
  std::vector<std::string> problems;
  const auto found = read_back(folder.path(), &problems);
  EXPECT_TRUE(problems.empty()) << problems[0];
  ASSERT_EQ(found.size(), 4U);
  for (const auto& [stream, payloads] : found) {
    ASSERT_EQ(payloads.size(), static_cast<std::size_t>(count)) << stream;
    for (int i = 0; i < count; ++i) ASSERT_THAT(payloads[i], HasSubstr("{\"n\":" + std::to_string(i) + ",")) << stream;
  }
}

TEST(TapeWriter, ABlockReachesTheFileWithoutAnotherFrame) {
  const TemporaryFolder folder;
  Result<std::unique_ptr<TapeWriter>> writer = TapeWriter::open({.files = {.folder = folder.path()}});
  ASSERT_TRUE(writer);
  (*writer)->port("okx").append({.receive_time = unix_time_ns(first_ns), .exchange = "okx", .payload = "only"});
  while ((*writer)->stats().frames == 0) std::this_thread::yield();
  std::vector<std::string> problems;
  EXPECT_EQ(read_back(folder.path(), &problems).size(), 1U);
}

TEST(TapeWriter, AFolderThatCannotBeWrittenIsAnErrorAtOnce) {
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "");
  const Result<std::unique_ptr<TapeWriter>> writer = TapeWriter::open({.files = {.folder = file}});
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message, HasSubstr(file + "/tape"));
}

/// Collects what a writer tells about its state.
class States {
 public:
  void add(const Result<>& state) {
    const std::lock_guard lock(mutex_);
    states_.push_back(state ? "works" : state.error().message);
    changed_.notify_all();
  }
  std::string wait_for(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return states_.size() > index; });
    return states_[index];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> states_;
};

TEST(TapeWriter, AFullDiskIsToldAndOvercome) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  const TemporaryFolder& folder = disk.folder();
  const std::string ballast = folder.write("ballast", std::string(128 << 10, 'x'));
  States states;
  Result<std::unique_ptr<TapeWriter>> writer = TapeWriter::open({
      .files = {.folder = folder.path()},
      .block_bytes_max = 8 << 10,
      .blocks_max = 4,
      .retry_after = std::chrono::milliseconds(1),
      .on_state = [&](const Result<>& state) { states.add(state); },
  });
  ASSERT_TRUE(writer) << writer.error().message;
  TapePort& port = (*writer)->port("okx");
  std::uint64_t given = 0;
  std::uint64_t number = 1;
  const auto give = [&] {
    std::string payload(200, ' ');
    for (char& c : payload) {
      number = number * 6364136223846793005U + 1442695040888963407U;
      c = static_cast<char>('!' + (number >> 32) % 90);
    }
    port.append({.receive_time = unix_time_ns(first_ns + static_cast<std::int64_t>(given++)),
                 .exchange = "okx",
                 .payload = payload});
  };
  while (!(*writer)->stats().is_failing) give();
  const std::uint64_t dropped_before = (*writer)->stats().dropped_frames;
  while ((*writer)->stats().dropped_frames == dropped_before) give();
  EXPECT_THAT(states.wait_for(0), HasSubstr("No space left on device"));
  EXPECT_TRUE((*writer)->stats().is_failing);
  std::vector<std::string> problems;
  const auto before = read_back(folder.path() + "/tape", &problems);
  EXPECT_TRUE(problems.empty());
  std::filesystem::remove(ballast);
  EXPECT_EQ(states.wait_for(1), "works");
  const Result<> closed = (*writer)->close();
  EXPECT_TRUE(closed) << closed.error().message;
  const TapeStats stats = (*writer)->stats();
  const auto after = read_back(folder.path() + "/tape", &problems);
  EXPECT_TRUE(problems.empty());
  ASSERT_EQ(after.size(), 1U);
  std::uint64_t holes = 0;
  std::uint64_t missing = 0;
  for (const auto& payload : after.begin()->second) {
    if (payload.size() == 200) continue;
    ++holes;  // marks where frames are missing, and how many
    missing += std::stoull(payload);
  }
  EXPECT_GT(holes, 0U);
  EXPECT_EQ(missing, stats.dropped_frames);
  EXPECT_EQ(stats.frames - holes + stats.dropped_frames, given);
  EXPECT_EQ(after.begin()->second.size(), stats.frames);
  ASSERT_FALSE(before.empty());
  EXPECT_LT(before.begin()->second.size(), after.begin()->second.size());
}

}  // namespace
}  // namespace marketprism::sink
