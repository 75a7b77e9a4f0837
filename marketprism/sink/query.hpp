#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"

namespace marketprism::sink {

/// `text` as an SQL literal, with its quotes.
std::string sql_quoted(std::string_view text);

struct QueryColumn {
  enum class Kind : std::uint8_t { text, number, boolean };
  std::string name;
  Kind kind = Kind::text;
};

/// The answer to one query, row by row as DuckDB makes it. Must not outlive its QueryEngine. One thread.
class QueryResult {
 public:
  using Row = std::vector<std::optional<std::string>>;

  QueryResult(QueryResult&&) noexcept;
  QueryResult& operator=(QueryResult&&) noexcept;
  ~QueryResult();

  [[nodiscard]] const std::vector<QueryColumn>& columns() const;

  /// The next row as texts, nullopt for NULL; false after the last one. Fails where the query fails while it runs.
  Result<bool> next(Row& row);

 private:
  friend class QueryEngine;
  struct State;
  explicit QueryResult(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct QueryOptions {
  std::string folder;  ///< the store's DIR; empty: no views, for statements that name their files
  std::uint64_t memory_bytes_max = 1UL << 30;
  unsigned threads = 2;
};

/// SQL over the Parquet files of a store, by an embedded DuckDB. Each type of event that has files is a view of its
/// name
/// (`trade`, `book`, `bbo`, …) with the columns of the files and `type`, `exchange` and `date` from their paths. Files
/// that are finished while the engine lives are seen by the next query. One thread.
class QueryEngine {
 public:
  /// Fails (not_found) where the folder is missing or holds no Parquet file of a known type.
  static Result<QueryEngine> open(QueryOptions options);

  QueryEngine(QueryEngine&&) noexcept;
  QueryEngine& operator=(QueryEngine&&) noexcept;
  ~QueryEngine();

  /// The views there are.
  [[nodiscard]] const std::vector<std::string>& views() const;

  /// Runs one statement; the result of the one before it is then void. Wrong SQL fails with DuckDB's words and, where a
  /// table is not known, the names of the views.
  Result<QueryResult> run(const std::string& sql);

 private:
  struct State;
  explicit QueryEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct TableOptions {
  std::size_t rows_max = 1000;        ///< more are counted, not shown
  std::size_t column_width_max = 60;  ///< longer values end with …
};

/// The rest of the result as a box-drawn table, numbers to the right, with the number of rows below.
Result<std::string> format_table(QueryResult& result, TableOptions options = {});

/// Appends one row as a JSON object and a newline: numbers and booleans as such, anything else as a string.
void append_json_row(const std::vector<QueryColumn>& columns, const QueryResult::Row& row, std::string& out);

}  // namespace marketprism::sink
