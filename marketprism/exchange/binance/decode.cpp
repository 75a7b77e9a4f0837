#include "marketprism/exchange/binance/decode.hpp"

#include <charconv>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/levels.hpp"

// Payloads, hand-written (sources in facts.hpp):
//   {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":12,"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}}
//   {"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":…,"s":"BTCUSDT","a":7,"p":"1.0","q":"3","f":11,"l":12,"T":…,"m":false}}
//   {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":…,"s":"BTCUSDT","U":100,"u":102,"b":[["61837.63","0.5"]],"a":[]}}
//     futures add "T" (matching time) and "pu" (the "u" of the message before)
//   {"stream":"btcusdt@bookTicker","data":{"u":102,"s":"BTCUSDT","b":"61837.63","B":"3.7","a":"61837.64","A":"1.5"}}
//   spot: no "e", no time
//   {"stream":"btcusdt@kline_1m","data":{"e":"kline","E":…,"s":"BTCUSDT","k":{"t":…,"T":…,"i":"1m","o":"1","c":"1","h":"1","l":"1","v":"9","x":false}}}
//   {"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":…,"s":"BTCUSDT","p":"61800.1","i":"61799.9","r":"0.0001","T":…}}
//   {"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":…,"o":{"s":"BTCUSDT","S":"SELL","p":"61000","q":"0.1","ap":"61010","T":…}}}
//   an array of events where a stream is of all symbols: {"stream":"!markPrice@arr@1s","data":[{…},{…}]}, or bare
//   {"stream":"btcusdt@depth5@100ms","data":{"lastUpdateId":160,"bids":[["61837.63","3.7"]],"asks":[]}}
//     spot; futures send a depthUpdate there. Each is all there is to say of these levels. "@rpiDepth" is another book.
//   {"stream":"btcusdt@depthSnapshot",…}, {"stream":"btcusdt@openInterest","data":{"symbol":"BTCUSDT",
//     "openInterest":"26286.181"}}: REST answers as Tardis puts them among the frames
//   {"result":null,"id":1}   {"error":{"code":2,"msg":"Invalid request"},"id":1}   {"e":"serverShutdown","E":…}

namespace marketprism::exchange::binance {
namespace {

using market::no_sequence;

std::int64_t integer_or(std::string_view text, std::int64_t otherwise) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty() ? value : otherwise;
}

UnixTime time_of(std::string_view text) {
  const std::int64_t value = integer_or(text, -1);
  return value < 0 ? no_time : unix_time_by_digits(value);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr Decoded bad_fields{Decoded::Kind::unreadable, "missing_or_bad_field"};

}  // namespace

Decoded Decoder::decode(std::string_view frame, DecodeHandler& handler) {
  begin_event();
  stream_ = events_ = id_ = error_code_ = error_text_ = {};
  has_result_ = has_error_ = false;
  JsonReader json(frame);
  if (json.peek() == JsonReader::Kind::array) {
    events_ = json.skip();
    return json.finish() ? emit_each(events_, handler) : Decoded::unreadable("not_whole_json");
  }
  if (json.peek() != JsonReader::Kind::object) return Decoded::unreadable("not_an_object");
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "data") {
      if (json.peek() != JsonReader::Kind::object) {
        const bool is_array = json.peek() == JsonReader::Kind::array;
        const std::string_view value = json.skip();
        if (is_array) events_ = value;
        continue;
      }
      if (!read_data(json)) break;
    } else if (key == "stream") {
      stream_ = json.text();
    } else if (!read_value(json, key)) {
      break;
    }
  }
  if (!json.finish()) return Decoded::unreadable("not_whole_json");
  return events_.empty() ? emit(handler) : emit_each(events_, handler);
}

void Decoder::begin_event() {
  fields_.clear();
  inner_.clear();
  bids_.clear();
  asks_.clear();
  previous_ = last_update_id_ = symbol_ = open_interest_ = time_ = {};
}

// The first that is not data says what the frame was, unless another is data.
Decoded Decoder::emit_each(std::string_view events, DecodeHandler& handler) {
  JsonReader json(events);
  json.enter_array();
  Decoded all = Decoded::unreadable("no_elements");
  bool is_first = true;
  while (json.next_element()) {
    begin_event();
    Decoded one = Decoded::unreadable("not_an_object");
    if (json.peek() == JsonReader::Kind::object) {
      if (!read_data(json)) return Decoded::unreadable("missing_or_bad_field");
      one = emit(handler);
    } else {
      json.skip();
    }
    if (is_first || one.kind == Decoded::Kind::data) all = one;
    is_first = false;
  }
  return all;
}

std::string_view Decoder::stream_kind() const {
  const std::size_t at = stream_.find('@');
  return at == stream_.npos ? std::string_view() : stream_.substr(at + 1);
}

UnixTime Decoder::match_time() const {
  const UnixTime matched = time_of(fields_['T']);
  return matched != no_time ? matched : time_of(fields_['E']);
}

bool Decoder::read_data(JsonReader& json) {
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (!read_value(json, key)) return false;
  }
  return !json.failed();
}

bool Decoder::read_value(JsonReader& json, std::string_view key) {
  const JsonReader::Kind kind = json.peek();
  if (key.size() == 1) {
    const char letter = key[0];
    if (kind == JsonReader::Kind::array && (letter == 'b' || letter == 'a')) {
      return read_levels(json, letter == 'b' ? bids_ : asks_);
    }
    if (kind == JsonReader::Kind::object) return read_letters(json, inner_);
    if (kind != JsonReader::Kind::array) {
      fields_.set(letter, json.text());
      return !json.failed();
    }
  } else if (kind == JsonReader::Kind::object && key == "error") {
    return read_error(json);
  } else if (kind == JsonReader::Kind::array && (key == "bids" || key == "asks")) {
    return read_levels(json, key == "bids" ? bids_ : asks_);
  } else if (kind != JsonReader::Kind::object && kind != JsonReader::Kind::array) {
    const std::string_view value = json.text();
    if (key == "pu") previous_ = value;
    if (key == "id") id_ = value;
    if (key == "code") error_code_ = value;
    if (key == "msg") error_text_ = value;
    if (key == "result") has_result_ = true;
    if (key == "lastUpdateId") last_update_id_ = value;
    if (key == "symbol") symbol_ = value;
    if (key == "openInterest") open_interest_ = value;
    if (key == "time") time_ = value;
    return !json.failed();
  }
  json.skip();
  if (key == "result") has_result_ = true;
  return !json.failed();
}

bool Decoder::read_letters(JsonReader& json, LetterFields& fields) {
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    const JsonReader::Kind kind = json.peek();
    if (key.size() == 1 && kind != JsonReader::Kind::object && kind != JsonReader::Kind::array) {
      fields.set(key[0], json.text());
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

bool Decoder::read_error(JsonReader& json) {
  has_error_ = true;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "code") {
      error_code_ = json.text();
    } else if (key == "msg") {
      error_text_ = json.text();
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

Decoded Decoder::emit(DecodeHandler& handler) {
  const std::string_view type = fields_['e'];
  if (type == "depthUpdate") return emit_book(handler);
  if (type == "trade") return emit_trade(handler, false);
  if (type == "bookTicker") return emit_bbo(handler);
  if (type == "aggTrade") return emit_trade(handler, true);
  if (type == "kline") return emit_candle(handler);
  if (type == "markPriceUpdate") return emit_mark_price(handler);
  if (type == "forceOrder") return emit_liquidation(handler);
  if (type == "indexPriceUpdate") {  // COIN-M; "i" is the pair, which is the index's own name
    market::IndexPrice index;
    if (fields_['i'].empty() || !Decimal::parse(fields_['p'], index.price)) return bad_fields;
    handler.on_payload(fields_['i'], time_of(fields_['E']), index);
    return Decoded::data();
  }
  if (type == "serverShutdown") {
    handler.on_control({.kind = ControlMessage::Kind::closing, .text = "serverShutdown"});
    return Decoded::control();
  }
  if (type.empty() && fields_.has('B') && fields_.has('A')) return emit_bbo(handler);  // spot's bookTicker has no "e"
  if (type.empty() && !last_update_id_.empty()) return emit_partial_book(handler);
  if (type.empty() && !open_interest_.empty()) return emit_open_interest(handler);
  if (has_result_ || has_error_ || !error_code_.empty()) return emit_control(handler);
  return type.empty() ? Decoded::unreadable("no_event_type") : Decoded::ignored("event_of_another_type");
}

Decoded Decoder::emit_control(DecodeHandler& handler) {
  const bool is_refusal = has_error_ || !error_code_.empty();
  handler.on_control({.kind = is_refusal ? ControlMessage::Kind::refused : ControlMessage::Kind::subscribed,
                      .id = integer_or(id_, -1),
                      .code = integer_or(error_code_, 0),
                      .text = error_text_,
                      .is_temporary = error_text_.find("oo many") != error_text_.npos});
  return Decoded::control();
}

Decoded Decoder::emit_trade(DecodeHandler& handler, bool is_aggregate) {
  market::Trade trade;
  trade.id = fields_[is_aggregate ? 'a' : 't'];
  trade.is_aggregate = is_aggregate;
  const std::string_view buyer_is_maker = fields_['m'];
  if (buyer_is_maker != "true" && buyer_is_maker != "false") return bad_fields;
  trade.side = buyer_is_maker == "true" ? market::Side::sell : market::Side::buy;
  const std::int64_t number = integer_or(trade.id, no_sequence);
  if (fields_['s'].empty() || number == no_sequence || !Decimal::parse(fields_['p'], trade.price) ||
      !Decimal::parse(fields_['q'], trade.amount)) {
    return bad_fields;
  }
  // Futures number what the insurance fund takes over and what is deleveraged (X: INSURANCE_FUND, ADL) among the
  // trades. Nobody traded at that price in the market: only the number counts, as with trades of amount zero.
  if (fields_.has('X') && fields_['X'] != "MARKET") trade.amount = Decimal();
  handler.on_trade(fields_['s'], match_time(), trade, number);
  return Decoded::data();
}

Decoded Decoder::emit_book(DecodeHandler& handler) {
  const std::string_view kind = stream_kind();
  if (kind.starts_with("rpiDepth")) return Decoded::ignored("book_of_another_kind");
  BookMessage message;
  message.is_snapshot = message.is_whole = kind.starts_with("depth") && kind.size() > 5 && is_digit(kind[5]);
  message.symbol = fields_['s'];
  message.exchange_time = match_time();
  message.first_sequence = integer_or(fields_['U'], no_sequence);
  message.last_sequence = integer_or(fields_['u'], no_sequence);
  message.previous_sequence = integer_or(previous_, no_sequence);
  if (message.symbol.empty() || message.first_sequence == no_sequence || message.last_sequence == no_sequence)
    return bad_fields;
  message.bids = bids_;
  message.asks = asks_;
  handler.on_book(message);
  return Decoded::data();
}

Decoded Decoder::emit_partial_book(DecodeHandler& handler) {
  const std::size_t at = stream_.find('@');
  symbol_of_stream_.assign(stream_.substr(0, at == stream_.npos ? 0 : at));
  for (char& c : symbol_of_stream_) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  BookMessage message;
  message.is_snapshot = true;
  message.is_whole = stream_kind() != "depthSnapshot";
  message.symbol = symbol_of_stream_;
  message.exchange_time = match_time();
  message.last_sequence = integer_or(last_update_id_, no_sequence);
  if (message.symbol.empty() || message.last_sequence == no_sequence) return bad_fields;
  message.bids = bids_;
  message.asks = asks_;
  handler.on_book(message);
  return Decoded::data();
}

Decoded Decoder::emit_open_interest(DecodeHandler& handler) {
  market::OpenInterest interest;
  if (symbol_.empty() || !Decimal::parse(open_interest_, interest.amount)) return bad_fields;
  handler.on_payload(symbol_, time_of(time_), interest);
  return Decoded::data();
}

Decoded Decoder::emit_bbo(DecodeHandler& handler) {
  // An empty side comes as price 0 with amount 0, and is given so: the digits are the venue's.
  const auto side = [this](char price_key, char amount_key, std::optional<Decimal>& price,
                           std::optional<Decimal>& amount) {
    Decimal p, a;
    if (!Decimal::parse(fields_[price_key], p) || !Decimal::parse(fields_[amount_key], a)) return false;
    price = p;
    amount = a;
    return true;
  };
  market::Bbo bbo;
  if (fields_['s'].empty() || !side('b', 'B', bbo.bid_price, bbo.bid_amount) ||
      !side('a', 'A', bbo.ask_price, bbo.ask_amount)) {
    return bad_fields;
  }
  bbo.sequence = integer_or(fields_['u'], no_sequence);
  handler.on_payload(fields_['s'], match_time(), bbo);
  return Decoded::data();
}

Decoded Decoder::emit_candle(DecodeHandler& handler) {
  market::Candle candle;
  candle.interval = inner_['i'];
  candle.open_time = time_of(inner_['t']);
  candle.close_time = time_of(inner_['T']);
  candle.is_closed = inner_['x'] == "true";
  if (fields_['s'].empty() || candle.interval.empty() || candle.open_time == no_time ||
      !Decimal::parse(inner_['o'], candle.open) || !Decimal::parse(inner_['h'], candle.high) ||
      !Decimal::parse(inner_['l'], candle.low) || !Decimal::parse(inner_['c'], candle.close) ||
      !Decimal::parse(inner_['v'], candle.volume)) {
    return bad_fields;
  }
  handler.on_payload(fields_['s'], time_of(fields_['E']), candle);
  return Decoded::data();
}

Decoded Decoder::emit_mark_price(DecodeHandler& handler) {
  market::MarkPrice mark;
  market::IndexPrice index;
  market::FundingRate funding;
  if (fields_['s'].empty() || !Decimal::parse(fields_['p'], mark.price)) return bad_fields;
  const UnixTime time = time_of(fields_['E']);
  const std::string_view symbol = fields_['s'];
  handler.on_payload(symbol, time, mark);
  if (Decimal::parse(fields_['i'], index.price)) handler.on_payload(symbol, time, index);
  // Contracts that pay none have no rate, or the rate 0 at the time 0.
  funding.funding_time = time_of(fields_['T']);
  if (integer_or(fields_['T'], 0) != 0 && Decimal::parse(fields_['r'], funding.rate))
    handler.on_payload(symbol, time, funding);
  return Decoded::data();
}

Decoded Decoder::emit_liquidation(DecodeHandler& handler) {
  market::Liquidation liquidation;
  liquidation.side = inner_['S'] == "SELL" ? market::Side::sell : market::Side::buy;
  if (inner_['s'].empty() || !Decimal::parse(inner_['p'], liquidation.price) ||
      !Decimal::parse(inner_['q'], liquidation.amount)) {
    return bad_fields;
  }
  handler.on_payload(inner_['s'], time_of(inner_.has('T') ? inner_['T'] : fields_['E']), liquidation);
  return Decoded::data();
}

}  // namespace marketprism::exchange::binance
