#include <algorithm>

#include <fmt/format.h>

#include "marketprism/exchange/deribit/decode.hpp"
#include "marketprism/exchange/deribit/facts.hpp"

// Payloads, hand-written (sources in facts.hpp):
//   {"jsonrpc":"2.0","id":7,"result":["book.BTC-PERPETUAL.100ms"],"usIn":1,"usOut":2,"usDiff":1,"testnet":false}
//     the channels that are accepted; those that do not exist are left out without a word
//   {"jsonrpc":"2.0","id":7,"error":{"code":10028,"message":"too_many_requests","data":{"reason":"…"}}}
//   {"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}   or "test_request": to be answered with
//     public/test, else the venue cuts the connection
//   {"jsonrpc":"2.0","id":2000000002,"result":{"version":"1.2.26"}}

namespace marketprism::exchange::deribit {

void OpenRequests::remember(std::int64_t id, std::span<const std::string> names) {
  if (requests_.size() == requests_max) requests_.erase(requests_.begin());
  requests_.push_back({id, {names.begin(), names.end()}});
}

std::vector<std::string> OpenRequests::take(std::int64_t id, std::span<const std::string_view> accepted) {
  const auto request = std::ranges::find_if(requests_, [&](const Request& r) {
    return r.id == id && std::ranges::all_of(accepted, [&](std::string_view name) {
             return std::ranges::find(r.names, name) != r.names.end();
           });
  });
  if (request == requests_.end()) return {};
  std::vector<std::string> names = std::move(request->names);
  requests_.erase(request);
  return names;
}

void OpenRequests::forget(std::int64_t id) {
  const auto request = std::ranges::find(requests_, id, &Request::id);
  if (request != requests_.end()) requests_.erase(request);
}

bool Decoder::read_result(JsonReader& json) {
  has_result_ = true;
  if (json.peek() != JsonReader::Kind::array) {
    json.skip();
    return !json.failed();
  }
  json.enter_array();
  while (json.next_element()) {
    if (json.peek() == JsonReader::Kind::string) {
      accepted_.push_back(json.string());
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

bool Decoder::read_error(JsonReader& json) {
  if (json.peek() != JsonReader::Kind::object) {
    json.skip();
    return !json.failed();
  }
  has_error_ = true;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "code") {
      error_code_ = json.text();
    } else if (key == "message") {
      error_text_ = json.text();
    } else if (key == "data" && json.peek() == JsonReader::Kind::object) {
      json.enter_object();
      for (std::string_view inner; json.next_key(inner);) {
        if (inner == "reason" && json.peek() == JsonReader::Kind::string) {
          error_reason_ = json.string();
        } else {
          json.skip();
        }
      }
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

Decoded Decoder::emit_answer(DecodeHandler& handler) {
  using Kind = ControlMessage::Kind;
  const std::int64_t id = whole_number(id_).value_or(-1);
  const bool is_own = id >= own_id_offset;
  const bool is_unsubscription = !is_own && id >= unsubscribe_id_offset;
  ControlMessage message{.stream = {}, .text = {}};
  message.id = is_own ? -1 : is_unsubscription ? id - unsubscribe_id_offset : id;
  if (has_error_) {
    text_.assign(error_text_);
    if (!error_reason_.empty()) text_.append(": ").append(error_reason_);
    message.kind = Kind::refused;
    message.code = whole_number(error_code_).value_or(0);
    message.is_temporary = message.code == 10028;  // too_many_requests
    message.text = text_;
    requests_.forget(id);
    handler.on_control(message);
    return Decoded::control();
  }
  if (is_own) {
    message.kind = Kind::heartbeat;
    handler.on_control(message);
    return Decoded::control();
  }
  message.kind = is_unsubscription ? Kind::unsubscribed : Kind::subscribed;
  for (const std::string_view name : accepted_) {
    message.stream = name;
    handler.on_control(message);
  }
  message.kind = Kind::refused;
  message.text = "not among the channels the venue accepts";
  for (const std::string& name : requests_.take(id, accepted_)) {
    if (std::ranges::find(accepted_, name) != accepted_.end()) continue;
    message.stream = name;
    handler.on_control(message);
  }
  return Decoded::control();
}

Decoded Decoder::emit_heartbeat(DecodeHandler& handler) {
  ControlMessage message{.kind = ControlMessage::Kind::heartbeat, .stream = {}, .text = {}};
  if (heartbeat_ == "test_request") {
    text_ = fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"public/test","params":{{}}}})", own_id_offset + 2);
    message.kind = ControlMessage::Kind::must_reply;
    message.text = text_;
  }
  handler.on_control(message);
  return Decoded::control();
}

}  // namespace marketprism::exchange::deribit
