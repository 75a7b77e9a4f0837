#include "marketprism/sink/duckdb_session.hpp"

#include <string_view>

#include "marketprism/sink/query.hpp"

namespace marketprism::sink {

std::string sql_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += c;
    quoted += c;
  }
  quoted += '\'';
  return quoted;
}

Error duckdb_error(const char* message) {
  const std::string_view text = message != nullptr ? message : "DuckDB gives no reason";
  ErrorCode code = ErrorCode::io_failed;
  if (text.find("No space left") != std::string_view::npos || text.find("quota") != std::string_view::npos) {
    code = ErrorCode::storage_full;
  } else if (text.find("Permission denied") != std::string_view::npos ||
             text.find("Read-only file system") != std::string_view::npos) {
    code = ErrorCode::permission_denied;
  } else if (text.starts_with("Parser Error") || text.starts_with("Binder Error") ||
             text.starts_with("Catalog Error")) {
    code = ErrorCode::invalid_argument;
  }
  return Error{code, std::string(text), false, nullptr};
}

DuckDbSession::~DuckDbSession() {
  if (connection_ != nullptr) duckdb_disconnect(&connection_);
  if (database_ != nullptr) duckdb_close(&database_);
}

Result<DuckDbSession> DuckDbSession::open(const std::vector<std::pair<std::string, std::string>>& settings) {
  DuckDbSession session;
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess) return fail(ErrorCode::exhausted, "DuckDB: out of memory");
  bool is_known = duckdb_set_config(config, "autoinstall_known_extensions", "false") == DuckDBSuccess;
  for (const auto& [name, value] : settings) {
    is_known = is_known && duckdb_set_config(config, name.c_str(), value.c_str()) == DuckDBSuccess;
  }
  char* message = nullptr;
  const bool is_open = is_known && duckdb_open_ext(nullptr, &session.database_, config, &message) == DuckDBSuccess &&
                       duckdb_connect(session.database_, &session.connection_) == DuckDBSuccess;
  duckdb_destroy_config(&config);
  if (is_open) return session;
  Error error = duckdb_error(is_known ? message : "a setting is not known to this version of DuckDB");
  duckdb_free(message);
  return fail_because(std::move(error), "cannot start DuckDB");
}

Result<> DuckDbSession::execute(const std::string& sql) {
  duckdb_result result;
  const bool is_done = duckdb_query(connection_, sql.c_str(), &result) == DuckDBSuccess;
  Result<> done;
  if (!is_done) done = std::unexpected(duckdb_error(duckdb_result_error(&result)));
  duckdb_destroy_result(&result);
  return done;
}

}  // namespace marketprism::sink
