#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "marketprism/base/error.hpp"
#include "marketprism/sink/parquet/part_table.hpp"

namespace marketprism::sink {

struct FinishedPart {
  std::string path;
  std::uint64_t bytes = 0;
};

/// Writes the rows of a PartTable as a Parquet file, through an embedded DuckDB that reads the table's pages by a table
/// function and compresses with zstd. Uses about 100 MiB of memory at most. One thread.
class PartWriter {
 public:
  static Result<std::unique_ptr<PartWriter>> open();
  ~PartWriter();
  PartWriter(const PartWriter&) = delete;
  PartWriter& operator=(const PartWriter&) = delete;

  /// Writes to a hidden temporary file in `folder` (made if need be), syncs it, and names it
  /// part-<first receive time>-<n>.parquet, n being the first number that is free. On failure the temporary file is
  /// removed and the same call may be repeated.
  Result<FinishedPart> write(const PartTable& table, const std::string& folder);

 private:
  struct State;
  explicit PartWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::sink
