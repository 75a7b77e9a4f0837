#include "marketprism/emulator/binance/dialect.hpp"

#include <algorithm>
#include <cstdlib>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/emulator/append.hpp"
#include "marketprism/emulator/binance/frame_name.hpp"
#include "marketprism/emulator/binance/rows.hpp"

// {"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1} → {"result":null,"id":1}, also for streams that do not
// exist: those stay silent. {"error":{"code":4,"msg":"Too many subscriptions"},"id":1}. More than 5 (futures 10) texts
// a second: close 1008 "Too many requests".

namespace marketprism::emulator::binance {
namespace {

constexpr std::string_view known_methods =
    "expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`";

enum Path : int { unrouted, public_path, market_path };

/// What stands in a client's text. `id` as written; "null" if there is none.
struct Request {
  std::string_view method;
  std::vector<std::string> params;
  std::string_view id = "null";
  bool is_whole = false;
};

Request read_request(std::string_view text) {
  Request request;
  JsonReader json(text);
  if (json.peek() != JsonReader::Kind::object) return request;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "method") {
      request.method = json.text();
    } else if (key == "params" && json.peek() == JsonReader::Kind::array) {
      json.enter_array();
      while (json.next_element()) request.params.push_back(unescape(json.text()));
    } else if (key == "id") {
      request.id = json.skip();
    } else {
      json.skip();
    }
  }
  request.is_whole = json.finish();
  return request;
}

class BinanceDialect final : public Dialect {
 public:
  explicit BinanceDialect(const Row& row) : row_(row) {}

  std::string_view exchange() const override { return row_.exchange; }
  const Limits& limits() const override { return row_.limits; }

  std::optional<RestAnswer> open(Client& client, const RestQuery& query, Desk& desk) const override;
  void receive(Client& client, std::string_view text, Desk& desk) const override;
  void warn_of_closing(Client& client, Desk& desk) const override {
    std::string text;
    append(text, R"({"e":"serverShutdown","E":)", ns_since_epoch(desk.moment().utc) / 1'000'000, "}");
    desk.send(client, text);
  }

  std::string stream_of(std::string_view frame) const override { return binance::stream_of(frame); }
  std::string family_of(std::string_view stream) const override { return binance::family_of(stream); }
  std::string_view shape(const Client& client, std::string_view frame, std::string_view stream,
                         std::string& scratch) const override;

  std::uint64_t weight_of(const RestQuery& query) const override;
  void add_usage(RestAnswer& answer, std::uint64_t used) const override {
    answer.headers.emplace_back("X-MBX-USED-WEIGHT-1M", std::to_string(used));
  }
  RestAnswer too_many_requests(Nanoseconds retry_after) const override;
  RestAnswer not_found(const RestQuery& query) const override;
  std::optional<RestAnswer> always(const RestQuery& query, Moment moment) const override;

 private:
  bool is_routed(const Client& client, std::string_view stream) const {
    return !row_.has_split_paths || is_public(stream) == (client.path != market_path);
  }
  /// Since 2026-04 these streams come on /public, all others on /market; unrouted URLs get the former only.
  static bool is_public(std::string_view stream) {
    const std::string_view kind = stream.substr(std::min(stream.find('@'), stream.size()));
    return kind.starts_with("@depth") || kind == "@bookTicker" || kind == "@trade";
  }
  void subscribe(Client& client, const Request& request, Desk& desk) const;
  static void reply(Client& client, Desk& desk, std::string_view key, std::string_view value, std::string_view id);
  static void refuse(Client& client, Desk& desk, int code, std::string_view message, std::string_view id);
  static void property(Client& client, const Request& request, Desk& desk);

  const Row& row_;
};

std::optional<RestAnswer> BinanceDialect::open(Client& client, const RestQuery& query, Desk& desk) const {
  std::string_view path = query.path;
  if (row_.has_split_paths && path.starts_with("/public/")) {
    client.path = public_path;
    path.remove_prefix(7);
  } else if (row_.has_split_paths && path.starts_with("/market/")) {
    client.path = market_path;
    path.remove_prefix(7);
  }
  std::string_view streams;
  if (path == "/stream" || path == "/stream/") {
    streams = query.value("streams");
  } else if (path == "/ws" || path.starts_with("/ws/")) {
    client.is_combined = false;
    streams = path.substr(std::min<std::size_t>(4, path.size()));
  } else {
    return RestAnswer{.status = 404, .body = "{}"};
  }
  Request request;
  while (!streams.empty()) {
    const std::size_t end = std::min(streams.find('/'), streams.size());
    if (end != 0) request.params.emplace_back(streams.substr(0, end));
    streams.remove_prefix(std::min(end + 1, streams.size()));
  }
  const std::size_t limit = desk.limits().streams_per_connection;
  if (limit != 0 && request.params.size() > limit) return RestAnswer{.status = 400, .body = "{}"};
  for (const std::string& stream : request.params) {
    if (is_routed(client, stream)) desk.subscribe(client, stream);
  }
  return std::nullopt;
}

void BinanceDialect::receive(Client& client, std::string_view text, Desk& desk) const {
  if (!client.requests.pass(desk.moment().now)) return desk.close(client, 1008, "Too many requests");
  const Request request = read_request(text);
  if (!request.is_whole) {
    return refuse(client, desk, 3, "Invalid JSON: expected value at line 1 column 1", "null");
  }
  if (request.method == "SUBSCRIBE") return subscribe(client, request, desk);
  if (request.method == "UNSUBSCRIBE") {
    for (const std::string& stream : request.params) desk.unsubscribe(client, stream);
    return reply(client, desk, "result", "null", request.id);
  }
  if (request.method == "LIST_SUBSCRIPTIONS") {
    std::string list = "[";
    for (const Subscription& subscription : client.subscriptions) {
      append(list, list.size() == 1 ? "\"" : ",\"");
      append_escaped(list, subscription.name);
      list += '"';
    }
    return reply(client, desk, "result", list + "]", request.id);
  }
  if (request.method == "SET_PROPERTY" || request.method == "GET_PROPERTY") return property(client, request, desk);
  std::string message = "Invalid request: ";
  if (request.method.empty()) {
    append(message, "missing field `method`");
  } else {
    append(message, "unknown variant `", request.method, "`, ", known_methods);
  }
  append(message, " at line 1 column ", text.size());
  refuse(client, desk, 2, message, request.id);
}

void BinanceDialect::subscribe(Client& client, const Request& request, Desk& desk) const {
  const std::size_t limit = desk.limits().streams_per_connection;
  std::size_t count = client.subscriptions.size();
  for (const std::string& stream : request.params) {
    const auto by_name = [](const Subscription& s) -> const std::string& { return s.name; };
    if (std::ranges::find(client.subscriptions, stream, by_name) == client.subscriptions.end()) ++count;
  }
  if (limit != 0 && count > limit) return refuse(client, desk, 4, "Too many subscriptions", request.id);
  reply(client, desk, "result", "null", request.id);
  for (const std::string& stream : request.params) {
    if (is_routed(client, stream)) desk.subscribe(client, stream);
  }
}

void BinanceDialect::property(Client& client, const Request& request, Desk& desk) {
  if (request.params.empty() || request.params[0] != "combined") {
    return refuse(client, desk, 0, "Unknown property", request.id);
  }
  if (request.method == "GET_PROPERTY") {
    return reply(client, desk, "result", client.is_combined ? "true" : "false", request.id);
  }
  if (request.params.size() != 2 || (request.params[1] != "true" && request.params[1] != "false")) {
    return refuse(client, desk, 1, "Invalid value type: expected Boolean", request.id);
  }
  client.is_combined = request.params[1] == "true";
  reply(client, desk, "result", "null", request.id);
}

void BinanceDialect::reply(Client& client, Desk& desk, std::string_view key, std::string_view value,
                           std::string_view id) {
  std::string text;
  append(text, "{\"", key, "\":", value, ",\"id\":", id, "}");
  desk.send(client, text);
}

void BinanceDialect::refuse(Client& client, Desk& desk, int code, std::string_view message, std::string_view id) {
  std::string error;
  append(error, R"({"code":)", code, R"(,"msg":")");
  append_escaped(error, message);
  append(error, "\"}");
  reply(client, desk, "error", error, id);
}

std::string_view BinanceDialect::shape(const Client& client, std::string_view frame, std::string_view stream,
                                       std::string& scratch) const {
  constexpr std::string_view start = R"({"stream":)";
  const bool is_wrapped = frame.starts_with(start);
  if (is_wrapped == client.is_combined) return frame;
  if (client.is_combined) {
    scratch.clear();
    append(scratch, start, '"', stream, R"(","data":)", frame, "}");
    return scratch;
  }
  constexpr std::string_view data = R"("data":)";
  const std::size_t at = frame.find(data);
  if (at == std::string_view::npos || !frame.ends_with('}')) return frame;
  frame.remove_prefix(at + data.size());
  frame.remove_suffix(1);
  return frame;
}

std::uint64_t BinanceDialect::weight_of(const RestQuery& query) const {
  if (query.path.ends_with("/exchangeInfo")) return row_.instruments_weight;
  if (!query.path.ends_with("/depth")) return 1;
  const std::string_view limit = query.value("limit");
  const int levels = limit.empty() ? 100 : std::atoi(std::string(limit).c_str());
  for (const DepthWeight& step : row_.depth_weights) {
    if (levels <= step.levels) return step.weight;
  }
  return row_.depth_weights.back().weight;
}

RestAnswer BinanceDialect::too_many_requests(Nanoseconds retry_after) const {
  RestAnswer answer{.status = 429};
  append(answer.body, R"({"code":-1003,"msg":"Too much request weight used; current limit is )", row_.limits.weight_max,
         R"( request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."})");
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
  answer.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
  return answer;
}

RestAnswer BinanceDialect::not_found(const RestQuery& query) const {
  if (!query.path.starts_with(row_.api)) return {.status = 404, .body = "{}"};
  return {.status = 400, .body = R"({"code":-1121,"msg":"Invalid symbol."})"};
}

std::optional<RestAnswer> BinanceDialect::always(const RestQuery& query, Moment moment) const {
  if (!query.path.starts_with(row_.api)) return std::nullopt;
  const std::string_view name = std::string_view(query.path).substr(row_.api.size());
  if (name == "/ping") return RestAnswer{.body = "{}"};
  if (name != "/time") return std::nullopt;
  RestAnswer answer;
  append(answer.body, R"({"serverTime":)", ns_since_epoch(moment.utc) / 1'000'000, "}");
  return answer;
}

}  // namespace

std::unique_ptr<Dialect> make_dialect(std::string_view exchange) {
  const Row* const row = row_of(exchange);
  return row == nullptr ? nullptr : std::make_unique<BinanceDialect>(*row);
}

}  // namespace marketprism::emulator::binance
