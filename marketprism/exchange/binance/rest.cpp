#include "marketprism/exchange/binance/rest.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "marketprism/exchange/held_events.hpp"
#include "marketprism/exchange/levels.hpp"

// Payloads, hand-written (sources in facts.hpp):
//   GET …/depth?symbol=BTCUSDT&limit=5   {"lastUpdateId":102,"bids":[["61837.63","3.7"]],"asks":[["61837.64","1.5"]]};
//   futures add "E","T" GET …/exchangeInfo
//   {"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
//     "filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.00001"}]}]};
//     futures add "contractType","deliveryDate","marginAsset"; COIN-M "contractStatus" instead of "status" and
//     "contractSize"
//   GET …/openInterest?symbol=BTCUSDT    {"openInterest":"10659.5","symbol":"BTCUSDT","time":1589437530011}

namespace marketprism::exchange::binance {
namespace {

using market::Instrument;
using market::InstrumentKind;

void read_filter(JsonReader& json, Instrument& instrument) {
  std::string_view type, tick, step;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "filterType") {
      type = json.text();
    } else if (key == "tickSize") {
      tick = json.text();
    } else if (key == "stepSize") {
      step = json.text();
    } else {
      json.skip();
    }
  }
  if (type == "PRICE_FILTER") Decimal::parse(tick, instrument.tick_size);
  if (type == "LOT_SIZE") Decimal::parse(step, instrument.lot_size);
}

InstrumentKind kind_of(std::string_view contract_type, bool is_futures) {
  if (!is_futures) return InstrumentKind::spot;
  // "PERPETUAL", "TRADIFI_PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER", "CURRENT_QUARTER DELIVERING"; empty when not
  // yet listed
  return contract_type.find("PERPETUAL") != std::string_view::npos || contract_type.empty() ? InstrumentKind::perpetual
                                                                                            : InstrumentKind::future;
}

}  // namespace

RestRequest depth_request(const Venue& venue, std::string_view symbol, int depth) {
  const auto row =
      std::ranges::find_if(venue.depth_weights, [depth](const DepthWeight& w) { return depth <= w.levels; });
  const DepthWeight& chosen = row == venue.depth_weights.end() ? venue.depth_weights.back() : *row;
  return {fmt::format("{}/depth?symbol={}&limit={}", venue.api, symbol, chosen.levels), chosen.weight};
}

Decoded RestDecoder::decode(std::string_view target, std::string_view body, std::string_view symbol_hint,
                            DecodeHandler& handler) {
  const std::string_view path = path_of(target);
  if (path.ends_with("/exchangeInfo")) return decode_exchange_info(body, handler);
  if (path.ends_with("/openInterest")) return decode_open_interest(body, handler);
  if (path.ends_with("/depth") || target.empty()) {
    const std::string_view symbol = query_value(target, "symbol");
    return decode_depth(symbol.empty() ? symbol_hint : symbol, body, handler);
  }
  return Decoded::ignored("rest_answer_of_another_kind");
}

Decoded RestDecoder::decode_depth(std::string_view symbol, std::string_view body, DecodeHandler& handler) {
  bids_.clear();
  asks_.clear();
  BookMessage message;
  message.is_snapshot = true;
  std::string_view event_time, match_time;
  JsonReader json(body);
  if (json.peek() != JsonReader::Kind::object) return Decoded::unreadable("not_an_object");
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "lastUpdateId") {
      message.last_sequence = json.integer();
    } else if (key == "bids") {
      if (!read_levels(json, bids_)) break;
    } else if (key == "asks") {
      if (!read_levels(json, asks_)) break;
    } else if (key == "E") {
      event_time = json.text();
    } else if (key == "T") {
      match_time = json.text();
    } else {
      json.skip();
    }
  }
  if (!json.finish()) return Decoded::unreadable("not_whole_json");
  if (message.last_sequence == market::no_sequence || symbol.empty())
    return Decoded::unreadable("missing_or_bad_field");
  const std::string_view time = match_time.empty() ? event_time : match_time;
  if (!time.empty()) {
    JsonReader number(time);
    message.exchange_time = unix_time_by_digits(number.integer());
  }
  message.symbol = symbol;
  message.bids = bids_;
  message.asks = asks_;
  handler.on_book(message);
  return Decoded::data();
}

bool RestDecoder::read_symbol(JsonReader& json, Instrument& instrument) const {
  std::string_view status, contract_type;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "symbol") {
      instrument.symbol = json.text();
    } else if (key == "baseAsset") {
      instrument.base = json.text();
    } else if (key == "quoteAsset") {
      instrument.quote = json.text();
    } else if (key == "marginAsset") {
      instrument.settle = json.text();
    } else if (key == "status" || key == "contractStatus") {
      status = json.text();
    } else if (key == "contractType") {
      contract_type = json.text();
    } else if (key == "contractSize") {
      Decimal::parse(json.text(), instrument.contract_size);
    } else if (key == "deliveryDate") {
      const std::int64_t expiry = whole_number(json.text()).value_or(-1);
      if (expiry >= 0) instrument.expiry = unix_time_by_digits(expiry);
    } else if (key == "filters" && json.peek() == JsonReader::Kind::array) {
      json.enter_array();
      while (json.next_element()) read_filter(json, instrument);
    } else {
      json.skip();
    }
  }
  if (json.failed() || instrument.symbol.empty()) return false;
  instrument.kind = kind_of(contract_type, venue_.is_futures);
  if (instrument.kind != InstrumentKind::future) instrument.expiry = no_time;
  if (instrument.settle.empty()) instrument.settle = instrument.quote;
  if (instrument.contract_size.is_zero()) instrument.contract_size = Decimal(1, 0);
  instrument.amount_unit = venue_.is_coin_margined ? "contract" : "base";
  instrument.canonical = canonical_name(instrument);
  instrument.status = status;
  std::ranges::transform(instrument.status, instrument.status.begin(),
                         [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return true;
}

Decoded RestDecoder::decode_exchange_info(std::string_view body, DecodeHandler& handler) {
  JsonReader whole(body);
  whole.skip();
  if (!whole.finish()) return Decoded::unreadable("not_whole_json");
  JsonReader json(body);
  bool is_any = false;
  bool is_any_bad = false;
  if (!json.enter_object()) return Decoded::unreadable("not_an_object");
  for (std::string_view key; json.next_key(key);) {
    if (key != "symbols" || json.peek() != JsonReader::Kind::array) {
      json.skip();
      continue;
    }
    json.enter_array();
    while (json.next_element()) {
      // One that cannot be read does not take the others with it.
      JsonReader one(json.skip());
      Instrument instrument;
      if (read_symbol(one, instrument)) {
        handler.on_instrument(std::move(instrument));
        is_any = true;
      } else {
        is_any_bad = true;
      }
    }
  }
  return is_any_bad && !is_any ? Decoded::unreadable("missing_or_bad_field") : Decoded::data();
}

Decoded RestDecoder::decode_open_interest(std::string_view body, DecodeHandler& handler) {
  market::OpenInterest interest;
  std::string_view symbol, amount;
  UnixTime time = no_time;
  JsonReader json(body);
  if (!json.enter_object()) return Decoded::unreadable("not_an_object");
  for (std::string_view key; json.next_key(key);) {
    if (key == "symbol") {
      symbol = json.text();
    } else if (key == "openInterest") {
      amount = json.text();
    } else if (key == "time") {
      time = unix_time_by_digits(json.integer());
    } else {
      json.skip();
    }
  }
  if (!json.finish()) return Decoded::unreadable("not_whole_json");
  if (symbol.empty() || !Decimal::parse(amount, interest.amount)) return Decoded::unreadable("missing_or_bad_field");
  handler.on_payload(symbol, time, interest);
  return Decoded::data();
}

}  // namespace marketprism::exchange::binance
