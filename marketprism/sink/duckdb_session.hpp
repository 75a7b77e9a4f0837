#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <duckdb.h>

#include "marketprism/base/error.hpp"

namespace marketprism::sink {

/// An in-memory DuckDB and one connection to it. Include this in .cpp files only: duckdb.h is large. One thread.
class DuckDbSession {
 public:
  /// Settings by DuckDB's names. Extensions are never fetched from the network.
  static Result<DuckDbSession> open(const std::vector<std::pair<std::string, std::string>>& settings);

  DuckDbSession(DuckDbSession&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), connection_(std::exchange(other.connection_, nullptr)) {}
  DuckDbSession& operator=(DuckDbSession&& other) noexcept {
    std::swap(database_, other.database_);
    std::swap(connection_, other.connection_);
    return *this;
  }
  ~DuckDbSession();

  /// Runs statements whose results do not matter.
  Result<> execute(const std::string& sql);

  [[nodiscard]] duckdb_connection connection() const { return connection_; }

 private:
  DuckDbSession() = default;

  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

/// The error for a message of DuckDB: its first line, with a code where the operating system refused.
Error duckdb_error(const char* message);

}  // namespace marketprism::sink
