#include "marketprism/exchange/deribit/book.hpp"

// Payloads, hand-written (sources in facts.hpp):
//   book.BTC-PERPETUAL.100ms {"type":"snapshot","timestamp":1554373962454,"instrument_name":"BTC-PERPETUAL",
//     "change_id":297217,"bids":[["new",5042.34,30.0]],"asks":[["new",5042.64,40.0]]}
//   {"type":"change","timestamp":1554373911330,"prev_change_id":297217,"instrument_name":"BTC-PERPETUAL",
//     "change_id":297218,"bids":[["delete",5041.94,0.0],["change",5042.34,20.0]],"asks":[]}
//   Before 2020 there is no "type": then the message without "prev_change_id" is the snapshot. A book that was empty
//   begins with a change whose "prev_change_id" is 0: it holds the whole book.
//   book.BTC-PERPETUAL.none.10.100ms: the whole book each time, no "type", levels without an action: [5042.34,30.0]

namespace marketprism::exchange::deribit {
namespace {

bool read_level(JsonReader& json, market::Level& level) {
  if (!json.enter_array() || !json.next_element()) return false;
  bool is_removed = false;
  if (json.peek() == JsonReader::Kind::string) {
    const std::string_view action = json.string();
    is_removed = action == "delete";
    if (!is_removed && action != "new" && action != "change") return false;
    if (!json.next_element()) return false;
  }
  if (!Decimal::parse(json.text(), level.price) || !json.next_element()) return false;
  if (!Decimal::parse(json.text(), level.amount)) return false;
  if (is_removed) level.amount = Decimal();
  while (json.next_element()) json.skip();
  return !json.failed();
}

bool read_side(JsonReader& json, std::vector<market::Level>& levels, HeldEvents::Range& range) {
  range.first = levels.size();
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    if (!read_level(json, levels.emplace_back())) return false;
  }
  range.last = levels.size();
  return !json.failed();
}

}  // namespace

bool read_book(JsonReader& json, bool is_whole, HeldEvents& held) {
  std::string_view type, time, change_id, previous_id;
  BookMessage message;
  HeldEvents::Range bids;
  HeldEvents::Range asks;
  bool has_bids = false;
  bool has_asks = false;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "bids") {
      has_bids = true;
      if (!read_side(json, held.levels(), bids)) return false;
    } else if (key == "asks") {
      has_asks = true;
      if (!read_side(json, held.levels(), asks)) return false;
    } else if (key == "type") {
      type = json.text();
    } else if (key == "timestamp") {
      time = json.text();
    } else if (key == "change_id") {
      change_id = json.text();
    } else if (key == "prev_change_id") {
      previous_id = json.text();
    } else if (key == "instrument_name") {
      message.symbol = json.text();
    } else {
      json.skip();
    }
  }
  const std::int64_t previous = whole_number(previous_id).value_or(0);
  message.exchange_time = time_of_ms(time);
  message.last_sequence = whole_number(change_id).value_or(market::no_sequence);
  message.is_whole = is_whole;
  message.is_snapshot = is_whole || type == "snapshot" || previous == 0;
  if (!message.is_snapshot) message.previous_sequence = previous;
  if (json.failed() || !has_bids || !has_asks || message.symbol.empty() || message.exchange_time == no_time ||
      message.last_sequence == market::no_sequence) {
    return false;
  }
  held.add_book(message, bids, asks);
  return true;
}

}  // namespace marketprism::exchange::deribit
