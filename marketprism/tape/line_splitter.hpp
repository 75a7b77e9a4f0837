#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace marketprism::tape {

/// Cuts a stream of bytes into lines. A line that lies whole in the bytes handed over is returned without a copy; only
/// one that spans two portions is gathered in a buffer of its own, which keeps its capacity. A line above the limit is
/// skipped and reported, not gathered. One thread.
class LineSplitter {
 public:
  enum class Step : std::uint8_t {
    line,      ///< `line` is set
    too_long,  ///< a line above the limit has been skipped
    starved,   ///< wants more bytes, or after finish(): the end
  };

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// `bytes` must stay valid until next() returns `starved`; only then may the next portion come.
  void feed(std::string_view bytes) { rest_ = bytes; }

  /// No bytes follow: what stands after the last newline is a line, too.
  void finish() { finished_ = true; }

  /// The next line without its "\n" or "\r\n", valid until the next call of next() or feed().
  Step next(std::string_view& line);

  /// 1-based number of the line last returned or skipped.
  [[nodiscard]] std::uint64_t line_number() const { return line_number_; }

 private:
  Step deliver(std::string_view text, std::string_view& line);

  std::size_t line_bytes_max_;
  std::string_view rest_;
  std::string gathered_;
  std::uint64_t line_number_ = 0;
  bool is_gathered_spent_ = false;  // gathered_ was returned; its bytes are the caller's until the next call
  bool is_skipping_ = false;
  bool finished_ = false;
};

}  // namespace marketprism::tape
