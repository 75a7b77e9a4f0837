#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/memory/leak_detector.hpp"
#include "marketprism/memory/memory_budget.hpp"

namespace marketprism::memory {

/// The memory of a process at one moment, in bytes; who reads /proc and the heap fills it in. Zero: not known.
struct MemorySnapshot {
  Instant time{};
  UnixTime taken = no_time;
  std::string label;                ///< empty for the regular ones
  std::uint64_t rss = 0;            ///< resident
  std::uint64_t pss = 0;            ///< resident, shared pages divided by their sharers
  std::uint64_t heap_in_use = 0;    ///< given out by the allocator
  std::uint64_t heap_retained = 0;  ///< kept by the allocator, free
  std::vector<OwnerBytes> owners;
};

/// One size over time since the first snapshot. `name` is "rss", "pss", "heap_in_use", "heap_retained" or an owner's.
struct MemorySummary {
  std::string name;
  bool is_owner = false;
  std::uint64_t current = 0;
  std::uint64_t baseline = 0;
  std::int64_t growth = 0;  ///< current − baseline
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  double mean = 0;
  double variance = 0;
  std::uint64_t count = 0;  ///< snapshots that had it
  LeakVerdict verdict;      ///< stays `measuring` for pss and heap_retained, which are not watched
};

/// How one size differs between two snapshots.
struct MemoryChange {
  std::string name;
  bool is_owner = false;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  double rate = 0;  ///< bytes a minute; 0 if no time passed

  [[nodiscard]] std::int64_t difference() const {
    return static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from);
  }
};

struct MemoryComparison {
  std::string from, to;  ///< labels
  Nanoseconds span{};
  std::vector<MemoryChange> changes;  ///< the largest growth first
};

struct MemoryAnalyzerOptions {
  std::size_t labels_max = 64;   ///< labelled snapshots kept; past it the oldest is forgotten
  std::size_t owners_max = 256;  ///< owners watched; more are not looked at, and counted
  LeakDetectorOptions detector;
};

/// Watches memory: give it a snapshot every five seconds or so, and it keeps summaries, compares labelled moments and
/// says what leaks: the process as a whole (rss, heap_in_use) and each owner. Pure and bounded. One thread.
class MemoryAnalyzer {
 public:
  explicit MemoryAnalyzer(MemoryAnalyzerOptions options = {}) : options_(options) {}

  /// Times must not go back. A labelled snapshot is kept for `compare`, in the place of an older one of that label.
  void add(MemorySnapshot snapshot);

  /// From now on growth is told against the latest snapshot; without this, against the first.
  void set_baseline();

  /// Changes between two labelled snapshots; "latest" and "baseline" are labels that always exist. `not_found` names
  /// the labels there are.
  [[nodiscard]] Result<MemoryComparison> compare(std::string_view from, std::string_view to) const;

  /// The whole process first, then the owners by name.
  [[nodiscard]] std::vector<MemorySummary> summaries() const;
  /// Those whose verdict is `leaking`, owners first: they say where, the whole only says that.
  [[nodiscard]] std::vector<MemorySummary> leaks() const;
  /// What to do about it, in sentences: leaks, owners over their soft limit or refused at the hard one, memory the
  /// allocator keeps. Empty when all is well.
  [[nodiscard]] std::vector<std::string> recommendations() const;
  /// All of the above as one JSON object: {"snapshots", "summaries": […], "leaks": […], "recommendations": […]}.
  [[nodiscard]] std::string report_json() const;

  [[nodiscard]] std::vector<std::string> labels() const;
  [[nodiscard]] std::uint64_t snapshots() const { return snapshots_; }
  [[nodiscard]] std::uint64_t owners_left_out() const { return owners_left_out_; }

 private:
  struct Series {
    MemorySummary summary;
    double squares = 0;  // sum of squared distances from the mean
    LeakDetector detector;
  };

  void record(Series& series, Instant time, std::uint64_t bytes, bool is_watched);
  [[nodiscard]] const MemorySnapshot* find(std::string_view label) const;

  MemoryAnalyzerOptions options_;
  std::uint64_t snapshots_ = 0;
  std::uint64_t owners_left_out_ = 0;
  std::optional<MemorySnapshot> baseline_;
  std::optional<MemorySnapshot> latest_;
  std::deque<MemorySnapshot> labelled_;
  std::vector<Series> whole_;
  std::map<std::string, Series, std::less<>> owners_;
};

}  // namespace marketprism::memory
