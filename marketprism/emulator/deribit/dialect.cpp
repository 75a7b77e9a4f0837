#include "marketprism/emulator/deribit/dialect.hpp"

#include <algorithm>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/emulator/append.hpp"

// Source: docs.deribit.com (articles/rate-limits, public/subscribe, public/set_heartbeat), read 2026-11.
//   {"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.100ms"]}} → the
//   channels that were subscribed, in "result"; those that do not exist are left out without an error. Errors: -32700
//   and -32600 not readable, -32601 no such method, -32602 bad parameters, 10028 too many requests (and the connection
//   ends), 13778 raw without a login. 3,000 of 30,000 credits a subscription, 10,000 come back each second.

namespace marketprism::emulator::deribit {
namespace {

constexpr Limits venue_limits{.streams_per_connection = 500,
                              .requests = {10, std::chrono::seconds(3)},
                              .connections_max = 32,
                              .weight_max = 50'000 / 500,
                              .weight_window = std::chrono::seconds(5)};

struct Request {
  std::string_view id = "null";  // as written
  std::string_view method;
  std::string_view interval;  // of set_heartbeat
  std::vector<std::string> channels;
  bool has_channels = false;
};

void read_params(JsonReader& json, Request& request) {
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "channels" && json.peek() == JsonReader::Kind::array) {
      request.has_channels = true;
      json.enter_array();
      while (json.next_element()) request.channels.push_back(unescape(json.text()));
    } else if (key == "interval") {
      request.interval = json.text();
    } else {
      json.skip();
    }
  }
}

bool read_request(std::string_view text, Request& request) {
  JsonReader json(text);
  if (json.peek() != JsonReader::Kind::object) return false;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "id") {
      request.id = json.skip();
    } else if (key == "method") {
      request.method = json.text();
    } else if (key == "params" && json.peek() == JsonReader::Kind::object) {
      read_params(json, request);
    } else {
      json.skip();
    }
  }
  return json.finish();
}

class DeribitDialect final : public Dialect {
 public:
  std::string_view exchange() const override { return "deribit"; }
  const Limits& limits() const override { return venue_limits; }

  std::optional<RestAnswer> open(Client& /*client*/, const RestQuery& query, Desk& /*desk*/) const override {
    if (query.path == "/ws/api/v2" || query.path == "/ws/api/v2/") return std::nullopt;
    return RestAnswer{.status = 404, .body = "{}"};
  }
  void receive(Client& client, std::string_view text, Desk& desk) const override;
  void tick(Client& client, Desk& desk) const override;
  /// The venue has no notice of its own: it only cuts.
  void warn_of_closing(Client& /*client*/, Desk& /*desk*/) const override {}

  std::string stream_of(std::string_view frame) const override;
  std::string family_of(std::string_view stream) const override;

  std::uint64_t weight_of(const RestQuery& /*query*/) const override { return 1; }
  RestAnswer too_many_requests(Nanoseconds /*retry_after*/) const override {
    return {.status = 429, .body = R"({"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}})"};
  }
  RestAnswer not_found(const RestQuery& query) const override {
    if (query.path == "/api/v2/public/get_instruments") {
      return {.status = 400,
              .body = R"({"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params",)"
                      R"("data":{"reason":"invalid value","param":"currency"}}})"};
    }
    return {.status = 404, .body = R"({"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"}})"};
  }
  std::optional<RestAnswer> always(const RestQuery& query, Moment moment) const override {
    RestAnswer answer;
    if (query.path == "/api/v2/public/get_time") {
      append(answer.body, R"({"jsonrpc":"2.0","result":)", ns_since_epoch(moment.utc) / 1'000'000, "}");
    } else if (query.path == "/api/v2/public/test") {
      append(answer.body, R"({"jsonrpc":"2.0","result":{"version":"1.2.26"}})");
    } else {
      return std::nullopt;
    }
    return answer;
  }
  bool joins_answers(const RestQuery& query) const override {
    return query.path.ends_with("/get_instruments") && query.value("currency") == "any";
  }
  std::string join(const std::vector<std::string_view>& bodies) const override;

 private:
  static void reply(Client& client, Desk& desk, std::string_view key, std::string_view value, std::string_view id);
  static void refuse(Client& client, Desk& desk, int code, std::string_view message, std::string_view id,
                     std::string_view data = {});
  static void subscribe(Client& client, const Request& request, Desk& desk);
  static void unsubscribe(Client& client, const Request& request, Desk& desk);
  static void set_heartbeat(Client& client, const Request& request, Desk& desk);
};

void DeribitDialect::reply(Client& client, Desk& desk, std::string_view key, std::string_view value,
                           std::string_view id) {
  const std::int64_t us = ns_since_epoch(desk.moment().utc) / 1'000;
  std::string text;
  append(text, R"({"jsonrpc":"2.0","id":)", id, ",\"", key, "\":", value, R"(,"usIn":)", us, R"(,"usOut":)", us,
         R"(,"usDiff":0,"testnet":false})");
  desk.send(client, text);
}

void DeribitDialect::refuse(Client& client, Desk& desk, int code, std::string_view message, std::string_view id,
                            std::string_view data) {
  std::string error;
  append(error, R"({"code":)", code, R"(,"message":")", message, '"');
  if (!data.empty()) append(error, R"(,"data":)", data);
  error += '}';
  reply(client, desk, "error", error, id);
}

void DeribitDialect::receive(Client& client, std::string_view text, Desk& desk) const {
  Request request;
  if (!read_request(text, request)) return refuse(client, desk, -32700, "Parse error", "null");
  if (request.method.empty()) return refuse(client, desk, -32600, "Invalid Request", request.id);
  client.owes_test = false;
  if (request.method == "public/test") return reply(client, desk, "result", R"({"version":"1.2.26"})", request.id);
  if (!client.requests.pass(desk.moment().now)) {
    refuse(client, desk, 10028, "too_many_requests", request.id);
    return desk.close(client, 1008, "too_many_requests");
  }
  if (request.method == "public/subscribe") return subscribe(client, request, desk);
  if (request.method == "public/unsubscribe") return unsubscribe(client, request, desk);
  if (request.method == "public/set_heartbeat") return set_heartbeat(client, request, desk);
  if (request.method == "public/disable_heartbeat") {
    client.heartbeat = Nanoseconds(0);
    return reply(client, desk, "result", "\"ok\"", request.id);
  }
  if (request.method == "public/unsubscribe_all") {
    while (!client.subscriptions.empty()) desk.unsubscribe(client, std::string(client.subscriptions.back().name));
    return reply(client, desk, "result", "\"ok\"", request.id);
  }
  if (request.method == "public/get_time") {
    return reply(client, desk, "result", std::to_string(ns_since_epoch(desk.moment().utc) / 1'000'000), request.id);
  }
  if (request.method == "public/hello") return reply(client, desk, "result", R"({"version":"1.2.26"})", request.id);
  refuse(client, desk, -32601, "Method not found", request.id);
}

void DeribitDialect::subscribe(Client& client, const Request& request, Desk& desk) {
  if (!request.has_channels) {
    return refuse(client, desk, -32602, "Invalid params", request.id,
                  R"({"reason":"value must be a list","param":"channels"})");
  }
  const std::size_t limit = desk.limits().streams_per_connection;
  if (limit != 0 && client.subscriptions.size() + request.channels.size() > limit) {
    return refuse(client, desk, -32602, "Invalid params", request.id,
                  R"({"reason":"too many channels","param":"channels"})");
  }
  std::vector<std::string_view> granted;
  for (const std::string& channel : request.channels) {
    if (channel.ends_with(".raw") && !desk.is_recorded()) {
      return refuse(client, desk, 13778, "raw_subscriptions_not_available_for_unauthorized", request.id);
    }
    if (desk.offers(channel)) granted.push_back(channel);
  }
  std::string list = "[";
  for (const std::string_view channel : granted) {
    append(list, list.size() == 1 ? "\"" : ",\"");
    append_escaped(list, channel);
    list += '"';
  }
  list += ']';
  reply(client, desk, "result", list, request.id);
  for (const std::string_view channel : granted) desk.subscribe(client, channel);
}

void DeribitDialect::unsubscribe(Client& client, const Request& request, Desk& desk) {
  std::string list = "[";
  for (const std::string& channel : request.channels) {
    if (!desk.unsubscribe(client, channel)) continue;
    append(list, list.size() == 1 ? "\"" : ",\"");
    append_escaped(list, channel);
    list += '"';
  }
  reply(client, desk, "result", list + "]", request.id);
}

void DeribitDialect::set_heartbeat(Client& client, const Request& request, Desk& desk) {
  JsonReader number(request.interval);
  const std::int64_t interval_s = request.interval.empty() ? 0 : number.integer();
  if (interval_s < 10) {
    return refuse(client, desk, -32602, "Invalid params", request.id,
                  R"({"reason":"value must be at least 10","param":"interval"})");
  }
  client.heartbeat = std::chrono::seconds(interval_s);
  client.next_heartbeat = desk.moment().now + client.heartbeat;
  reply(client, desk, "result", "\"ok\"", request.id);
}

// Each interval a heartbeat and a test_request; who has not answered the last one by then is cut off.
void DeribitDialect::tick(Client& client, Desk& desk) const {
  if (client.heartbeat.count() == 0 || desk.moment().now < client.next_heartbeat) return;
  if (client.owes_test) return desk.close(client, 1000, "heartbeat timeout");
  client.next_heartbeat = desk.moment().now + client.heartbeat;
  client.owes_test = true;
  desk.send(client, R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}})");
  desk.send(client, R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}})");
}

std::string DeribitDialect::stream_of(std::string_view frame) const {
  std::string_view channel, method;
  JsonReader json(frame);
  if (json.peek() != JsonReader::Kind::object) return {};
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "method") {
      method = json.text();
    } else if (key == "params" && json.peek() == JsonReader::Kind::object) {
      json.enter_object();
      for (std::string_view inner; json.next_key(inner);) {
        if (inner == "channel") {
          channel = json.text();
        } else {
          json.skip();
        }
      }
    } else {
      json.skip();
    }
  }
  return json.finish() && method == "subscription" ? std::string(channel) : std::string();
}

// "book.BTC-PERPETUAL.raw" and "book.BTC-PERPETUAL.100ms" are the same data at different paces.
std::string DeribitDialect::family_of(std::string_view stream) const {
  for (const std::string_view pace : {".raw", ".100ms", ".agg2"}) {
    if (stream.ends_with(pace)) return std::string(stream.substr(0, stream.size() - pace.size()));
  }
  return std::string(stream);
}

std::string DeribitDialect::join(const std::vector<std::string_view>& bodies) const {
  std::string joined = R"({"jsonrpc":"2.0","result":[)";
  for (const std::string_view body : bodies) {
    JsonReader json(body);
    if (json.peek() != JsonReader::Kind::object) continue;
    json.enter_object();
    for (std::string_view key; json.next_key(key);) {
      std::string_view value = json.skip();
      if (key != "result" || value.size() <= 2 || !value.starts_with('[')) continue;
      value = value.substr(1, value.size() - 2);
      append(joined, joined.back() == '[' ? "" : ",", value);
    }
  }
  return joined + "]}";
}

}  // namespace

std::unique_ptr<Dialect> make_dialect() { return std::make_unique<DeribitDialect>(); }

}  // namespace marketprism::emulator::deribit
