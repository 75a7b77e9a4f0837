#include "marketprism/monitor/console.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace marketprism::monitor {
namespace {

constexpr std::string_view clear_line = "\r\x1b[K";
constexpr std::size_t piece_bytes = 4096;  // so much a pipe that is ready takes without waiting (PIPE_BUF)
constexpr int poll_ms = 50;

Instant now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now()); }

}  // namespace

Console::Console(ConsoleOptions options)
    : options_(options), is_terminal_(::isatty(options.descriptor) == 1), thread_([this] { run(); }) {}

Console::~Console() { finish(); }

void Console::line(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_) return;
    if (lines_.size() >= options_.lines_max) {
      ++left_out_;
      return;
    }
    if (left_out_ > left_out_told_) {
      lines_.push_back(fmt::format("{} lines were left out: nobody read them", left_out_ - left_out_told_));
      left_out_told_ = left_out_;
    }
    lines_.emplace_back(text);
  }
  wake_.notify_one();
}

void Console::status(std::string_view text) {
  if (!is_terminal_) {
    bool is_tenth = false;
    {
      const std::lock_guard lock(mutex_);
      is_tenth = ++statuses_ % 10 == 0;
    }
    if (is_tenth) line(text);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    status_ = text;
  }
  wake_.notify_one();
}

void Console::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_) return;
    is_ending_ = true;
    give_up_at_ = now() + options_.patience;
  }
  wake_.notify_one();
  thread_.join();
}

std::uint64_t Console::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

void Console::run() {
  pthread_setname_np(pthread_self(), "console");
  bool is_open = false;  // a status stands in the last line
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_ending_ || !lines_.empty() || !status_.empty(); });
    std::string bytes;
    if (!lines_.empty()) {
      if (std::exchange(is_open, false)) bytes = clear_line;
      bytes += lines_.front();
      bytes += '\n';
      lines_.pop_front();
    } else if (!status_.empty()) {
      bytes = clear_line;
      bytes += std::exchange(status_, {});
      is_open = true;
    } else {
      break;
    }
    lock.unlock();
    const bool is_written = write(bytes);
    lock.lock();
    if (!is_written) return;
  }
  lock.unlock();
  if (is_open) write("\n");
}

// False: it cannot be written, or the time at the end is over.
bool Console::write(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd file{.fd = options_.descriptor, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&file, 1, poll_ms);
    if (ready > 0) {
      const ssize_t count = ::write(options_.descriptor, bytes.data(), std::min(bytes.size(), piece_bytes));
      if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
      if (count < 0 && errno != EINTR && errno != EAGAIN)
        return true;  // a full disk: this line is lost, the next may not be
    }
    const std::lock_guard lock(mutex_);
    if (is_ending_ && now() > give_up_at_) return false;
  }
  return true;
}

}  // namespace marketprism::monitor
