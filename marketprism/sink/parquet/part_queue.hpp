#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/parquet/part_table.hpp"
#include "marketprism/sink/parquet/part_writer.hpp"

namespace marketprism::sink {

/// The Parquet file to be of one (exchange, type, date).
struct Part {
  std::string exchange;
  market::EventType type{};
  std::chrono::sys_days day{};
  Instant begin{};  ///< when its first event came
  PartTable table;
};

/// Writes parts, one after another in the order given, on a thread of its own, so that whoever gathers events does not
/// wait for compression and disk. That thread yields to all others: it has a part's age to be done, they have a
/// millisecond. The thread that adds also takes the outcomes.
class PartQueue {
 public:
  struct Outcome {
    market::EventType type{};
    std::uint64_t rows = 0;
    std::uint64_t events = 0;
    std::uint64_t inexact_values = 0;
    std::size_t memory_bytes = 0;  ///< it held while it waited
    Result<FinishedPart> finished;
    std::unique_ptr<Part> part;  ///< where it failed: to be added again; else its memory is free already
  };

  /// Files go to `folder`/type=…/exchange=…/date=….
  PartQueue(std::unique_ptr<PartWriter> writer, std::string folder);
  /// Finishes the part being written; what waits behind it is not written.
  ~PartQueue();
  PartQueue(const PartQueue&) = delete;
  PartQueue& operator=(const PartQueue&) = delete;

  /// `part` has rows.
  void add(std::unique_ptr<Part> part);

  /// The outcome of the oldest part that has one; none: no part is done.
  std::optional<Outcome> take();

  /// The same, after waiting for it; none: every part added was taken.
  std::optional<Outcome> wait();

  /// Parts added whose outcome was not taken, with their rows and the memory they hold or held.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }

 private:
  void run();
  [[nodiscard]] Outcome write(std::unique_ptr<Part> part);
  std::optional<Outcome> take(std::unique_lock<std::mutex>& lock);

  std::unique_ptr<PartWriter> writer_;
  const std::string folder_;
  std::size_t size_ = 0;  // of the adding thread
  std::uint64_t rows_ = 0;
  std::size_t memory_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_outcome_;
  std::deque<std::unique_ptr<Part>> waiting_;
  std::deque<Outcome> done_;
  bool is_ending_ = false;

  std::thread thread_;
};

}  // namespace marketprism::sink
