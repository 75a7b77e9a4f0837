#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "marketprism/base/time.hpp"

namespace marketprism::monitor {

struct ConsoleOptions {
  int descriptor = 2;
  std::size_t lines_max = 1000;                    ///< that wait; what comes then is left out and counted
  Nanoseconds patience = std::chrono::seconds(1);  ///< at the end, for a reader
};

/// Lines for people or for a log, and on a terminal one line below them that changes, written by a thread of its own: a
/// reader that stopped reading costs lines, never the time of an event loop. Any thread.
class Console {
 public:
  explicit Console(ConsoleOptions options = {});
  /// As `finish`.
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// A line that stays, without its end. Those that were left out before it are told by a line of their own.
  void line(std::string_view text);
  /// On a terminal takes the place of the last one; elsewhere every tenth is written as a line.
  void status(std::string_view text);
  /// Writes what waits, for `patience` at most, and ends the line. Nothing may come after it.
  void finish();

  [[nodiscard]] std::uint64_t left_out() const;

 private:
  void run();
  bool write(std::string_view bytes);

  const ConsoleOptions options_;
  const bool is_terminal_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> lines_;
  std::string status_;
  std::uint64_t left_out_ = 0;
  std::uint64_t left_out_told_ = 0;
  unsigned statuses_ = 0;
  Instant give_up_at_ = Instant::max();
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace marketprism::monitor
