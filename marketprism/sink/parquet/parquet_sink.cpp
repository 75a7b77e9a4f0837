#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "marketprism/sink/parquet/part_table.hpp"
#include "marketprism/sink/parquet/part_writer.hpp"
#include "marketprism/sink/part_file.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink::parquet {

Result<std::unique_ptr<Sink>> open(SinkOptions options);

namespace {

constexpr std::int64_t day_ns = 86'400'000'000'000;

/// Days since the epoch, by which files are separated; what has no receive time goes to day 0.
std::int64_t day_of(UnixTime time) {
  if (time == no_time) return 0;
  const std::int64_t ns = ns_since_epoch(time);
  return ns >= 0 ? ns / day_ns : (ns + 1) / day_ns - 1;
}

/// Gathers the events of each (exchange, type, date) in memory and writes them out as one Parquet file at the limits of
/// rows, bytes and age. When writing fails, the rows are kept and tried again; new events are dropped, counted by type,
/// only once `buffered_bytes_max` is reached.
class ParquetSink final : public Sink {
 public:
  ParquetSink(SinkOptions options, std::unique_ptr<PartWriter> writer)
      : options_(std::move(options)), writer_(std::move(writer)) {}

  [[nodiscard]] std::string_view name() const override { return "parquet"; }
  void write(const EventBatch& batch, Instant now) override;
  void tick(Instant now) override;
  Result<> close() override;
  [[nodiscard]] SinkStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  struct Part {
    std::string exchange;
    market::EventType type{};
    std::int64_t day = 0;
    Instant begin{};
    PartTable table;
  };

  Part& part_of(const market::Event& event, Instant now);
  void take(const market::Event& event, Instant now);
  void make_room(Instant now);
  bool flush(std::size_t index, Instant now);
  Result<> write_part(Part& part);
  void note(const Result<>& result, Instant now);
  [[nodiscard]] bool may_write(Instant now) const { return !retry_at_ || now >= *retry_at_; }
  [[nodiscard]] std::uint64_t buffered_bytes() const;
  void publish();

  SinkOptions options_;
  std::unique_ptr<PartWriter> writer_;
  std::vector<std::unique_ptr<Part>> parts_;
  Part* last_part_ = nullptr;
  std::optional<Instant> retry_at_;  // set while writing fails
  SinkStats counts_;                 // the thread's own; published into stats_
  mutable std::mutex mutex_;
  SinkStats stats_;
};

ParquetSink::Part& ParquetSink::part_of(const market::Event& event, Instant now) {
  const std::int64_t day = day_of(event.receive_time);
  const auto is_its = [&](const Part& part) {
    return part.type == event.type() && part.day == day && part.exchange == event.exchange;
  };
  if (last_part_ != nullptr && is_its(*last_part_)) return *last_part_;
  const auto found = std::ranges::find_if(parts_, [&](const auto& part) { return is_its(*part); });
  if (found != parts_.end()) {
    last_part_ = found->get();
  } else {
    parts_.push_back(std::make_unique<Part>(Part{.exchange = std::string(event.exchange),
                                                 .type = event.type(),
                                                 .day = day,
                                                 .begin = now,
                                                 .table = PartTable(event.type(), options_.is_exact)}));
    last_part_ = parts_.back().get();
  }
  return *last_part_;
}

std::uint64_t ParquetSink::buffered_bytes() const {
  std::uint64_t sum = 0;
  for (const std::unique_ptr<Part>& part : parts_) sum += part->table.bytes();
  return sum;
}

/// Called before a batch: while too much is held in memory, writes the largest parts out.
void ParquetSink::make_room(Instant now) {
  while (may_write(now) && !parts_.empty() && buffered_bytes() >= options_.buffered_bytes_max) {
    const auto largest = std::ranges::max_element(parts_, {}, [](const auto& part) { return part->table.bytes(); });
    if (!flush(static_cast<std::size_t>(largest - parts_.begin()), now)) return;
  }
}

void ParquetSink::take(const market::Event& event, Instant now) {
  Part& part = part_of(event, now);
  part.table.append(event);
  const bool is_full = part.table.rows() >= options_.rows_max || part.table.bytes() >= options_.part_bytes_max;
  if (!is_full || !may_write(now)) return;
  const auto index = std::ranges::find(parts_, &part, [](const auto& known) { return known.get(); }) - parts_.begin();
  (void)flush(static_cast<std::size_t>(index), now);
}

void ParquetSink::write(const EventBatch& batch, Instant now) {
  make_room(now);
  // Only while writing fails can there still be too much.
  const bool has_room = buffered_bytes() < options_.buffered_bytes_max;
  for (const market::Event& event : batch.events()) {
    if (has_room) {
      take(event, now);
      ++counts_.events;
    } else {
      ++counts_.dropped[static_cast<std::size_t>(event.type())];
    }
  }
  publish();
}

Result<> ParquetSink::write_part(Part& part) {
  if (part.table.rows() == 0) return {};  // deltas without levels
  const UnixTime midnight = unix_time_ns(part.day * day_ns);
  const std::string folder = fmt::format("{}/type={}/exchange={}/date={}", options_.folder, name_of(part.type),
                                         part.exchange, date_text(midnight));
  const Result<FinishedPart> finished = writer_->write(part.table, folder);
  if (!finished) return std::unexpected(finished.error());
  counts_.rows += part.table.rows();
  counts_.bytes += finished->bytes;
  ++counts_.files;
  return {};
}

/// Writes a part and forgets it; false: it is kept to be tried again.
bool ParquetSink::flush(std::size_t index, Instant now) {
  Part& part = *parts_[index];
  const Result<> written = write_part(part);
  note(written, now);
  if (!written) return false;
  counts_.inexact_values += part.table.inexact_values();
  if (last_part_ == &part) last_part_ = nullptr;
  parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(index));
  return true;
}

void ParquetSink::note(const Result<>& result, Instant now) {
  const bool is_change = counts_.is_failing == result.has_value();
  counts_.is_failing = !result.has_value();
  counts_.last_error = result ? std::string() : result.error().to_string();
  retry_at_ = result ? std::nullopt : std::optional(now + options_.retry_after);
  if (!result) ++counts_.write_failures;
  if (!is_change) return;
  publish();
  if (options_.on_state) options_.on_state(result);
}

void ParquetSink::tick(Instant now) {
  for (std::size_t i = 0; i < parts_.size() && may_write(now);) {
    const Part& part = *parts_[i];
    const bool is_due = now - part.begin >= options_.age_max || part.table.rows() >= options_.rows_max ||
                        part.table.bytes() >= options_.part_bytes_max;
    if (!is_due || !flush(i, now)) ++i;
  }
  publish();
}

Result<> ParquetSink::close() {
  Result<> first;
  std::uint64_t lost_rows = 0;
  for (const std::unique_ptr<Part>& part : parts_) {
    Result<> written = write_part(*part);
    counts_.inexact_values += part->table.inexact_values();
    if (written) continue;
    ++counts_.write_failures;
    lost_rows += part->table.rows();
    counts_.dropped[static_cast<std::size_t>(part->type)] += part->table.events();
    if (first) first = std::move(written);
  }
  parts_.clear();
  last_part_ = nullptr;
  publish();
  if (first) return {};
  return fail_because(first.error(), fmt::format("{} rows could not be stored", lost_rows));
}

void ParquetSink::publish() {
  counts_.buffered_rows = 0;
  for (const std::unique_ptr<Part>& part : parts_) counts_.buffered_rows += part->table.rows();
  counts_.buffered_bytes = buffered_bytes();
  const std::lock_guard lock(mutex_);
  stats_ = counts_;
}

}  // namespace

Result<std::unique_ptr<Sink>> open(SinkOptions options) {
  if (Result<> writable = check_writable(options.folder); !writable) return std::unexpected(writable.error());
  remove_stale_temporaries(options.folder);
  Result<std::unique_ptr<PartWriter>> writer = PartWriter::open();
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<ParquetSink>(std::move(options), std::move(*writer));
}

}  // namespace marketprism::sink::parquet
