#include "marketprism/emulator/okx/dialect.hpp"

#include <algorithm>
#include <cctype>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/emulator/append.hpp"

// Source: okx.com/docs-v5/en ("WebSocket", "Error Code"), read 2026-11.
//   {"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]} → one
//   {"event":"subscribe","arg":{…},"connId":"…"} for each argument; {"event":"error","code":"60018","msg":"Wrong URL or
//   channel:…,instId:… doesn't exist. …"} 60012: not readable; 60014: too many requests. "ping" → "pong"; 30 s without
//   traffic: closed with 4004.
//   {"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please
//   reconnect."}

namespace marketprism::emulator::okx {
namespace {

enum Path : int { public_path, business_path };

constexpr Limits venue_limits{.requests = {480, std::chrono::hours(1)},
                              .connects = {3, std::chrono::seconds(1)},
                              .weight_max = 20,
                              .weight_window = std::chrono::seconds(2),
                              .closing_notice = std::chrono::seconds(30)};
constexpr Nanoseconds silence_max = std::chrono::seconds(30);

struct Argument {
  std::string_view text;  // as written
  std::string_view channel;
  std::string_view subject;  // instId, instFamily or instType
};

bool read_argument(std::string_view text, Argument& argument) {
  argument = {.text = text, .channel = {}, .subject = {}};
  std::string_view kind;
  JsonReader json(text);
  if (json.peek() != JsonReader::Kind::object) return false;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "channel") {
      argument.channel = json.text();
    } else if (key == "instId") {
      argument.subject = json.text();
    } else if (key == "instFamily" && argument.subject.empty()) {
      argument.subject = json.text();
    } else if (key == "instType") {
      kind = json.text();
    } else {
      json.skip();
    }
  }
  if (argument.subject.empty()) argument.subject = kind;
  return json.finish() && !argument.channel.empty();
}

std::string name_of(const Argument& argument) {
  std::string name;
  append(name, argument.channel, ':', argument.subject);
  return name;
}

struct Request {
  std::string_view operation;
  std::string_view id;  // empty if there is none
  std::vector<Argument> arguments;
};

bool read_request(std::string_view text, Request& request) {
  JsonReader json(text);
  if (json.peek() != JsonReader::Kind::object) return false;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "op") {
      request.operation = json.text();
    } else if (key == "id") {
      request.id = json.text();
    } else if (key == "args" && json.peek() == JsonReader::Kind::array) {
      json.enter_array();
      while (json.next_element()) {
        Argument argument;
        if (!read_argument(json.skip(), argument)) return false;
        request.arguments.push_back(argument);
      }
    } else {
      json.skip();
    }
  }
  return json.finish() && !request.arguments.empty();
}

class OkxDialect final : public Dialect {
 public:
  std::string_view exchange() const override { return "okx"; }
  const Limits& limits() const override { return venue_limits; }

  std::optional<RestAnswer> open(Client& client, const RestQuery& query, Desk& /*desk*/) const override {
    if (query.path == "/ws/v5/business") {
      client.path = business_path;
    } else if (query.path != "/ws/v5/public") {
      return RestAnswer{.status = 404, .body = "{}"};
    }
    return std::nullopt;
  }

  void receive(Client& client, std::string_view text, Desk& desk) const override;

  void tick(Client& client, Desk& desk) const override {
    if (desk.moment().now - std::max(client.last_received, client.last_sent) >= silence_max) {
      desk.close(client, 4004, "No data received in 30s.");
    }
  }

  void warn_of_closing(Client& client, Desk& desk) const override {
    std::string text;
    append(text, R"({"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. )"
                 R"(Please reconnect.",)");
    append_connection(text, client);
    desk.send(client, text);
  }

  std::string stream_of(std::string_view frame) const override;
  std::string family_of(std::string_view stream) const override { return std::string(stream); }

  std::uint64_t weight_of(const RestQuery& /*query*/) const override { return 1; }
  RestAnswer too_many_requests(Nanoseconds /*retry_after*/) const override {
    return {.status = 429, .body = R"({"msg":"Too Many Requests","code":"50011","data":[]})"};
  }
  RestAnswer not_found(const RestQuery& query) const override {
    if (query.path == "/api/v5/public/instruments") return {.body = R"({"code":"0","data":[],"msg":""})"};
    return {.status = 404, .body = R"({"code":"404","data":{},"msg":"Not Found"})"};
  }
  std::optional<RestAnswer> always(const RestQuery& query, Moment moment) const override {
    if (query.path != "/api/v5/public/time") return std::nullopt;
    RestAnswer answer;
    append(answer.body, R"({"code":"0","data":[{"ts":")", ns_since_epoch(moment.utc) / 1'000'000, R"("}],"msg":""})");
    return answer;
  }

 private:
  static void append_connection(std::string& text, const Client& client) {
    append(text, R"("connId":"e)", client.id, "\"}");
  }
  static void refuse(Client& client, Desk& desk, std::string_view code, std::string_view message, std::string_view id) {
    std::string text;
    append(text, R"({"event":"error",)");
    if (!id.empty()) append(text, R"("id":")", id, "\",");
    append(text, R"("code":")", code, R"(","msg":")");
    append_escaped(text, message);
    append(text, "\",");
    append_connection(text, client);
    desk.send(client, text);
  }
  static void acknowledge(Client& client, Desk& desk, const Request& request, const Argument& argument) {
    std::string text;
    append(text, R"({"event":")", request.operation, '"');
    if (!request.id.empty()) append(text, R"(,"id":")", request.id, '"');
    append(text, R"(,"arg":)", argument.text, ",");
    append_connection(text, client);
    desk.send(client, text);
  }
  static bool is_routed(const Client& client, const Argument& argument, const Desk& desk) {
    const bool is_business = argument.channel.starts_with("candle") || argument.channel == "trades-all";
    return is_business == (client.path == business_path) || desk.is_recorded();
  }
};

void OkxDialect::receive(Client& client, std::string_view text, Desk& desk) const {
  if (text == "ping") return desk.send(client, "pong");
  Request request;
  if (!read_request(text, request) || (request.operation != "subscribe" && request.operation != "unsubscribe")) {
    std::string message;
    append(message, "Invalid request: ", text.substr(0, 1000));
    return refuse(client, desk, "60012", message, request.id);
  }
  if (!client.requests.pass(desk.moment().now)) {
    return refuse(client, desk, "60014", "Requests too frequent", request.id);
  }
  for (const Argument& argument : request.arguments) {
    const std::string name = name_of(argument);
    if (request.operation == "unsubscribe") {
      desk.unsubscribe(client, name);
      acknowledge(client, desk, request, argument);
    } else if (is_routed(client, argument, desk) && desk.offers(name)) {
      acknowledge(client, desk, request, argument);
      desk.subscribe(client, name);
    } else {
      std::string message;
      append(message, "Wrong URL or channel:", argument.channel, ",instId:", argument.subject,
             " doesn't exist. Please use the correct URL, channel and parameters referring to API document.");
      refuse(client, desk, "60018", message, request.id);
    }
  }
}

std::string OkxDialect::stream_of(std::string_view frame) const {
  Argument argument;
  bool has_data = false;
  JsonReader json(frame);
  if (json.peek() != JsonReader::Kind::object) return {};
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "event") return {};
    if (key == "arg") {
      if (!read_argument(json.skip(), argument)) return {};
    } else {
      has_data = has_data || key == "data";
      json.skip();
    }
  }
  return json.finish() && has_data ? name_of(argument) : std::string();
}

}  // namespace

std::unique_ptr<Dialect> make_dialect() { return std::make_unique<OkxDialect>(); }

}  // namespace marketprism::emulator::okx
