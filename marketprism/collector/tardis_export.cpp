#include "marketprism/collector/tardis_export.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "marketprism/sink/part_file.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::collector {
namespace {

namespace fs = std::filesystem;

/// What is common to all rows of Tardis, out of what is common to all of ours. A venue that gives no time gets ours.
constexpr std::string_view common_columns =
    "upper(symbol) AS symbol, epoch_ns(coalesce(exchange_time, receive_time)) // 1000 AS timestamp";

/// Deltas that were held until their snapshot came stand behind it, though they were received before: readers want
/// local_timestamp to grow, so they get that of the snapshot, which is when they took effect.
constexpr std::string_view local_time_in_order =
    "epoch_ns(max(receive_time) OVER (ORDER BY filename, file_row_number ROWS UNBOUNDED PRECEDING)) // 1000 "
    "AS local_timestamp";

/// One kind of Tardis file that is made of one of our types, row by row.
struct FileKind {
  std::string_view type;    // ours
  std::string_view tardis;  // theirs
  std::string_view columns;
  std::string_view filter;
};

constexpr std::array<FileKind, 4> kinds{{
    {"trade", "trades", "id, coalesce(side, 'unknown') AS side, price, amount",
     "aggregate = (SELECT bool_and(aggregate) FROM mine)"},
    {"book", "incremental_book_L2", "is_snapshot, side, price, amount", "side IS NOT NULL"},
    {"bbo", "quotes", "ask_amount, ask_price, bid_price, bid_amount", "true"},
    // Tardis gives the side of the order that closed the position, as we do.
    {"liquidation", "liquidations", "id, side, price, amount", "true"},
}};

/// The types of ours that derivative_ticker is put together from, and what each brings.
struct TickerPart {
  std::string_view type;
  std::string_view values;  // of funding_time, rate, open_interest, index_price, mark_price
};
constexpr std::array<TickerPart, 4> ticker_parts{{
    {"funding_rate", "epoch_ns(funding_time) // 1000 AS f, rate AS r, NULL AS o, NULL AS i, NULL AS m"},
    {"open_interest", "NULL AS f, NULL AS r, amount AS o, NULL AS i, NULL AS m"},
    {"index_price", "NULL AS f, NULL AS r, NULL AS o, price AS i, NULL AS m"},
    {"mark_price", "NULL AS f, NULL AS r, NULL AS o, NULL AS i, price AS m"},
}};

/// Whose rows go into one file.
struct Series {
  std::string exchange, date, symbol;
  auto operator<=>(const Series&) const = default;
};

class Exporter {
 public:
  Exporter(const TardisExportOptions& options, sink::QueryEngine engine,
           const std::function<void(const TardisFile&)>& on_file)
      : options_(options), engine_(std::move(engine)), on_file_(on_file) {}

  Result<> run();

 private:
  bool has_view(std::string_view type) const {
    return std::ranges::any_of(engine_.views(), [&](const std::string& view) { return view == type; });
  }
  std::string chosen() const;
  Result<std::vector<Series>> series_in(const std::string& views);
  std::string rows_of(std::string_view type, const Series& series) const;
  Result<> export_kind(const FileKind& kind);
  Result<> export_tickers();
  Result<> copy(const std::string& select, std::string_view type, const Series& series);

  const TardisExportOptions& options_;
  sink::QueryEngine engine_;
  const std::function<void(const TardisFile&)>& on_file_;
  std::uint64_t files_ = 0;
};

/// The user's choice as a condition on exchange, symbol and date.
std::string Exporter::chosen() const {
  std::string condition = "true";
  const auto narrow = [&condition](const std::vector<std::string>& values, std::string_view test) {
    std::vector<std::string> tests;
    for (const std::string& value : values) tests.push_back(fmt::format("{} {}", test, sink::sql_quoted(value)));
    if (!tests.empty()) condition += fmt::format(" AND ({})", fmt::join(tests, " OR "));
  };
  narrow(options_.exchanges, "exchange =");
  narrow(options_.symbols, "symbol GLOB");
  narrow(options_.dates, "date::VARCHAR =");
  return condition;
}

Result<std::vector<Series>> Exporter::series_in(const std::string& views) {
  auto found = engine_.run(
      fmt::format("SELECT DISTINCT exchange, date::VARCHAR, symbol FROM ({}) WHERE {} ORDER BY ALL", views, chosen()));
  if (!found) return std::unexpected(found.error());
  std::vector<Series> series;
  for (sink::QueryResult::Row row;;) {
    const auto more = found->next(row);
    if (!more) return std::unexpected(more.error());
    if (!*more) return series;
    series.push_back({row[0].value_or(""), row[1].value_or(""), row[2].value_or("")});
  }
}

/// The stored rows of one symbol and day with what tells their order.
std::string Exporter::rows_of(std::string_view type, const Series& series) const {
  const std::string files =
      fmt::format("{}/type={}/exchange={}/date={}/*.parquet", options_.folder, type, series.exchange, series.date);
  return fmt::format(
      "SELECT * FROM read_parquet({}, filename = true, file_row_number = true, hive_partitioning = false, "
      "union_by_name = true) WHERE symbol = {}",
      sink::sql_quoted(files), sink::sql_quoted(series.symbol));
}

Result<> Exporter::copy(const std::string& select, std::string_view type, const Series& series) {
  std::string symbol = series.symbol;
  std::ranges::transform(symbol, symbol.begin(), [](unsigned char c) {
    return c == '/' || c == ':' ? '-' : static_cast<char>(std::toupper(c));
  });
  const std::string name =
      fmt::format("{}_{}_{}_{}.csv.gz", tardis_exchange(series.exchange, series.symbol), type, series.date, symbol);
  const std::string path = options_.out + "/" + name;
  const std::string unfinished = options_.out + "/." + name;
  auto written = engine_.run(
      fmt::format("COPY ({}) TO {} (FORMAT csv, HEADER true, COMPRESSION gzip)", select, sink::sql_quoted(unfinished)));
  std::error_code error;
  if (!written) {
    fs::remove(unfinished, error);
    return fail_because(written.error(), path + ": cannot be written");
  }
  sink::QueryResult::Row row;
  if (const auto counted = written->next(row); !counted) return std::unexpected(counted.error());
  fs::rename(unfinished, path, error);
  if (error) return std::unexpected(system_error(error.value(), path + ": cannot be written"));
  ++files_;
  on_file_({path, row.empty() || !row[0] ? 0 : std::stoull(*row[0])});
  return {};
}

Result<> Exporter::export_kind(const FileKind& kind) {
  if (!has_view(kind.type)) return {};
  const auto all = series_in(fmt::format("SELECT exchange, date, symbol FROM {}", kind.type));
  if (!all) return std::unexpected(all.error());
  for (const Series& series : *all) {
    const std::string select = fmt::format(
        "WITH mine AS ({}) SELECT {} AS exchange, {}, {}, {} FROM mine WHERE {} ORDER BY filename, file_row_number",
        rows_of(kind.type, series), sink::sql_quoted(tardis_exchange(series.exchange, series.symbol)), common_columns,
        local_time_in_order, kind.columns, kind.filter);
    if (auto copied = copy(select, kind.tardis, series); !copied) return copied;
  }
  return {};
}

Result<> Exporter::export_tickers() {
  std::vector<std::string> views;
  for (const TickerPart& part : ticker_parts) {
    // An index has a symbol of its own on some venues; it alone makes no ticker.
    if (part.type != "index_price" && has_view(part.type))
      views.push_back(fmt::format("SELECT exchange, date, symbol FROM {}", part.type));
  }
  if (views.empty()) return {};
  const auto all = series_in(fmt::format("{}", fmt::join(views, " UNION ")));
  if (!all) return std::unexpected(all.error());
  for (const Series& series : *all) {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < ticker_parts.size(); ++i) {
      const TickerPart& part = ticker_parts[i];
      std::error_code error;
      if (!fs::exists(
              fmt::format("{}/type={}/exchange={}/date={}", options_.folder, part.type, series.exchange, series.date),
              error))
        continue;
      parts.push_back(
          fmt::format("SELECT symbol, exchange_time, receive_time, {} AS part, filename, file_row_number, {} FROM ({})",
                      i, part.values, rows_of(part.type, series)));
    }
    const std::string select = fmt::format(
        "SELECT {} AS exchange, {}, epoch_ns(receive_time) // 1000 AS local_timestamp, last_value(f IGNORE NULLS) OVER "
        "so_far AS funding_timestamp, "
        "last_value(r IGNORE NULLS) OVER so_far AS funding_rate, NULL AS predicted_funding_rate, "
        "last_value(o IGNORE NULLS) OVER so_far AS open_interest, NULL AS last_price, "
        "last_value(i IGNORE NULLS) OVER so_far AS index_price, last_value(m IGNORE NULLS) OVER so_far AS mark_price "
        "FROM ({}) WINDOW so_far AS (ORDER BY receive_time, part, filename, file_row_number ROWS UNBOUNDED PRECEDING), "
        "in_order AS (ORDER BY receive_time, part, filename, file_row_number) "
        "QUALIFY lead(receive_time) OVER in_order IS DISTINCT FROM receive_time ORDER BY receive_time",
        sink::sql_quoted(tardis_exchange(series.exchange, series.symbol)), common_columns,
        fmt::join(parts, " UNION ALL "));
    if (auto copied = copy(select, "derivative_ticker", series); !copied) return copied;
  }
  return {};
}

Result<> Exporter::run() {
  for (const FileKind& kind : kinds) {
    if (auto done = export_kind(kind); !done) return done;
  }
  if (auto done = export_tickers(); !done) return done;
  if (files_ > 0) return {};
  return fail(
      ErrorCode::not_found,
      options_.folder + ": holds no trades, books, quotes, liquidations or tickers of that exchange, symbol and date",
      true);
}

bool ends_in_date(std::string_view symbol) {
  const std::size_t dash = symbol.rfind('-');
  return dash != std::string_view::npos && symbol.size() - dash == 7 &&
         std::ranges::all_of(symbol.substr(dash + 1), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::string tardis_exchange(std::string_view exchange, std::string_view symbol) {
  if (exchange != "okx") return std::string(exchange);
  if (symbol.ends_with("-SWAP")) return "okex-swap";
  if (symbol.ends_with("-C") || symbol.ends_with("-P")) return "okex-options";
  return ends_in_date(symbol) ? "okex-futures" : "okex";
}

Result<> export_tardis_csv(const TardisExportOptions& options, const std::function<void(const TardisFile&)>& on_file) {
  auto engine = sink::QueryEngine::open({.folder = options.folder});
  if (!engine) return std::unexpected(engine.error());
  if (auto writable = sink::check_writable(options.out); !writable) return writable;
  return Exporter(options, std::move(*engine), on_file).run();
}

}  // namespace marketprism::collector
