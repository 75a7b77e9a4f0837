#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/exchange/adapter.hpp"

namespace marketprism::collector {

/// What to collect from one venue.
struct ExchangeConfig {
  std::string name;
  std::vector<std::string> symbols;  ///< native names, canonical names (`BTC-USDT-PERP`) or globs
  std::vector<exchange::Channel> channels;
  exchange::Variants streams;
  int snapshot_depth = 0;  ///< levels a side of REST snapshots; 0: the venue's default
  std::chrono::seconds connection_lifetime{
      0};                                 ///< a WebSocket is replaced then; 0: 15 minutes before the venue cuts it
  std::chrono::seconds poll_interval{0};  ///< of channels that come by REST only; 0: the venue's default
  std::string address;                    ///< "https://host:port": in place of the venue's hosts, paths stay
  std::string rest_url;                   ///< in place of the venue's, with scheme; wins over `address`
  std::map<std::string, std::string> websocket_urls;  ///< by the endpoint's name ("public", "market", …), whole URLs
  std::string proxy = "environment";                  ///< a URL, "" for none; see net::ProxySettings
  std::size_t streams_per_connection = 0;             ///< fewer than the venue allows; 0: as the venue allows
};

struct StoreConfig {
  std::string directory = "data";
  std::vector<std::string> sinks = {"tape", "parquet"};  ///< any of tape, parquet, jsonl
  bool exact = false;                                    ///< DECIMAL(38,18) instead of DOUBLE
  std::uint64_t rotate_rows = 2'000'000;
  std::uint64_t rotate_bytes = 32ULL << 20;  ///< of a file's rows in memory, before they are compressed
  std::chrono::seconds rotate_age{300};
};

/// What parts of the program may hold; queues, blocks and pools have limits of their own.
struct MemoryConfig {
  /// Order books and the deltas held for them, of all venues. A warning at 80 %. At the limit a book that would grow is
  /// given up with a gap ("memory_limit") and tried again.
  std::uint64_t books_bytes = 2ULL << 30;
};

/// The admin API, metrics and dashboard.
struct AdminConfig {
  bool is_on = false;                    ///< by the table [admin] or --admin
  std::string listen = "127.0.0.1:0";    ///< address:port; port 0: any free one, told at the start
  std::string token;                     ///< needed unless `listen` is this machine alone
  std::chrono::seconds late_after{5};    ///< without data of a fast type for so long a feed is amber
  std::chrono::seconds stale_after{15};  ///< … red, and the collector not ready
};

/// Everything `collect` can be told. Plain data; `check` says whether it makes sense.
struct CollectConfig {
  std::vector<ExchangeConfig> exchanges;
  StoreConfig store;
  MemoryConfig memory;
  AdminConfig admin;
  std::string ca_file;                     ///< trust these certificates too
  std::chrono::seconds duration{0};        ///< end after this; 0: run until told
  std::chrono::seconds drain_timeout{10};  ///< at the end: for queues to empty
};

/// Reads TOML text; `name` stands before the line in errors ("collect.toml:7: …"). Unknown keys, wrong types and values
/// out of range are refused, with the nearest known name.
Result<CollectConfig> parse_config(std::string_view text, std::string_view name);
Result<CollectConfig> read_config(const std::string& path);

/// Fills in nothing; names the first thing that cannot work (no exchange, unknown exchange, no symbols, …).
Result<> check(const CollectConfig& config);

/// The channels of a list of names; an unknown one is an error with the nearest known.
Result<std::vector<exchange::Channel>> parse_channels(const std::vector<std::string>& names);

}  // namespace marketprism::collector
