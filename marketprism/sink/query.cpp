#include "marketprism/sink/query.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "marketprism/market/event.hpp"
#include "marketprism/sink/duckdb_session.hpp"

namespace marketprism::sink {

namespace {

namespace fs = std::filesystem;

QueryColumn::Kind kind_of(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_BOOLEAN: return QueryColumn::Kind::boolean;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL: return QueryColumn::Kind::number;
    default: return QueryColumn::Kind::text;
  }
}

bool has_parquet_file(const fs::path& folder) {
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (it->path().extension() == ".parquet" && !it->path().filename().string().starts_with('.')) return true;
  }
  return false;
}

/// One statement, prepared. Owns it.
class Prepared {
 public:
  Prepared(duckdb_connection connection, const std::string& sql) {
    is_valid_ = duckdb_prepare(connection, sql.c_str(), &statement_) == DuckDBSuccess;
  }
  ~Prepared() { duckdb_destroy_prepare(&statement_); }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  [[nodiscard]] bool is_valid() const { return is_valid_; }
  [[nodiscard]] Error error() const { return duckdb_error(duckdb_prepare_error(statement_)); }
  [[nodiscard]] duckdb_prepared_statement get() const { return statement_; }

 private:
  duckdb_prepared_statement statement_ = nullptr;
  bool is_valid_ = false;
};

}  // namespace

/// Two ways to the values as text: a stream of chunks in which all columns were cast to VARCHAR, or, for statements
/// that cannot be wrapped into such a cast, a materialised result that DuckDB's own conversion reads.
struct QueryResult::State {
  ~State() {
    duckdb_destroy_data_chunk(&chunk);
    if (has_result) duckdb_destroy_result(&result);
  }

  Result<bool> next_chunk();
  void read_chunk_row(Row& row);
  void read_materialised_row(Row& row);

  std::vector<QueryColumn> columns;
  std::unique_ptr<Prepared> statement;  // of a stream: must live as long
  duckdb_result result{};
  bool has_result = false;
  bool is_stream = false;
  duckdb_data_chunk chunk = nullptr;
  idx_t at = 0;    // the next row, of the chunk or of the materialised result
  idx_t rows = 0;  // of the same
};

Result<bool> QueryResult::State::next_chunk() {
  duckdb_destroy_data_chunk(&chunk);
  chunk = duckdb_fetch_chunk(result);
  at = 0;
  rows = chunk != nullptr ? duckdb_data_chunk_get_size(chunk) : 0;
  if (rows > 0) return true;
  if (const char* message = duckdb_result_error(&result); message != nullptr && *message != '\0') {
    return std::unexpected(duckdb_error(message));
  }
  return false;
}

void QueryResult::State::read_chunk_row(Row& row) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
    std::uint64_t* const validity = duckdb_vector_get_validity(vector);
    if (validity != nullptr && !duckdb_validity_row_is_valid(validity, at)) {
      row[i].reset();
      continue;
    }
    duckdb_string_t* const text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + at;
    row[i].emplace(duckdb_string_t_data(text), duckdb_string_t_length(*text));
  }
}

void QueryResult::State::read_materialised_row(Row& row) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    char* const text = duckdb_value_varchar(&result, i, at);
    row[i] = text != nullptr ? std::optional<std::string>(text) : std::nullopt;
    duckdb_free(text);
  }
}

QueryResult::QueryResult(std::unique_ptr<State> state) : state_(std::move(state)) {}
QueryResult::QueryResult(QueryResult&&) noexcept = default;
QueryResult& QueryResult::operator=(QueryResult&&) noexcept = default;
QueryResult::~QueryResult() = default;

const std::vector<QueryColumn>& QueryResult::columns() const { return state_->columns; }

Result<bool> QueryResult::next(Row& row) {
  State& state = *state_;
  row.resize(state.columns.size());
  if (state.at == state.rows) {
    if (!state.is_stream) return false;
    const Result<bool> more = state.next_chunk();
    if (!more || !*more) return more;
  }
  if (state.is_stream) {
    state.read_chunk_row(row);
  } else {
    state.read_materialised_row(row);
  }
  ++state.at;
  return true;
}

struct QueryEngine::State {
  State(DuckDbSession given, std::string from) : session(std::move(given)), folder(std::move(from)) {}

  Result<> add_views();
  Error explained(Error error) const;
  bool run_stream(const std::string& sql, QueryResult::State& result, Result<>& failure);
  Result<> run_materialised(const Prepared& statement, QueryResult::State& result);

  DuckDbSession session;
  std::string folder;
  std::vector<std::string> views;
};

Result<> QueryEngine::State::add_views() {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return fail(ErrorCode::not_found, folder + ": no such folder", true);
  for (std::size_t i = 0; i < market::event_type_count; ++i) {
    const std::string name(name_of(static_cast<market::EventType>(i)));
    const std::string files = folder + "/type=" + name;
    if (!has_parquet_file(files)) continue;
    const std::string sql = fmt::format(
        "CREATE VIEW {} AS SELECT * FROM read_parquet({}, union_by_name = true, hive_partitioning = true, "
        "hive_types = {{'type': VARCHAR, 'exchange': VARCHAR, 'date': DATE}})",
        name, sql_quoted(files + "/*/*/*.parquet"));
    if (Result<> created = session.execute(sql); !created)
      return fail_because(created.error(), files + ": cannot be read");
    views.push_back(name);
  }
  if (!views.empty()) return {};
  return fail(ErrorCode::not_found,
              folder +
                  ": holds no data yet: no type=…/exchange=…/date=…/*.parquet in it (is it the folder given to "
                  "collect, and has a file been finished?)",
              true);
}

Error QueryEngine::State::explained(Error error) const {
  if (error.message.starts_with("Catalog Error: Table")) {
    error.message += fmt::format("\nviews of this folder: {}", fmt::join(views, ", "));
  }
  return error;
}

/// false: the statement cannot be wrapped into a SELECT; nothing was run.
bool QueryEngine::State::run_stream(const std::string& sql, QueryResult::State& result, Result<>& failure) {
  const std::size_t end = sql.find_last_not_of("; \t\r\n");
  const std::string inner = sql.substr(0, end == std::string::npos ? 0 : end + 1);
  const std::string sql_of_texts = fmt::format("SELECT COLUMNS(*)::VARCHAR FROM ({}\n)", inner);
  result.statement = std::make_unique<Prepared>(session.connection(), sql_of_texts);
  const Prepared& wrapped = *result.statement;
  if (!wrapped.is_valid()) return false;
  if (duckdb_prepared_statement_column_count(wrapped.get()) != result.columns.size()) return false;
  duckdb_pending_result pending = nullptr;
  result.is_stream = true;
  if (duckdb_pending_prepared_streaming(wrapped.get(), &pending) != DuckDBSuccess) {
    failure = std::unexpected(duckdb_error(duckdb_pending_error(pending)));
  } else {
    result.has_result = true;
    if (duckdb_execute_pending(pending, &result.result) != DuckDBSuccess) {
      failure = std::unexpected(duckdb_error(duckdb_result_error(&result.result)));
    }
  }
  duckdb_destroy_pending(&pending);
  return true;
}

Result<> QueryEngine::State::run_materialised(const Prepared& statement, QueryResult::State& result) {
  result.has_result = true;
  if (duckdb_execute_prepared(statement.get(), &result.result) != DuckDBSuccess) {
    return std::unexpected(duckdb_error(duckdb_result_error(&result.result)));
  }
  result.rows = duckdb_row_count(&result.result);
  return {};
}

QueryEngine::QueryEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
QueryEngine::QueryEngine(QueryEngine&&) noexcept = default;
QueryEngine& QueryEngine::operator=(QueryEngine&&) noexcept = default;
QueryEngine::~QueryEngine() = default;

const std::vector<std::string>& QueryEngine::views() const { return state_->views; }

Result<QueryEngine> QueryEngine::open(QueryOptions options) {
  Result<DuckDbSession> session = DuckDbSession::open(
      {{"threads", std::to_string(std::max(options.threads, 1U))},
       {"memory_limit", fmt::format("{}MB", std::max<std::uint64_t>(options.memory_bytes_max >> 20, 64))},
       {"temp_directory", fs::temp_directory_path().string()}});
  if (!session) return std::unexpected(session.error());
  auto state = std::make_unique<State>(std::move(*session), std::move(options.folder));
  if (state->folder.empty()) return QueryEngine(std::move(state));
  if (Result<> added = state->add_views(); !added) return std::unexpected(added.error());
  return QueryEngine(std::move(state));
}

Result<QueryResult> QueryEngine::run(const std::string& sql) {
  const Prepared statement(state_->session.connection(), sql);
  if (!statement.is_valid()) return std::unexpected(state_->explained(statement.error()));
  auto result = std::make_unique<QueryResult::State>();
  const idx_t count = duckdb_prepared_statement_column_count(statement.get());
  for (idx_t i = 0; i < count; ++i) {
    const char* const name = duckdb_prepared_statement_column_name(statement.get(), i);
    const duckdb_type type = duckdb_prepared_statement_column_type(statement.get(), i);
    result->columns.push_back({name != nullptr ? name : "", kind_of(type)});
    duckdb_free(const_cast<char*>(name));
  }
  Result<> ran;
  const bool is_select = duckdb_prepared_statement_type(statement.get()) == DUCKDB_STATEMENT_TYPE_SELECT;
  if (!is_select || !state_->run_stream(sql, *result, ran)) ran = state_->run_materialised(statement, *result);
  if (!ran) return std::unexpected(state_->explained(std::move(ran).error()));
  return QueryResult(std::move(result));
}

}  // namespace marketprism::sink
