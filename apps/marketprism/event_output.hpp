#pragma once
#include <cerrno>
#include <string>
#include <unistd.h>

#include <zlib.h>

#include "marketprism/base/error.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/market/event_json.hpp"

namespace marketprism::app {

/// Writes events as JSON Lines to a file descriptor. `finish` says whether all of it could be written.
class JsonLinesOutput final : public market::EventSink {
 public:
  explicit JsonLinesOutput(int descriptor) : descriptor_(descriptor) { buffer_.reserve(flush_bytes + 65536); }

  void on_event(const market::Event& event) override {
    if (failed_errno_ != 0) return;
    market::append_json(event, buffer_);
    if (buffer_.size() >= flush_bytes) flush();
  }
  bool failed() const { return failed_errno_ != 0; }

  Result<> finish() {
    flush();
    if (failed_errno_ != 0) return std::unexpected(system_error(failed_errno_, "cannot write the events"));
    return {};
  }

 private:
  static constexpr std::size_t flush_bytes = 1U << 20;

  void flush() {
    std::size_t done = 0;
    while (done < buffer_.size() && failed_errno_ == 0) {
      const ssize_t written = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
      if (written >= 0) {
        done += static_cast<std::size_t>(written);
      } else if (errno != EINTR) {
        failed_errno_ = errno;
      }
    }
    buffer_.clear();
  }

  int descriptor_;
  int failed_errno_ = 0;
  std::string buffer_;
};

/// CRC-32 (as zlib and Python's binascii compute it) over the JSON Lines of all events: what `crc32` of the output of
/// `--to jsonl` gives, without writing it.
class CrcOutput final : public market::EventSink {
 public:
  void on_event(const market::Event& event) override {
    buffer_.clear();
    market::append_json(event, buffer_);
    crc_ = ::crc32(crc_, reinterpret_cast<const Bytef*>(buffer_.data()), static_cast<uInt>(buffer_.size()));
  }
  unsigned long value() const { return crc_; }

 private:
  std::string buffer_;
  unsigned long crc_ = ::crc32(0, nullptr, 0);
};

}  // namespace marketprism::app
