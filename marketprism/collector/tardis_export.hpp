#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"

namespace marketprism::collector {

struct TardisExportOptions {
  std::string folder;                  ///< the store's DIR
  std::string out;                     ///< where the files go; made if missing
  std::vector<std::string> exchanges;  ///< our names; empty: all
  std::vector<std::string> symbols;    ///< the exchange's own or globs of them; empty: all
  std::vector<std::string> dates;      ///< "2026-11-23"; empty: all
};

struct TardisFile {
  std::string path;
  std::uint64_t rows = 0;
};

/// Writes what a store holds as Tardis' daily CSV files, `{exchange}_{type}_{date}_{symbol}.csv.gz`, types trades,
/// incremental_book_L2, quotes, liquidations and derivative_ticker, in the order in which they were stored, which
/// is that of local_timestamp (our receive time). Times are microseconds. Where a symbol has single fills and merged
/// ones, the single fills are written. derivative_ticker has a row for each message that brings one of its values, with
/// the last of the others; predicted_funding_rate and last_price stay empty. A file is written under a temporary name
/// and then replaces what had its name. `on_file` is told of each. Fails where the folder holds no data, nothing
/// matches, or `out` cannot be written. One thread, blocks. Columns:
/// https://docs.tardis.dev/downloadable-csv-files/data-types (read 2026-11-23).
Result<> export_tardis_csv(const TardisExportOptions& options, const std::function<void(const TardisFile&)>& on_file);

/// Tardis' id for an exchange of ours; OKX, which is one exchange here, is four there, told apart by the instrument.
/// https://api.tardis.dev/v1/exchanges (read 2026-11-23).
std::string tardis_exchange(std::string_view exchange, std::string_view symbol);

}  // namespace marketprism::collector
