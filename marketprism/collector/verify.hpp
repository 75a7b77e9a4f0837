#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/int128.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::collector {

/// What a series (one type, exchange and symbol) has in rows, wherever they are.
struct SeriesRows {
  std::uint64_t rows = 0;
  Int128 time_sum = 0;  ///< of the rows' receive times, ns: differs where rows were exchanged for others
  bool operator==(const SeriesRows&) const = default;
};

struct SeriesName {
  std::string type, exchange, symbol;
  auto operator<=>(const SeriesName&) const = default;
};

struct SeriesDifference {
  SeriesName series;
  SeriesRows tape;
  SeriesRows store;
  bool is_named = false;  ///< the store has a gap that says so: the sink was too slow for it

  /// The tape is not the fuller one: it dropped frames, or files of it are gone.
  [[nodiscard]] bool is_missing_on_tape() const { return tape.rows < store.rows; }
};

struct VerifyReport {
  std::uint64_t tape_files = 0;
  std::uint64_t tape_frames = 0;
  std::uint64_t tape_bytes_lost = 0;  ///< that belong to no whole block
  std::uint64_t parquet_files = 0;
  std::uint64_t parquet_rows = 0;
  std::uint64_t unfinished_files = 0;  ///< being written by a running collector, or left by one that was killed
  std::uint64_t series_compared = 0;
  /// Holes that were noticed while collecting: "exchange channel reason" → how many. Named losses, not faults of the
  /// store.
  std::map<std::string, std::uint64_t> gaps;
  std::vector<SeriesDifference> differences;  ///< what the tape gives and the store has not, or the other way round
  std::vector<std::string> problems;          ///< files that cannot be read, or not wholly; begin with the path

  /// Nothing is damaged, and nothing is missing that was not named.
  [[nodiscard]] bool is_sound() const {
    return problems.empty() && std::ranges::all_of(differences, &SeriesDifference::is_named);
  }
};

/// Reads everything in a store: each block of its tapes with its checksum, each Parquet file; replays the tapes and
/// compares what comes out with what is stored, series by series. A folder with tapes only, or Parquet only, has
/// nothing to compare. Fails where the folder holds neither. One thread; blocks; memory grows with the number of
/// series, not of rows.
Result<VerifyReport> verify_store(const std::string& folder);

}  // namespace marketprism::collector
