#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/event_batch.hpp"

namespace marketprism::sink {

/// One number for each type of event.
using CountByType = std::array<std::uint64_t, market::event_type_count>;

struct SinkStats {
  std::uint64_t events = 0;  ///< taken in
  std::uint64_t rows = 0;    ///< in finished files (a book event has one for each level)
  std::uint64_t bytes = 0;   ///< of finished files
  std::uint64_t files = 0;
  std::uint64_t buffered_rows = 0;   ///< taken in, in no file yet
  std::uint64_t buffered_bytes = 0;  ///< their memory
  std::uint64_t parts_waiting = 0;   ///< files that take no more events and are being written, or next in line
  std::uint64_t inexact_values = 0;  ///< numbers whose digits do not survive the column's type
  std::uint64_t write_failures = 0;
  CountByType dropped{};  ///< "sink_storage": events for which there was no room because writing fails
  bool is_failing = false;
  std::string last_error;  ///< empty while all is well
};

/// Where events go in the end. Used by one thread, which may block; only stats() may be called from any.
class Sink {
 public:
  virtual ~Sink() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Takes the events in. What cannot be written is kept, within limits, and tried again.
  virtual void write(const EventBatch& batch, Instant now) = 0;

  /// Does what is due: rotation by age, another try. To be called a few times a second.
  virtual void tick(Instant now) = 0;

  /// Writes everything out. Fails if something of it could not be written.
  virtual Result<> close() = 0;

  [[nodiscard]] virtual SinkStats stats() const = 0;
};

/// What all sinks can be given; each takes what concerns it.
struct SinkOptions {
  std::string folder;                             ///< parquet: DIR
  std::string file;                               ///< jsonl: path, "-" for standard output
  bool is_exact = false;                          ///< parquet: numbers as DECIMAL(38,18) instead of DOUBLE
  std::uint64_t rows_max = 1'000'000;             ///< of one file
  std::uint64_t part_bytes_max = 32UL << 20;      ///< memory of one file's rows before they are written
  std::uint64_t buffered_bytes_max = 96UL << 20;  ///< memory of all rows not written yet; at half of it writing begins
  std::chrono::nanoseconds age_max = std::chrono::seconds(60);  ///< of a file's first row
  std::chrono::nanoseconds retry_after = std::chrono::seconds(5);
  /// Called on the sink's thread when writing begins to fail (with the reason) and when it works again.
  std::function<void(const Result<>& state)> on_state;
};

/// The names in sinks.def.
std::vector<std::string_view> sink_names();

/// Fails where the name is unknown (with the nearest known one), or where the sink cannot write to its place.
Result<std::unique_ptr<Sink>> make_sink(std::string_view name, SinkOptions options);

}  // namespace marketprism::sink
