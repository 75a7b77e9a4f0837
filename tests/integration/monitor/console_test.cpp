#include "marketprism/monitor/console.hpp"

#include <array>
#include <chrono>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/log.hpp"
#include "marketprism/monitor/log_output.hpp"

namespace marketprism::monitor {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ConsoleTest : public testing::Test {
 protected:
  ConsoleTest() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~ConsoleTest() override {
    close_writing();
    ::close(ends_[0]);
  }

  void close_writing() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  // All that is written until the writing end is closed.
  std::string read_all() {
    close_writing();
    std::string all;
    std::array<char, 4096> piece;
    for (ssize_t count = 0; (count = ::read(ends_[0], piece.data(), piece.size())) > 0;)
      all.append(piece.data(), static_cast<std::size_t>(count));
    return all;
  }
  // Until no byte fits any more, as after a reader that has stopped.
  std::size_t fill() {
    const int flags = ::fcntl(ends_[1], F_GETFL);
    ::fcntl(ends_[1], F_SETFL, flags | O_NONBLOCK);
    std::size_t filled = 0;
    const std::string block(4096, '.');
    for (ssize_t count = 0; (count = ::write(ends_[1], block.data(), block.size())) > 0;)
      filled += static_cast<std::size_t>(count);
    ::fcntl(ends_[1], F_SETFL, flags);
    return filled;
  }
  int writing() const { return ends_[1]; }
  int reading() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

TEST_F(ConsoleTest, writes_lines_in_order_and_every_tenth_status) {
  {
    Console console({.descriptor = writing()});
    console.line("first");
    for (int i = 1; i <= 25; ++i) console.status("status " + std::to_string(i));
    console.line(std::string(10'000, 'x'));  // longer than what a pipe takes at once
    console.line("last");
  }
  EXPECT_EQ(read_all(), "first\nstatus 10\nstatus 20\n" + std::string(10'000, 'x') + "\nlast\n");
}

TEST_F(ConsoleTest, never_waits_for_a_reader_and_tells_what_it_left_out) {
  std::size_t filled = fill();
  Console console({.descriptor = writing(), .lines_max = 5});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) console.line("line " + std::to_string(i));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  // Five wait, one more may be with the thread already.
  EXPECT_GE(console.left_out(), 94U);
  EXPECT_LE(console.left_out(), 95U);
  const std::uint64_t left_out = console.left_out();
  std::string all;
  std::array<char, 4096> piece;
  const auto read_some = [&] {
    const ssize_t count = ::read(reading(), piece.data(), piece.size());
    if (count > 0) all.append(piece.data(), static_cast<std::size_t>(count));
  };
  while (all.find("line 4\n") == all.npos) read_some();  // somebody reads again
  console.line("again");
  console.finish();
  EXPECT_THAT(all.substr(filled), StartsWith("line 0\nline 1\nline 2\nline 3\nline 4\n"));
  all += read_all();
  EXPECT_THAT(all, HasSubstr(std::to_string(left_out) + " lines were left out: nobody read them\nagain\n"));
}

TEST_F(ConsoleTest, ends_in_time_though_nobody_reads) {
  fill();
  const auto start = std::chrono::steady_clock::now();
  {
    Console console({.descriptor = writing(), .patience = std::chrono::milliseconds(50)});
    console.line("lost");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(ConsoleTest, takes_log_lines) {
  {
    Console console({.descriptor = writing()});
    use_spdlog(LogFormat::json, console);
    log_always(LogLevel::error, "test", "it \"broke\"");
    use_spdlog(LogFormat::text, console);
    log_always(LogLevel::warning, "test", "look");
    stop_spdlog();
  }
  const std::string all = read_all();
  EXPECT_THAT(all, HasSubstr(R"("level":"error","area":"test","text":"it \"broke\""})"));
  EXPECT_THAT(all, HasSubstr("Z warning test: look\n"));
  EXPECT_THAT(all, testing::EndsWith("look\n"));
}

}  // namespace
}  // namespace marketprism::monitor
