#include "marketprism/collector/verify.hpp"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "marketprism/collector/replay.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::collector {
namespace {

namespace fs = std::filesystem;
using market::EventType;

using SeriesTable = std::map<SeriesName, SeriesRows>;

/// How many rows the Parquet sink makes of an event.
std::uint64_t rows_of(const market::Event& event) {
  const auto* const book = std::get_if<market::Book>(&event.payload);
  if (book == nullptr) return 1;
  const std::size_t levels = book->bids.size() + book->asks.size();
  return levels == 0 && book->is_snapshot ? 1 : levels;
}

/// Counts the rows that events would make.
class RowCounter final : public market::EventSink {
 public:
  void on_event(const market::Event& event) override {
    if (event.type() == EventType::gap) return;  // the sink adds some of its own
    const std::uint64_t rows = rows_of(event);
    if (rows == 0) return;
    SeriesRows& series =
        table_[{std::string(name_of(event.type())), std::string(event.exchange), std::string(event.symbol)}];
    series.rows += rows;
    series.time_sum += Int128(event.receive_time.time_since_epoch().count()) * rows;
  }
  const SeriesTable& table() const { return table_; }

 private:
  SeriesTable table_;
};

Int128 parse_int128(std::string_view digits) {
  Int128 value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

class Verifier {
 public:
  explicit Verifier(const std::string& folder) : folder_(folder) {}

  Result<VerifyReport> run();

 private:
  void list_files();
  void read_tape();
  Result<> read_store();
  Result<> read_view(sink::QueryEngine& engine, const std::string& view);
  Result<> read_gaps(sink::QueryEngine& engine);
  Result<> check_parquet_files();
  void compare();

  const std::string& folder_;
  VerifyReport report_;
  std::vector<std::string> parquet_files_;
  SeriesTable store_;
  RowCounter tape_;
  std::set<SeriesName> named_;  // have a gap because the sink was too slow
};

void Verifier::list_files() {
  std::error_code error;
  fs::path path = folder_;
  for (auto it = fs::recursive_directory_iterator(folder_, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    path = it->path();
    const bool is_hidden = path.filename().string().starts_with('.');
    if (path.extension() == ".mptape") ++report_.tape_files;
    if (path.extension() != ".parquet" && !is_hidden) continue;
    if (is_hidden) {
      report_.unfinished_files += it->is_regular_file() ? 1 : 0;
    } else {
      parquet_files_.push_back(path.string());
    }
  }
  if (error) {
    report_.problems.push_back(
        fmt::format("{}: {}; what comes after it in the folder was not looked at", path.string(), error.message()));
  }
  report_.parquet_files = parquet_files_.size();
}

void Verifier::read_tape() {
  ReplayOptions options;
  options.paths = {folder_ + "/tape"};
  options.on_problem = [this](const Error& error) { report_.problems.push_back(error.to_string()); };
  const auto summary = replay(options, tape_);
  if (!summary) {
    report_.problems.push_back(summary.error().to_string());
    return;
  }
  report_.tape_frames = summary->frames;
  report_.tape_bytes_lost = summary->import.lost_bytes;
}

/// One file that is damaged hides all of its type: finds it, and names it.
Result<> Verifier::check_parquet_files() {
  auto engine = sink::QueryEngine::open({});
  if (!engine) return std::unexpected(engine.error());
  for (const std::string& path : parquet_files_) {
    auto counted = engine->run(fmt::format("SELECT count(COLUMNS(*)) FROM read_parquet({})", sink::sql_quoted(path)));
    sink::QueryResult::Row row;
    const Result<bool> read = counted ? counted->next(row) : std::unexpected(counted.error());
    if (read) continue;
    const std::string text = read.error().to_string();
    report_.problems.push_back(path + ": " + text.substr(0, text.find('\n')));  // without the statement
  }
  return {};
}

Result<> Verifier::read_view(sink::QueryEngine& engine, const std::string& view) {
  auto rows = engine.run(fmt::format(
      "SELECT exchange, symbol, count(*), sum(epoch_ns(receive_time)::HUGEINT) FROM {} GROUP BY ALL", view));
  if (!rows) return std::unexpected(rows.error());
  for (sink::QueryResult::Row row;;) {
    const auto more = rows->next(row);
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    const SeriesRows series{std::stoull(row[2].value_or("0")), parse_int128(row[3].value_or("0"))};
    report_.parquet_rows += series.rows;
    if (view != "gap") store_[{view, row[0].value_or(""), row[1].value_or("")}] = series;
  }
}

Result<> Verifier::read_gaps(sink::QueryEngine& engine) {
  auto rows = engine.run("SELECT exchange, symbol, channel, reason, count(*) FROM gap GROUP BY ALL");
  if (!rows) return std::unexpected(rows.error());
  for (sink::QueryResult::Row row;;) {
    const auto more = rows->next(row);
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    const auto text = [&row](std::size_t i) { return row[i].value_or(""); };
    report_.gaps[fmt::format("{} {} {}", text(0), text(2), text(3))] += std::stoull(row[4].value_or("0"));
    if (text(3) == "sink_overflow") named_.insert({text(2), text(0), text(1)});
  }
}

Result<> Verifier::read_store() {
  auto engine = sink::QueryEngine::open({.folder = folder_});
  if (!engine) return std::unexpected(engine.error());
  const std::vector<std::string> views = engine->views();
  for (const std::string& view : views) {
    if (auto read = read_view(*engine, view); !read) return read;
    if (view != "gap") continue;
    if (auto read = read_gaps(*engine); !read) return read;
  }
  return {};
}

void Verifier::compare() {
  SeriesTable all = tape_.table();
  all.insert(store_.begin(), store_.end());
  report_.series_compared = all.size();
  const auto in = [](const SeriesTable& table, const SeriesName& name) {
    const auto found = table.find(name);
    return found == table.end() ? SeriesRows{} : found->second;
  };
  for (const auto& [name, ignored] : all) {
    const SeriesRows tape = in(tape_.table(), name);
    const SeriesRows store = in(store_, name);
    if (tape != store) report_.differences.push_back({name, tape, store, named_.contains(name)});
  }
}

Result<VerifyReport> Verifier::run() {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) return fail(ErrorCode::not_found, folder_ + ": no such folder", true);
  list_files();
  if (report_.tape_files == 0 && parquet_files_.empty()) {
    return fail(ErrorCode::not_found,
                folder_ + ": holds neither tapes nor Parquet files (is it the folder given to collect?)", true);
  }
  if (report_.tape_files > 0) read_tape();
  bool is_readable = true;
  if (!parquet_files_.empty()) {
    if (const auto read = read_store(); !read) {
      is_readable = false;
      if (const auto checked = check_parquet_files(); !checked) return std::unexpected(checked.error());
      if (report_.problems.empty()) report_.problems.push_back(read.error().to_string());
    }
  }
  if (is_readable && report_.tape_files > 0 && !parquet_files_.empty()) compare();
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify_store(const std::string& folder) { return Verifier(folder).run(); }

}  // namespace marketprism::collector
