#include "marketprism/exchange/okx/decode.hpp"

#include "marketprism/exchange/levels.hpp"
#include "marketprism/exchange/okx/book.hpp"
#include "marketprism/exchange/okx/candle.hpp"
#include "marketprism/exchange/okx/facts.hpp"

// Payloads, hand-written (sources in facts.hpp); all numbers are texts, times are milliseconds:
//   {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130","px":"42219.9",
//     "sz":"0.12","side":"buy","ts":"1630048897897","count":"3"}]}   "count" fills of one taker order at one price; the
//     id is that of the last. trades-all: the same without "count". Recordings before 2023 have no "count".
//   {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","4.15","0","13"]],
//     "bids":[["8476.97","2.56","0","12"]],"ts":"1597026383085","checksum":0,"prevSeqId":-1,"seqId":123456}]}
//     a level is price, amount, a retired field, number of orders. books5: each push is the whole book, without
//     "action"
//   {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8476.98","4.15","0","13"]],"bids":[],
//     "ts":"1597026383085","seqId":123456}]}
//   {"arg":{"channel":"tickers","instId":"X"},"data":[{"instId":"X","askPx":"9.1","askSz":"4","bidPx":"","bidSz":"",
//     "last":"9","ts":"1597026383085"}]}   an empty side has empty texts
//   {"arg":{"channel":"candle1m","instId":"X"},"data":[["1597026360000","3.7","3.8","3.6","3.75","8422","22698","12698",
//     "0"]]}   open time, open, high, low, close, volume (contracts; for spot the base coin), two other volumes, and
//     "1" when the candle is final
//   {"arg":{"channel":"funding-rate","instId":"X-SWAP"},"data":[{"instId":"X-SWAP","fundingRate":"0.0001",
//     "fundingTime":"1744590400000","nextFundingTime":"1744619200000","ts":"1744590349506"}]}
//   {"arg":{"channel":"open-interest","instId":"X-SWAP"},"data":[{"instId":"X-SWAP","oi":"5000","oiCcy":"55","ts":"…"}]}
//   {"arg":{"channel":"mark-price","instId":"X-SWAP"},"data":[{"instId":"X-SWAP","markPx":"42310.6","ts":"…"}]}
//   {"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","idxPx":"42310.1","ts":"…"}]}
//   {"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"instId":"X-SWAP","instType":"SWAP","details":[
//     {"side":"buy","posSide":"short","bkPx":"0.0078","sz":"13","ts":"1692266434010"}]}]}
//   {"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55","id":"7"}
//   {"event":"error","code":"60018","msg":"Wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist.
//   …","connId":"…"}
//   {"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please
//   reconnect."}

namespace marketprism::exchange::okx {
namespace {

using market::no_sequence;

bool read_side(std::string_view text, market::Side& side) {
  side = text == "buy" ? market::Side::buy : market::Side::sell;
  return text == "buy" || text == "sell";
}

/// One side of a ticker: both texts empty (or a price and amount of zero) stand for an empty side.
bool read_quote(std::string_view price_text, std::string_view amount_text, std::optional<Decimal>& price,
                std::optional<Decimal>& amount) {
  if (price_text.empty()) return true;
  Decimal parsed_price;
  Decimal parsed_amount;
  if (!Decimal::parse(price_text, parsed_price)) return false;
  if (!amount_text.empty() && !Decimal::parse(amount_text, parsed_amount)) return false;
  if (parsed_price.is_zero() && parsed_amount.is_zero()) return true;
  price = parsed_price;
  if (!amount_text.empty()) amount = parsed_amount;
  return true;
}

}  // namespace

Decoder::Topic Decoder::topic_of(std::string_view channel) {
  if (channel == "books") return Topic::book_deltas;
  if (channel == "trades" || channel == "trades-all") return Topic::trade;
  if (channel == "bbo-tbt") return Topic::bbo;
  if (channel == "tickers") return Topic::ticker;
  if (channel.starts_with("candle")) return Topic::candle;
  if (channel == "mark-price") return Topic::mark_price;
  if (channel == "index-tickers") return Topic::index_price;
  if (channel == "funding-rate") return Topic::funding_rate;
  if (channel == "open-interest") return Topic::open_interest;
  if (channel == "liquidation-orders") return Topic::liquidation;
  if (channel == "books-l2-tbt" || channel == "books50-l2-tbt") return Topic::book_deltas;
  if (channel == "books5") return Topic::book_snapshots;
  return Topic::other;
}

Decoded Decoder::decode(std::string_view frame, DecodeHandler& handler) {
  if (frame == "pong" || frame == "ping") {
    handler.on_control({.kind = ControlMessage::Kind::heartbeat, .stream = {}, .text = {}});
    return Decoded::control();
  }
  event_ = action_ = code_ = text_ = id_ = early_data_ = channel_ = symbol_ = kind_ = {};
  topic_ = Topic::none;
  has_data_ = false;
  held_.clear();

  JsonReader json(frame);
  if (json.peek() != JsonReader::Kind::object) return Decoded::unreadable("not_an_object");
  const bool is_read = read_frame(json);
  if (!is_read && !json.failed()) return Decoded::unreadable("missing_or_bad_field");
  if (!json.finish()) return Decoded::unreadable("not_whole_json");
  if (!event_.empty()) return emit_event(handler);
  if (!early_data_.empty() && topic_ != Topic::none && topic_ != Topic::other) {
    JsonReader data(early_data_);
    if (!read_data(data)) return Decoded::unreadable("missing_or_bad_field");
  }
  if (topic_ == Topic::none) return Decoded::unreadable("no_channel");
  if (topic_ == Topic::other) return Decoded::ignored("channel_of_another_kind");
  if (!has_data_) return Decoded::unreadable("no_data");
  if (topic_ == Topic::book_deltas) {
    if (action_ != "snapshot" && action_ != "update") return Decoded::unreadable("missing_or_bad_field");
    held_.set_snapshot(action_ == "snapshot");
  }
  if (held_.empty()) return Decoded::ignored("no_elements");
  held_.hand_over(handler);
  return Decoded::data();
}

bool Decoder::read_frame(JsonReader& json) {
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "arg") {
      if (!read_argument(json)) return false;
    } else if (key == "data") {
      if (topic_ == Topic::none) {
        early_data_ = json.skip();
      } else if (topic_ == Topic::other) {
        json.skip();
      } else if (!read_data(json)) {
        return false;
      }
    } else if (key == "action") {
      action_ = json.text();
    } else if (key == "event") {
      event_ = json.text();
    } else if (key == "code") {
      code_ = json.text();
    } else if (key == "msg") {
      text_ = json.text();
    } else if (key == "id") {
      id_ = json.text();
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

bool Decoder::read_argument(JsonReader& json) {
  if (json.peek() != JsonReader::Kind::object) {
    json.skip();
    return !json.failed();
  }
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "channel") {
      channel_ = json.text();
      topic_ = topic_of(channel_);
    } else if (key == "instId") {
      symbol_ = json.text();
    } else if (key == "instType") {
      kind_ = json.text();
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

bool Decoder::read_data(JsonReader& json) {
  held_.clear();
  has_data_ = true;
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    if (!read_element(json)) return false;
  }
  return !json.failed();
}

bool Decoder::read_element(JsonReader& json) {
  switch (topic_) {
    case Topic::trade: return read_trade(json);
    case Topic::book_deltas:
    case Topic::book_snapshots: return read_book(json);
    case Topic::bbo: return read_bbo(json);
    case Topic::ticker: return read_ticker(json);
    case Topic::candle: return read_candle(json);
    case Topic::liquidation: return read_liquidations(json);
    case Topic::funding_rate:
    case Topic::open_interest:
    case Topic::mark_price:
    case Topic::index_price: return read_value(json);
    case Topic::none:
    case Topic::other: break;
  }
  return false;
}

bool Decoder::read_trade(JsonReader& json) {
  std::string_view symbol = symbol_, price, amount, side, time, count;
  market::Trade trade;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "instId") {
      symbol = json.text();
    } else if (key == "tradeId") {
      trade.id = json.text();
    } else if (key == "px") {
      price = json.text();
    } else if (key == "sz") {
      amount = json.text();
    } else if (key == "side") {
      side = json.text();
    } else if (key == "ts") {
      time = json.text();
    } else if (key == "count") {
      count = json.text();
    } else {
      json.skip();
    }
  }
  const UnixTime exchange_time = time_of_ms(time);
  if (json.failed() || symbol.empty() || trade.id.empty() || exchange_time == no_time || !read_side(side, trade.side) ||
      !Decimal::parse(price, trade.price) || !Decimal::parse(amount, trade.amount)) {
    return false;
  }
  trade.is_aggregate = whole_number(count).value_or(1) > 1;
  held_.add_trade(symbol, exchange_time, trade, no_sequence);  // ids are not promised to be contiguous
  return true;
}

bool Decoder::read_book(JsonReader& json) {
  BookFields fields;
  if (!read_book_fields(json, held_.levels(), fields)) return false;
  BookMessage message;
  message.symbol = symbol_;
  message.exchange_time = time_of_ms(fields.time);
  message.is_snapshot = message.is_whole = topic_ == Topic::book_snapshots;
  message.last_sequence = fields.sequence;
  message.previous_sequence = fields.previous_sequence;
  message.checksum = fields.checksum;
  if (symbol_.empty() || message.exchange_time == no_time) return false;
  held_.add_book(message, fields.bids, fields.asks);
  return true;
}

bool Decoder::read_bbo(JsonReader& json) {
  BookFields fields;
  if (!read_book_fields(json, held_.levels(), fields)) return false;
  const UnixTime exchange_time = time_of_ms(fields.time);
  if (symbol_.empty() || exchange_time == no_time) return false;
  market::Bbo bbo;
  bbo.sequence = fields.sequence;
  if (fields.bids.last > fields.bids.first) {
    const market::Level& bid = held_.levels()[fields.bids.first];
    bbo.bid_price = bid.price;
    bbo.bid_amount = bid.amount;
  }
  if (fields.asks.last > fields.asks.first) {
    const market::Level& ask = held_.levels()[fields.asks.first];
    bbo.ask_price = ask.price;
    bbo.ask_amount = ask.amount;
  }
  held_.add(symbol_, exchange_time, bbo);
  return true;
}

bool Decoder::read_ticker(JsonReader& json) {
  std::string_view symbol = symbol_, time, bid_price, bid_amount, ask_price, ask_amount;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "instId") {
      symbol = json.text();
    } else if (key == "bidPx") {
      bid_price = json.text();
    } else if (key == "bidSz") {
      bid_amount = json.text();
    } else if (key == "askPx") {
      ask_price = json.text();
    } else if (key == "askSz") {
      ask_amount = json.text();
    } else if (key == "ts") {
      time = json.text();
    } else {
      json.skip();
    }
  }
  const UnixTime exchange_time = time_of_ms(time);
  market::Bbo bbo;
  const bool is_whole = bid_price.data() != nullptr && ask_price.data() != nullptr;  // empty texts are there, too
  if (json.failed() || symbol.empty() || exchange_time == no_time || !is_whole ||
      !read_quote(bid_price, bid_amount, bbo.bid_price, bbo.bid_amount) ||
      !read_quote(ask_price, ask_amount, bbo.ask_price, bbo.ask_amount)) {
    return false;
  }
  held_.add(symbol, exchange_time, bbo);
  return true;
}

bool Decoder::read_candle(JsonReader& json) {
  market::Candle candle;
  if (symbol_.empty() || !okx::read_candle(json, channel_.substr(std::string_view("candle").size()), candle))
    return false;
  held_.add(symbol_, no_time, candle);
  return true;
}

bool Decoder::read_value(JsonReader& json) {
  std::string_view symbol = symbol_, time, funding_time, value;
  const std::string_view value_key = topic_ == Topic::funding_rate    ? "fundingRate"
                                     : topic_ == Topic::open_interest ? "oi"
                                     : topic_ == Topic::mark_price    ? "markPx"
                                                                      : "idxPx";
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == value_key) {
      value = json.text();
    } else if (key == "instId") {
      symbol = json.text();
    } else if (key == "ts") {
      time = json.text();
    } else if (key == "fundingTime") {
      funding_time = json.text();
    } else {
      json.skip();
    }
  }
  if (json.failed() || symbol.empty() || value.data() == nullptr) return false;
  if (value.empty()) return true;  // not known yet: a contract that is about to be listed
  Decimal number;
  if (!Decimal::parse(value, number)) return false;
  const UnixTime exchange_time = time_of_ms(time);
  if (topic_ == Topic::funding_rate) {  // had no "ts" before 2024
    held_.add(symbol, exchange_time, market::FundingRate{number, time_of_ms(funding_time)});
    return true;
  }
  if (exchange_time == no_time) return false;
  if (topic_ == Topic::open_interest) {
    held_.add(symbol, exchange_time, market::OpenInterest{number});
  } else if (topic_ == Topic::mark_price) {
    held_.add(symbol, exchange_time, market::MarkPrice{number});
  } else {
    held_.add(symbol, exchange_time, market::IndexPrice{number});
  }
  return true;
}

bool Decoder::read_liquidations(JsonReader& json) {
  std::string_view symbol;
  liquidations_.clear();
  liquidation_times_.clear();
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "instId") {
      symbol = json.text();
    } else if (key == "details") {
      if (!json.enter_array()) return false;
      while (json.next_element()) {
        if (!read_liquidation(json)) return false;
      }
    } else {
      json.skip();
    }
  }
  if (json.failed() || symbol.empty()) return false;
  for (std::size_t i = 0; i < liquidations_.size(); ++i) held_.add(symbol, liquidation_times_[i], liquidations_[i]);
  return true;
}

bool Decoder::read_liquidation(JsonReader& json) {
  std::string_view price, amount, side, time;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "bkPx") {
      price = json.text();
    } else if (key == "sz") {
      amount = json.text();
    } else if (key == "side") {
      side = json.text();
    } else if (key == "ts") {
      time = json.text();
    } else {
      json.skip();
    }
  }
  market::Liquidation liquidation;
  const UnixTime exchange_time = time_of_ms(time);
  if (json.failed()) return false;
  if (price.empty()) return true;  // none is known yet: no reason to lose the others of the message
  if (exchange_time == no_time || !read_side(side, liquidation.side) || !Decimal::parse(price, liquidation.price) ||
      !Decimal::parse(amount, liquidation.amount)) {
    return false;
  }
  liquidations_.push_back(liquidation);
  liquidation_times_.push_back(exchange_time);
  return true;
}

}  // namespace marketprism::exchange::okx
