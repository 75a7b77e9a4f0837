#include "marketprism/collector/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "marketprism/base/nearest.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/monitor/admin_server.hpp"
#include "marketprism/net/proxy.hpp"

namespace marketprism::collector {
namespace {

/// Reads the keys of one TOML table and remembers the first fault. Every key must be asked for; `finish` refuses the
/// rest.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string place, std::string_view file)
      : table_(table), place_(std::move(place)), file_(file) {}

  void read(std::string_view key, std::string& value) {
    if (const toml::node* node = find(key)) {
      if (const auto text = node->value_exact<std::string>()) {
        value = *text;
      } else {
        fault(*node, fmt::format("{} must be a text", key));
      }
    }
  }
  void read(std::string_view key, bool& value) {
    if (const toml::node* node = find(key)) {
      if (const auto flag = node->value_exact<bool>()) {
        value = *flag;
      } else {
        fault(*node, fmt::format("{} must be true or false", key));
      }
    }
  }
  /// Null: it is not there, or it is no table, which is a fault.
  const toml::table* find_table(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) fault(*node, fmt::format("{} must be a table", key));
    return node->as_table();
  }
  template <class Integer>
  void read_integer(std::string_view key, Integer& value, std::int64_t low, std::int64_t high) {
    if (const toml::node* node = find(key)) {
      const auto number = node->value_exact<std::int64_t>();
      if (number && *number >= low && *number <= high) {
        value = static_cast<Integer>(*number);
      } else {
        fault(*node, fmt::format("{} must be a whole number from {} to {}", key, low, high));
      }
    }
  }
  void read_seconds(std::string_view key, std::chrono::seconds& value, std::int64_t low, std::int64_t high) {
    std::int64_t seconds = value.count();
    read_integer(key, seconds, low, high);
    value = std::chrono::seconds(seconds);
  }
  void read(std::string_view key, std::vector<std::string>& value) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    value.clear();
    const toml::array* list = node->as_array();
    if (list == nullptr) return fault(*node, fmt::format("{} must be a list of texts", key));
    for (const toml::node& element : *list) {
      if (const auto text = element.value_exact<std::string>()) {
        value.push_back(*text);
      } else {
        return fault(element, fmt::format("{} must be a list of texts", key));
      }
    }
  }
  void read(std::string_view key, std::map<std::string, std::string>& value) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return fault(*node, fmt::format("{} must be a table of texts", key));
    for (const auto& [name, element] : *table) {
      if (const auto text = element.value_exact<std::string>()) {
        value[std::string(name.str())] = *text;
      } else {
        return fault(element, fmt::format("{}.{} must be a text", key, name.str()));
      }
    }
  }
  const toml::node* find(std::string_view key) {
    known_.push_back(key);
    const toml::node* node = table_.get(key);
    return node;
  }
  void fault(const toml::node& node, std::string_view text) { fault_at(node.source().begin.line, text); }
  void fault_at(std::uint32_t line, std::string_view text) {
    if (!error_)
      error_ =
          Error{ErrorCode::invalid_argument, fmt::format("{}:{}: {} ({})", file_, line, text, place_), true, nullptr};
  }
  std::optional<Error> finish() {
    for (const auto& [name, node] : table_) {
      if (error_ || std::ranges::find(known_, name.str()) != known_.end()) continue;
      fault_at(name.source().begin.line,
               fmt::format("unknown key \"{}\"; did you mean \"{}\"?", name.str(), nearest(name.str(), known_)));
    }
    return error_;
  }
  const std::string& place() const { return place_; }

 private:
  const toml::table& table_;
  std::string place_;
  std::string_view file_;
  std::vector<std::string_view> known_;
  std::optional<Error> error_;
};

std::optional<Error> read_streams(const toml::node* node, exchange::Variants& streams, TableReader& parent,
                                  std::string_view file) {
  if (node == nullptr) return std::nullopt;
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    parent.fault(*node, "streams must be a table");
    return std::nullopt;
  }
  TableReader reader(*table, parent.place() + ".streams", file);
  reader.read("trade", streams.trade);
  reader.read("book", streams.book);
  reader.read("bbo", streams.bbo);
  reader.read("candle", streams.candle);
  reader.read("mark_price", streams.mark_price);
  return reader.finish();
}

Result<ExchangeConfig> read_exchange(const toml::table& table, std::size_t index, std::string_view file) {
  ExchangeConfig config;
  TableReader reader(table, fmt::format("[[exchange]] number {}", index + 1), file);
  std::vector<std::string> channels;
  reader.read("name", config.name);
  reader.read("symbols", config.symbols);
  reader.read("channels", channels);
  const toml::node* streams = reader.find("streams");
  reader.read_integer("snapshot_depth", config.snapshot_depth, 1, 5000);
  reader.read_seconds("connection_lifetime_s", config.connection_lifetime, 1, 86'400);
  reader.read_seconds("poll_interval_s", config.poll_interval, 1, 86'400);
  reader.read("address", config.address);
  reader.read("rest_url", config.rest_url);
  reader.read("websocket_urls", config.websocket_urls);
  reader.read("proxy", config.proxy);
  reader.read_integer("streams_per_connection", config.streams_per_connection, 1, 100'000);
  if (auto error = read_streams(streams, config.streams, reader, file)) return std::unexpected(*error);
  auto parsed = parse_channels(channels);
  if (!parsed) reader.fault(*table.get("channels"), parsed.error().message);
  if (auto error = reader.finish()) return std::unexpected(*error);
  config.channels = std::move(*parsed);
  return config;
}

Result<std::vector<ExchangeConfig>> read_exchanges(const toml::node& node, TableReader& parent, std::string_view file) {
  std::vector<ExchangeConfig> exchanges;
  const toml::array* list = node.as_array();
  if (list == nullptr) {
    parent.fault(node, "write [[exchange]] with two brackets: there may be several");
    return exchanges;
  }
  for (const toml::node& element : *list) {
    const toml::table* table = element.as_table();
    if (table == nullptr) {
      parent.fault(element, "exchange must be a list of tables");
      return exchanges;
    }
    auto read = read_exchange(*table, exchanges.size(), file);
    if (!read) return std::unexpected(read.error());
    exchanges.push_back(std::move(*read));
  }
  return exchanges;
}

std::optional<Error> read_store(TableReader& parent, StoreConfig& store, std::string_view file) {
  const toml::table* table = parent.find_table("store");
  if (table == nullptr) return std::nullopt;
  TableReader reader(*table, "[store]", file);
  reader.read("directory", store.directory);
  reader.read("sinks", store.sinks);
  reader.read("exact", store.exact);
  reader.read_integer("rotate_rows", store.rotate_rows, 1000, 100'000'000);
  reader.read_integer("rotate_bytes", store.rotate_bytes, 1 << 20, std::int64_t{1} << 32);
  reader.read_seconds("rotate_age_s", store.rotate_age, 1, 86'400);
  return reader.finish();
}

std::optional<Error> read_memory(TableReader& parent, MemoryConfig& memory, std::string_view file) {
  const toml::table* table = parent.find_table("memory");
  if (table == nullptr) return std::nullopt;
  TableReader reader(*table, "[memory]", file);
  reader.read_integer("books_bytes", memory.books_bytes, 16 << 20, std::int64_t{1} << 40);
  return reader.finish();
}

std::optional<Error> read_admin(TableReader& parent, AdminConfig& admin, std::string_view file) {
  const toml::table* table = parent.find_table("admin");
  if (table == nullptr) return std::nullopt;
  TableReader reader(*table, "[admin]", file);
  admin.is_on = true;
  reader.read("listen", admin.listen);
  reader.read("token", admin.token);
  reader.read_seconds("late_after_s", admin.late_after, 1, 86'400);
  reader.read_seconds("stale_after_s", admin.stale_after, 1, 86'400);
  return reader.finish();
}

}  // namespace

Result<std::vector<exchange::Channel>> parse_channels(const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (std::size_t i = 0; i < exchange::channel_count; ++i) known.push_back(name_of(static_cast<exchange::Channel>(i)));
  std::vector<exchange::Channel> channels;
  for (const std::string& name : names) {
    const auto channel = exchange::channel_of(name);
    if (!channel) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("unknown channel \"{}\"; did you mean \"{}\"? There are {}", name, nearest(name, known),
                              fmt::join(known, ", ")),
                  true);
    }
    if (std::ranges::find(channels, *channel) == channels.end()) channels.push_back(*channel);
  }
  return channels;
}

Result<CollectConfig> parse_config(std::string_view text, std::string_view name) {
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    return fail(
        ErrorCode::malformed,
        fmt::format("{}:{}: not TOML: {}", name, parsed.error().source().begin.line, parsed.error().description()),
        true);
  }
  CollectConfig config;
  TableReader reader(parsed.table(), "top level", name);
  reader.read("ca_file", config.ca_file);
  reader.read_seconds("duration_s", config.duration, 1, 366 * 86'400);
  reader.read_seconds("drain_timeout_s", config.drain_timeout, 1, 600);
  if (auto error = read_store(reader, config.store, name)) return std::unexpected(*error);
  if (auto error = read_memory(reader, config.memory, name)) return std::unexpected(*error);
  if (auto error = read_admin(reader, config.admin, name)) return std::unexpected(*error);
  if (const toml::node* node = reader.find("exchange")) {
    auto exchanges = read_exchanges(*node, reader, name);
    if (!exchanges) return std::unexpected(exchanges.error());
    config.exchanges = std::move(*exchanges);
  }
  if (auto error = reader.finish()) return std::unexpected(*error);
  if (auto checked = check(config); !checked) return fail_because(checked.error(), std::string(name));
  return config;
}

Result<CollectConfig> read_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(system_error(errno, "cannot read the configuration " + path));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return parse_config(text, path);
}

Result<> check(const CollectConfig& config) {
  const auto wrong = [](std::string text) { return fail(ErrorCode::invalid_argument, std::move(text), true); };
  if (config.exchanges.empty()) return wrong("nothing to collect: no exchange is named");
  static constexpr std::array<std::string_view, 3> known_sinks{"tape", "parquet", "jsonl"};
  for (const std::string& sink : config.store.sinks) {
    if (std::ranges::find(known_sinks, sink) == known_sinks.end()) {
      return wrong(fmt::format("unknown sink \"{}\"; did you mean \"{}\"? There are {}", sink,
                               nearest(sink, known_sinks), fmt::join(known_sinks, ", ")));
    }
  }
  if (config.admin.is_on) {
    if (auto checked = monitor::check({.listen = config.admin.listen, .token = config.admin.token}); !checked)
      return checked;
    if (config.admin.stale_after < config.admin.late_after) return wrong("admin: stale_after_s is below late_after_s");
  }
  for (const ExchangeConfig& venue : config.exchanges) {
    const auto adapter = exchange::make_adapter(venue.name);
    if (!adapter) return std::unexpected(adapter.error());
    if (venue.symbols.empty())
      return wrong(fmt::format("{}: no symbols; give names or a pattern like \"BTC*\"", venue.name));
    if (const auto proxy = net::ProxySettings::parse(venue.proxy); !proxy)
      return fail_because(proxy.error(), fmt::format("{}: proxy", venue.name));
    if (venue.channels.empty()) return wrong(fmt::format("{}: no channels; for example trade, book, bbo", venue.name));
    for (const auto& [endpoint, url] : venue.websocket_urls) {
      std::vector<std::string_view> names;
      for (const auto& socket : (*adapter)->facts().websockets) names.push_back(socket.name);
      if (std::ranges::find(names, endpoint) != names.end()) continue;
      return wrong(fmt::format("{}: unknown endpoint \"{}\" in websocket_urls; there are {}", venue.name, endpoint,
                               fmt::join(names, ", ")));
    }
  }
  return {};
}

}  // namespace marketprism::collector
