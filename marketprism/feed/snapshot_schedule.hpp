#pragma once
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "marketprism/base/time.hpp"

namespace marketprism::feed {

/// Decides whose book snapshot is fetched next: each symbol once at a time, first come first served, few at once, and a
/// symbol whose answer did not help waits longer each time. Pure; the caller keeps the venue's weight limit. One
/// thread.
class SnapshotSchedule {
 public:
  struct Options {
    std::size_t in_flight_max = 4;
    Nanoseconds retry_first = std::chrono::milliseconds(250);
    Nanoseconds retry_max = std::chrono::seconds(30);
  };

  SnapshotSchedule() = default;
  explicit SnapshotSchedule(Options options) : options_(options) {}

  /// The symbol's book needs a snapshot. Asking while one is waiting or on its way marks that another is needed if the
  /// answer does not end the need (`want` comes again from within its delivery).
  void want(std::string_view symbol, Instant now);

  /// The symbol to fetch now, if any; it is in flight until `finished`.
  std::optional<std::string> next(Instant now);

  /// The answer (or its failure) is there and was delivered. `is_satisfied`: the book is valid now.
  void finished(std::string_view symbol, bool is_satisfied, Instant now);

  /// The symbol is not collected any more.
  void forget(std::string_view symbol);

  /// When `next` may give something that it does not give now; `Instant::max()`: only after another call.
  Instant wake_at() const;

  std::size_t waiting() const { return queue_.size(); }
  std::size_t in_flight() const { return in_flight_; }

 private:
  struct Entry {
    bool is_queued = false;
    bool is_in_flight = false;
    Instant not_before{};
    Nanoseconds pause{0};
  };

  void enqueue(const std::string& symbol, Entry& entry);

  Options options_{};
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> queue_;
  std::size_t in_flight_ = 0;
};

}  // namespace marketprism::feed
