#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "marketprism/sink/holes.hpp"
#include "marketprism/sink/parquet/part_queue.hpp"
#include "marketprism/sink/parquet/part_writer.hpp"
#include "marketprism/sink/part_file.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink::parquet {

Result<std::unique_ptr<Sink>> open(SinkOptions options);

namespace {

/// By which files are separated; what has no receive time goes to 1970-01-01.
std::chrono::sys_days day_of(UnixTime time) {
  return time == no_time ? std::chrono::sys_days() : std::chrono::floor<std::chrono::days>(time);
}

/// Gathers the events of each (exchange, type, date) in memory and gives them to a PartQueue as one Parquet file at the
/// limits of rows, bytes and age. When writing fails, the rows are kept and tried again; new events are dropped,
/// counted by type, only once `buffered_bytes_max` is reached, and a gap (reason "sink_storage") for each symbol and
/// channel concerned comes before what is taken again. Where writing is merely slow, `write` waits for it there.
class ParquetSink final : public Sink {
 public:
  ParquetSink(SinkOptions options, std::unique_ptr<PartWriter> writer)
      : options_(std::move(options)), queue_(std::move(writer), options_.folder) {}

  [[nodiscard]] std::string_view name() const override { return "parquet"; }
  void write(const EventBatch& batch, Instant now) override;
  void tick(Instant now) override;
  Result<> close() override;
  [[nodiscard]] SinkStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  Part& part_of(const market::Event& event, Instant now);
  void take(const market::Event& event, Instant now);
  void put_gaps(Instant now);
  void make_room(Instant now);
  void finish_part(std::size_t index);
  void finish_largest_part();
  void retry(Instant now);
  void gather(Instant now);
  void note(PartQueue::Outcome outcome, Instant now);
  void count(const PartQueue::Outcome& outcome);
  [[nodiscard]] bool is_full(const Part& part) const {
    return part.table.rows() >= options_.rows_max || part.table.bytes() >= options_.part_bytes_max;
  }
  [[nodiscard]] std::uint64_t gathered_bytes() const;
  [[nodiscard]] std::uint64_t buffered_bytes() const;
  void publish();

  SinkOptions options_;
  PartQueue queue_;
  std::vector<std::unique_ptr<Part>> parts_;  // that take events
  Part* last_part_ = nullptr;
  std::deque<std::unique_ptr<Part>> kept_;  // that wait until writing works again
  Holes holes_;
  std::optional<Instant> retry_at_;  // set while writing fails
  SinkStats counts_;                 // the thread's own; published into stats_
  mutable std::mutex mutex_;
  SinkStats stats_;
};

Part& ParquetSink::part_of(const market::Event& event, Instant now) {
  const std::chrono::sys_days day = day_of(event.receive_time);
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

std::uint64_t ParquetSink::gathered_bytes() const {
  std::uint64_t sum = 0;
  for (const std::unique_ptr<Part>& part : parts_) sum += part->table.bytes();
  return sum;
}

std::uint64_t ParquetSink::buffered_bytes() const {
  std::uint64_t sum = gathered_bytes() + queue_.memory_bytes();
  for (const std::unique_ptr<Part>& part : kept_) sum += part->table.bytes();
  return sum;
}

/// Called before a batch, and does nothing of this while writing fails. At half of the limit the largest part is given
/// to be written, so that the memory of many parts has a ceiling that does not depend on which of them are full at the
/// same time. At the limit itself, where the disk is slow, it waits.
void ParquetSink::make_room(Instant now) {
  retry(now);
  if (!retry_at_ && gathered_bytes() >= options_.buffered_bytes_max / 2) finish_largest_part();
  while (buffered_bytes() >= options_.buffered_bytes_max) {
    if (queue_.size() == 0) {
      if (retry_at_ || parts_.empty()) return;
      finish_largest_part();
    }
    if (auto outcome = queue_.wait()) note(std::move(*outcome), now);
  }
}

/// No more events for this part: it is written, or kept until writing works again. One without rows (deltas without
/// levels) has nothing to write, and its end says nothing about the disk.
void ParquetSink::finish_part(std::size_t index) {
  const auto at = parts_.begin() + static_cast<std::ptrdiff_t>(index);
  if (last_part_ == at->get()) last_part_ = nullptr;
  if ((*at)->table.rows() == 0) {
    parts_.erase(at);
    return;
  }
  if (retry_at_) {
    kept_.push_back(std::move(*at));
  } else {
    queue_.add(std::move(*at));
  }
  parts_.erase(at);
}

void ParquetSink::finish_largest_part() {
  const auto largest = std::ranges::max_element(parts_, {}, [](const auto& part) { return part->table.bytes(); });
  if (largest != parts_.end()) finish_part(static_cast<std::size_t>(largest - parts_.begin()));
}

void ParquetSink::take(const market::Event& event, Instant now) {
  Part& part = part_of(event, now);
  part.table.append(event);
  if (!is_full(part)) return;
  const auto index = std::ranges::find(parts_, &part, [](const auto& known) { return known.get(); }) - parts_.begin();
  finish_part(static_cast<std::size_t>(index));
}

void ParquetSink::write(const EventBatch& batch, Instant now) {
  gather(now);
  make_room(now);
  // Only while writing fails can there still be too much.
  const bool has_room = buffered_bytes() < options_.buffered_bytes_max;
  if (has_room && !holes_.empty()) put_gaps(now);
  for (const market::Event& event : batch.events()) {
    if (has_room) {
      take(event, now);
      ++counts_.events;
    } else {
      ++counts_.dropped[static_cast<std::size_t>(event.type())];
      holes_.note(event);
    }
  }
  publish();
}

void ParquetSink::put_gaps(Instant now) {
  holes_.tell("sink_storage", [&](const market::Event& gap) {
    take(gap, now);
    ++counts_.events;
    return true;
  });
}

void ParquetSink::gather(Instant now) {
  while (auto outcome = queue_.take()) note(std::move(*outcome), now);
}

void ParquetSink::note(PartQueue::Outcome outcome, Instant now) {
  const Result<FinishedPart>& finished = outcome.finished;
  const bool is_change = counts_.is_failing == finished.has_value();
  counts_.is_failing = !finished.has_value();
  counts_.last_error = finished ? std::string() : finished.error().to_string();
  if (finished) {
    retry_at_.reset();
    count(outcome);
    for (; !kept_.empty(); kept_.pop_front()) queue_.add(std::move(kept_.front()));
  } else {
    retry_at_ = now + options_.retry_after;
    ++counts_.write_failures;
    kept_.push_back(std::move(outcome.part));
  }
  if (!is_change) return;
  publish();
  if (options_.on_state) options_.on_state(finished ? Result<>() : std::unexpected(finished.error()));
}

/// A file is there.
void ParquetSink::count(const PartQueue::Outcome& outcome) {
  ++counts_.files;
  counts_.rows += outcome.rows;
  counts_.bytes += outcome.finished->bytes;
  counts_.inexact_values += outcome.inexact_values;
}

/// While writing fails, tries one part now and then; if that goes, the others follow.
void ParquetSink::retry(Instant now) {
  if (!retry_at_ || now < *retry_at_ || kept_.empty()) return;
  retry_at_ = now + options_.retry_after;
  queue_.add(std::move(kept_.front()));
  kept_.pop_front();
}

void ParquetSink::tick(Instant now) {
  gather(now);
  retry(now);
  for (std::size_t i = 0; i < parts_.size();) {
    if (now - parts_[i]->begin >= options_.age_max || is_full(*parts_[i])) {
      finish_part(i);
    } else {
      ++i;
    }
  }
  publish();
}

Result<> ParquetSink::close() {
  put_gaps({});
  while (!parts_.empty()) finish_part(0);
  for (; !kept_.empty(); kept_.pop_front()) queue_.add(std::move(kept_.front()));
  Result<> first;
  std::uint64_t lost_rows = 0;
  while (const auto outcome = queue_.wait()) {
    if (outcome->finished) {
      count(*outcome);
      continue;
    }
    ++counts_.write_failures;
    lost_rows += outcome->rows;
    counts_.dropped[static_cast<std::size_t>(outcome->type)] += outcome->events;
    if (first) first = std::unexpected(outcome->finished.error());
  }
  publish();
  if (first) return {};
  return fail_because(first.error(), fmt::format("{} rows could not be stored", lost_rows));
}

void ParquetSink::publish() {
  counts_.buffered_rows = queue_.rows();
  for (const std::unique_ptr<Part>& part : parts_) counts_.buffered_rows += part->table.rows();
  for (const std::unique_ptr<Part>& part : kept_) counts_.buffered_rows += part->table.rows();
  counts_.buffered_bytes = buffered_bytes();
  counts_.parts_waiting = queue_.size();
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
