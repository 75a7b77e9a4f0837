// JSON of books and of the configuration.
#include "marketprism/collector/picture_json.hpp"
#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::collector {
namespace {

using monitor::JsonWriter;

double age_s(UnixTime time, UnixTime now) {
  return time == no_time ? -1.0 : static_cast<double>((now - time).count()) * 1e-9;
}

void add_levels(JsonWriter& json, std::string_view key, const std::vector<market::Level>& levels) {
  json.begin_array(key);
  for (const market::Level& level : levels)
    json.begin_array().value(level.price.to_string()).value(level.amount.to_string()).end_array();
  json.end_array();
}

/// "https://user:secret@host/path" → "https://host/path".
std::string without_user(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = std::min(url.find('/', begin), url.size());
  const std::size_t at = url.rfind('@', end);
  if (at == std::string::npos || at < begin) return url;
  return url.substr(0, begin) + url.substr(at + 1);
}

void add_exchange(JsonWriter& json, const ExchangeConfig& exchange) {
  json.begin_object().field("name", exchange.name).begin_array("symbols");
  for (const std::string& symbol : exchange.symbols) json.value(symbol);
  json.end_array().begin_array("channels");
  for (const exchange::Channel channel : exchange.channels) json.value(name_of(channel));
  json.end_array().field("snapshot_depth", exchange.snapshot_depth);
  json.field("poll_interval_s", exchange.poll_interval.count());
  json.field("streams_per_connection", exchange.streams_per_connection);
  json.field("address", without_user(exchange.address)).field("rest_url", without_user(exchange.rest_url));
  json.field("proxy", without_user(exchange.proxy));
  json.begin_object("websocket_urls");
  for (const auto& [name, url] : exchange.websocket_urls) json.field(name, without_user(url));
  json.end_object().end_object();
}

}  // namespace

std::string config_json(const CollectConfig& config) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("exchanges");
  for (const ExchangeConfig& exchange : config.exchanges) add_exchange(json, exchange);
  json.end_array().begin_object("store").field("directory", config.store.directory).begin_array("sinks");
  for (const std::string& sink : config.store.sinks) json.value(sink);
  json.end_array().field("exact", config.store.exact).field("rotate_rows", config.store.rotate_rows);
  json.field("rotate_bytes", config.store.rotate_bytes).field("rotate_age_s", config.store.rotate_age.count());
  json.end_object().begin_object("memory").field("books_bytes", config.memory.books_bytes);
  json.end_object().begin_object("admin").field("listen", config.admin.listen);
  json.field("needs_token", !config.admin.token.empty());
  json.field("late_after_s", config.admin.late_after.count());
  json.field("stale_after_s", config.admin.stale_after.count()).end_object();
  json.field("ca_file", config.ca_file).field("duration_s", config.duration.count());
  json.field("drain_timeout_s", config.drain_timeout.count()).end_object();
  return text;
}

std::string book_json(const BookSnapshot& book) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("exchange", book.exchange).field("symbol", book.symbol);
  json.field("is_known", book.is_known).field("is_live", book.is_live);
  json.field("bid_levels", book.bid_levels).field("ask_levels", book.ask_levels);
  add_levels(json, "bids", book.bids);
  add_levels(json, "asks", book.asks);
  json.begin_array("trades");
  for (const TradeRecord& trade : book.trades) {
    json.begin_object().field("number", trade.number).field("time_ms", ns_since_epoch(trade.time) / 1'000'000);
    json.field("side", name_of(trade.side)).field("price", trade.price.to_string());
    json.field("amount", trade.amount.to_string()).end_object();
  }
  json.end_array().end_object();
  return text;
}

std::string books_json(std::span<const BookSummary> books, UnixTime now) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("books");
  for (const BookSummary& book : books) {
    json.begin_object().field("exchange", book.exchange).field("symbol", book.symbol).field("is_live", book.is_live);
    json.field("bid_levels", book.bid_levels).field("ask_levels", book.ask_levels);
    json.field("bid", book.bid ? book.bid->to_string() : std::string());
    json.field("ask", book.ask ? book.ask->to_string() : std::string());
    json.field("age_s", age_s(book.last_receive, now)).end_object();
  }
  json.end_array().end_object();
  return text;
}

}  // namespace marketprism::collector
