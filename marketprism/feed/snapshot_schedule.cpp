#include "marketprism/feed/snapshot_schedule.hpp"

#include <algorithm>

namespace marketprism::feed {

void SnapshotSchedule::enqueue(const std::string& symbol, Entry& entry) {
  entry.is_queued = true;
  queue_.push_back(symbol);
}

void SnapshotSchedule::want(std::string_view symbol, Instant now) {
  const std::string name(symbol);
  Entry& entry = entries_[name];
  if (entry.is_queued || entry.is_in_flight) return;
  entry.not_before = std::max(entry.not_before, now);
  enqueue(name, entry);
}

std::optional<std::string> SnapshotSchedule::next(Instant now) {
  if (in_flight_ >= options_.in_flight_max) return std::nullopt;
  const auto ready =
      std::ranges::find_if(queue_, [&](const std::string& symbol) { return entries_[symbol].not_before <= now; });
  if (ready == queue_.end()) return std::nullopt;
  std::string symbol = std::move(*ready);
  queue_.erase(ready);
  Entry& entry = entries_[symbol];
  entry.is_queued = false;
  entry.is_in_flight = true;
  ++in_flight_;
  return symbol;
}

void SnapshotSchedule::finished(std::string_view symbol, bool is_satisfied, Instant now) {
  const auto found = entries_.find(std::string(symbol));
  if (found == entries_.end() || !found->second.is_in_flight) return;
  Entry& entry = found->second;
  entry.is_in_flight = false;
  --in_flight_;
  if (is_satisfied) {
    entry.pause = Nanoseconds(0);
    return;
  }
  entry.pause = std::clamp(entry.pause * 2, options_.retry_first, options_.retry_max);
  entry.not_before = now + entry.pause;
  enqueue(found->first, entry);
}

void SnapshotSchedule::forget(std::string_view symbol) {
  const auto found = entries_.find(std::string(symbol));
  if (found == entries_.end()) return;
  if (found->second.is_in_flight) --in_flight_;
  if (found->second.is_queued) std::erase(queue_, found->first);
  entries_.erase(found);
}

Instant SnapshotSchedule::wake_at() const {
  if (in_flight_ >= options_.in_flight_max) return Instant::max();
  Instant earliest = Instant::max();
  for (const std::string& symbol : queue_) earliest = std::min(earliest, entries_.at(symbol).not_before);
  return earliest;
}

}  // namespace marketprism::feed
