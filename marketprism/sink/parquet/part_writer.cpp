#include "marketprism/sink/parquet/part_writer.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <malloc.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "marketprism/sink/duckdb_session.hpp"
#include "marketprism/sink/part_file.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::sink {

namespace {

constexpr std::string_view function_name = "marketprism_part";

/// DuckDB 1.4 keeps something of each column chunk that it wrote until the database is closed: about 400 bytes of a
/// file of one row. So each database writes a limited number of files.
constexpr int files_per_database = 32;

Result<DuckDbSession> open_database() {
  return DuckDbSession::open(
      {{"threads", "1"}, {"memory_limit", "128MB"}, {"temp_directory", ""}, {"preserve_insertion_order", "true"}});
}

/// A DuckDB string that points to `text`, which must outlive the query; short ones are held inside.
duckdb_string_t string_over(std::string_view text) {
  duckdb_string_t string;
  std::memset(&string, 0, sizeof string);
  const auto length = static_cast<std::uint32_t>(text.size());
  if (length <= sizeof string.value.inlined.inlined) {
    string.value.inlined.length = length;
    if (length > 0) std::memcpy(string.value.inlined.inlined, text.data(), length);
    return string;
  }
  string.value.pointer.length = length;
  std::memcpy(string.value.pointer.prefix, text.data(), sizeof string.value.pointer.prefix);
  string.value.pointer.ptr = const_cast<char*>(text.data());
  return string;
}

duckdb_logical_type logical_type(ColumnType type, bool is_exact) {
  switch (type) {
    case ColumnType::name:
    case ColumnType::text: return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case ColumnType::time: return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_NS);
    case ColumnType::integer: return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case ColumnType::unsigned32: return duckdb_create_logical_type(DUCKDB_TYPE_UINTEGER);
    case ColumnType::boolean: return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case ColumnType::number: break;
  }
  return is_exact ? duckdb_create_decimal_type(38, 18) : duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
}

}  // namespace

struct PartWriter::State {
  explicit State(DuckDbSession given) : session(std::move(given)) {}

  Result<> add_function();
  void renew();
  void fill(duckdb_data_chunk chunk);
  void fill_column(duckdb_vector vector, std::size_t column, std::size_t rows);
  static void on_bind(duckdb_bind_info info);
  static void on_init(duckdb_init_info info);
  static void on_read(duckdb_function_info info, duckdb_data_chunk chunk);

  DuckDbSession session;
  const PartTable* table = nullptr;  // the one being written
  std::size_t page = 0;              // the next to be read
  int files = 0;                     // written by this database
  std::vector<duckdb_string_t> names;
};

void PartWriter::State::on_bind(duckdb_bind_info info) {
  const auto* const self = static_cast<const State*>(duckdb_bind_get_extra_info(info));
  for (const ColumnSpec& column : self->table->columns()) {
    duckdb_logical_type type = logical_type(column.type, self->table->is_exact());
    duckdb_bind_add_result_column(info, std::string(column.name).c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
  duckdb_bind_set_cardinality(info, self->table->rows(), true);
}

void PartWriter::State::on_init(duckdb_init_info info) { duckdb_init_set_max_threads(info, 1); }

void PartWriter::State::on_read(duckdb_function_info info, duckdb_data_chunk chunk) {
  static_cast<State*>(duckdb_function_get_extra_info(info))->fill(chunk);
}

void PartWriter::State::fill(duckdb_data_chunk chunk) {
  if (page == table->page_count()) {
    duckdb_data_chunk_set_size(chunk, 0);
    return;
  }
  const std::size_t rows = table->rows_of(page);
  for (std::size_t column = 0; column < table->columns().size(); ++column) {
    fill_column(duckdb_data_chunk_get_vector(chunk, column), column, rows);
  }
  duckdb_data_chunk_set_size(chunk, rows);
  ++page;
}

void PartWriter::State::fill_column(duckdb_vector vector, std::size_t column, std::size_t rows) {
  const std::byte* const values = table->values(page, column);
  const ColumnType type = table->columns()[column].type;
  void* const target = duckdb_vector_get_data(vector);
  if (type == ColumnType::name) {
    auto* const strings = static_cast<duckdb_string_t*>(target);
    const auto* const indices = reinterpret_cast<const std::uint32_t*>(values);
    for (std::size_t row = 0; row < rows; ++row) strings[row] = names[indices[row]];
  } else if (type == ColumnType::text) {
    auto* const strings = static_cast<duckdb_string_t*>(target);
    const auto* const texts = reinterpret_cast<const std::string_view*>(values);
    for (std::size_t row = 0; row < rows; ++row) strings[row] = string_over(texts[row]);
  } else {
    std::memcpy(target, values, rows * width_of(type, table->is_exact()));
  }
  if (const std::uint64_t* const validity = table->validity(page, column)) {
    duckdb_vector_ensure_validity_writable(vector);
    std::memcpy(duckdb_vector_get_validity(vector), validity, (rows + 63) / 64 * sizeof(std::uint64_t));
  }
}

Result<> PartWriter::State::add_function() {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, function_name.data());
  duckdb_table_function_set_extra_info(function, this, nullptr);
  duckdb_table_function_set_bind(function, &on_bind);
  duckdb_table_function_set_init(function, &on_init);
  duckdb_table_function_set_function(function, &on_read);
  const bool is_added = duckdb_register_table_function(session.connection(), function) == DuckDBSuccess;
  duckdb_destroy_table_function(&function);
  if (!is_added)
    return fail(ErrorCode::unsupported, "DuckDB refuses the table function that Parquet files are written with");
  return {};
}

/// If that fails the old one goes on. What the other leaves free lies between what others hold, and the new one took
/// fresh pages while both were open: without the trim some MiB more stay resident with each change.
void PartWriter::State::renew() {
  files = 0;
  {
    Result<DuckDbSession> fresh = open_database();
    if (!fresh) return;
    std::swap(session, *fresh);
    if (!add_function()) std::swap(session, *fresh);
  }
  ::malloc_trim(0);
}

PartWriter::PartWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
PartWriter::~PartWriter() = default;

Result<std::unique_ptr<PartWriter>> PartWriter::open() {
  static_assert(PartTable::page_rows == 2048);
  if (duckdb_vector_size() < PartTable::page_rows) {
    return fail(ErrorCode::unsupported, "this DuckDB was built with smaller vectors than 2048 rows", true);
  }
  Result<DuckDbSession> session = open_database();
  if (!session) return std::unexpected(session.error());
  auto state = std::make_unique<State>(std::move(*session));
  if (Result<> added = state->add_function(); !added) return std::unexpected(added.error());
  return std::unique_ptr<PartWriter>(new PartWriter(std::move(state)));
}

Result<FinishedPart> PartWriter::write(const PartTable& table, const std::string& folder) {
  if (Result<> made = make_folders(folder); !made) return std::unexpected(made.error());
  const std::string temporary = temporary_path(folder, table.first_time(), "parquet");
  const auto give_up = [&](Error error) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return fail_because(std::move(error), folder + ": cannot write a Parquet file");
  };
  if (state_->files == files_per_database) state_->renew();
  ++state_->files;
  state_->table = &table;
  state_->page = 0;
  state_->names.clear();
  for (const std::string_view name : table.names()) state_->names.push_back(string_over(name));
  const Result<> copied = state_->session.execute(fmt::format(
      "COPY (SELECT * FROM {}()) TO {} (FORMAT parquet, COMPRESSION zstd)", function_name, sql_quoted(temporary)));
  if (!copied) return give_up(copied.error());
  if (const Result<> synced = sync_path(temporary); !synced) return give_up(synced.error());
  std::error_code size_error;
  FinishedPart part;
  part.bytes = std::filesystem::file_size(temporary, size_error);
  for (unsigned number = 0;; ++number) {
    part.path = part_path(folder, table.first_time(), number, "parquet");
    const Result<> renamed = rename_new(temporary, part.path);
    if (renamed) break;
    if (renamed.error().code != ErrorCode::already_exists) return give_up(renamed.error());
  }
  if (const Result<> synced = sync_path(folder); !synced) {
    // It will be written again; it must not be there twice.
    std::error_code ignored;
    std::filesystem::remove(part.path, ignored);
    return give_up(synced.error());
  }
  return part;
}

}  // namespace marketprism::sink
