#include "marketprism/exchange/deribit/decode.hpp"

#include <algorithm>
#include <array>

#include "marketprism/exchange/deribit/book.hpp"
#include "marketprism/exchange/deribit/facts.hpp"

// Payloads, hand-written (sources in facts.hpp); numbers are JSON numbers, perhaps with an exponent, times
// milliseconds. What follows is the `data` of
// {"jsonrpc":"2.0","method":"subscription","params":{"channel":"…","data":…}}; books stand in book.cpp, answers to
// requests in control.cpp.
//   trades.BTC-PERPETUAL.100ms [{"trade_seq":30289442,"trade_id":"48079269","timestamp":1590484512188,"price":8950.0,
//     "instrument_name":"BTC-PERPETUAL","index_price":8955.88,"direction":"sell","amount":10.0,"liquidation":"T"}]
//     "trade_seq" grows by one with each trade of the instrument; "liquidation" tells whose order closes a position by
//     force: the maker's (M), the taker's (T) or both (MT)
//   quote.BTC-PERPETUAL {"timestamp":1550658624149,"instrument_name":"BTC-PERPETUAL","best_bid_price":3914.97,
//     "best_bid_amount":40,"best_ask_price":3996.61,"best_ask_amount":50}   an empty side: 0 and 0, or null
//   ticker.BTC-PERPETUAL.100ms the same and "mark_price":3940.1,"index_price":3939.7,"open_interest":45100,
//     "current_funding":0.0001,"funding_8h":0.0000211,"state":"open","stats":{…}
//     "current_funding" is the rate being paid at this moment, per 8 h: funding is continuous here, there is no time at
//     which it is due. "funding_8h", the mean of the last 8 h, can be made of it and is left out.
//   chart.trades.BTC-PERPETUAL.1 {"tick":1573645080000,"open":8791.25,"high":8791.5,"low":8790,"close":8790.5,
//     "volume":0.06,"cost":460}   the candle that is running; the venue does not say when one is final
//   deribit_price_index.btc_usd {"timestamp":1550588002899,"price":3937.89,"index_name":"btc_usd"}

namespace marketprism::exchange::deribit {
namespace {

/// One side of a quote: null, absent, or a price and amount of zero stand for an empty side (a combination can have the
/// price zero, then with an amount).
bool read_quote_side(std::string_view price_text, std::string_view amount_text, std::optional<Decimal>& price,
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

/// What a quote or ticker says of the best prices.
struct QuoteFields {
  std::string_view symbol, time, bid_price, bid_amount, ask_price, ask_amount;
  bool has_prices = false;

  /// Takes the value if the key is one of its own.
  bool read(JsonReader& json, std::string_view key) {
    if (key == "best_bid_price") {
      bid_price = json.text();
      has_prices = true;
    } else if (key == "best_bid_amount") {
      bid_amount = json.text();
    } else if (key == "best_ask_price") {
      ask_price = json.text();
    } else if (key == "best_ask_amount") {
      ask_amount = json.text();
    } else if (key == "instrument_name") {
      symbol = json.text();
    } else if (key == "timestamp") {
      time = json.text();
    } else {
      return false;
    }
    return true;
  }

  bool bbo(market::Bbo& result) const {
    return has_prices && !symbol.empty() &&
           read_quote_side(bid_price, bid_amount, result.bid_price, result.bid_amount) &&
           read_quote_side(ask_price, ask_amount, result.ask_price, result.ask_amount);
  }
};

/// "chart.trades.BTC-PERPETUAL.1" → BTC-PERPETUAL and 1.
std::array<std::string_view, 2> split_chart(std::string_view channel) {
  channel.remove_prefix(std::string_view("chart.trades.").size());
  const std::size_t dot = channel.rfind('.');
  if (dot == std::string_view::npos) return {};
  return {channel.substr(0, dot), channel.substr(dot + 1)};
}

}  // namespace

Decoder::Topic Decoder::topic_of(std::string_view channel) {
  if (channel.starts_with("book.")) return Topic::book;
  if (channel.starts_with("ticker.")) return Topic::ticker;
  if (channel.starts_with("trades.")) return Topic::trades;
  if (channel.starts_with("quote.")) return Topic::quote;
  if (channel.starts_with("chart.trades.")) return Topic::candle;
  if (channel.starts_with("deribit_price_index.")) return Topic::index_price;
  return Topic::other;
}

Decoded Decoder::decode(std::string_view frame, DecodeHandler& handler) {
  method_ = id_ = channel_ = heartbeat_ = early_data_ = error_code_ = error_text_ = error_reason_ = quoted_symbol_ = {};
  topic_ = Topic::none;
  has_data_ = has_result_ = has_error_ = false;
  held_.clear();
  accepted_.clear();

  JsonReader json(frame);
  if (json.peek() != JsonReader::Kind::object) return Decoded::unreadable("not_an_object");
  const bool is_read = read_frame(json);
  if (!is_read && !json.failed()) return Decoded::unreadable("missing_or_bad_field");
  if (!json.finish()) return Decoded::unreadable("not_whole_json");
  if (has_error_ || has_result_) return emit_answer(handler);
  if (method_ == "heartbeat") return emit_heartbeat(handler);
  if (method_ != "subscription") return Decoded::ignored("method_of_another_kind");
  if (!early_data_.empty() && topic_ != Topic::none && topic_ != Topic::other) {
    JsonReader data(early_data_);
    if (!read_data(data)) return Decoded::unreadable("missing_or_bad_field");
  }
  if (topic_ == Topic::none) return Decoded::unreadable("no_channel");
  if (topic_ == Topic::other) return Decoded::ignored("channel_of_another_kind");
  if (!has_data_) return Decoded::unreadable("no_data");
  if (!quoted_symbol_.empty()) remember_quotes(quoted_symbol_);
  if (held_.empty()) return Decoded::ignored("no_elements");
  held_.hand_over(handler);
  return Decoded::data();
}

bool Decoder::read_frame(JsonReader& json) {
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "params") {
      if (!read_params(json)) return false;
    } else if (key == "method") {
      method_ = json.text();
    } else if (key == "id") {
      id_ = json.text();
    } else if (key == "error") {
      if (!read_error(json)) return false;
    } else if (key == "result") {
      if (!read_result(json)) return false;
    } else {
      json.skip();
    }
  }
  return !json.failed();
}

bool Decoder::read_params(JsonReader& json) {
  if (json.peek() != JsonReader::Kind::object) {
    json.skip();
    return !json.failed();
  }
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "channel") {
      channel_ = json.text();
      topic_ = topic_of(channel_);
    } else if (key == "type") {
      heartbeat_ = json.text();
    } else if (key != "data") {
      json.skip();
    } else if (topic_ == Topic::none) {
      early_data_ = json.skip();
    } else if (topic_ == Topic::other) {
      json.skip();
    } else if (!read_data(json)) {
      return false;
    }
  }
  return !json.failed();
}

bool Decoder::read_data(JsonReader& json) {
  held_.clear();
  has_data_ = true;
  switch (topic_) {
    // "book.X.none.10.100ms", "book.X.5.20.100ms": grouped, of few levels; "book.X.100ms" brings changes.
    case Topic::book: return read_book(json, std::ranges::count(channel_, '.') == 4, held_);
    case Topic::trades: return read_trades(json);
    case Topic::ticker: return read_ticker(json);
    case Topic::quote: return read_quote(json);
    case Topic::candle: return read_candle(json);
    case Topic::index_price: return read_index_price(json);
    case Topic::none:
    case Topic::other: break;
  }
  return false;
}

bool Decoder::read_trades(JsonReader& json) {
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    if (!read_trade(json)) return false;
  }
  return !json.failed();
}

bool Decoder::read_trade(JsonReader& json) {
  std::string_view symbol, time, price, amount, direction, sequence, liquidation;
  market::Trade trade;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "instrument_name") {
      symbol = json.text();
    } else if (key == "trade_id") {
      trade.id = json.text();
    } else if (key == "trade_seq") {
      sequence = json.text();
    } else if (key == "timestamp") {
      time = json.text();
    } else if (key == "price") {
      price = json.text();
    } else if (key == "amount") {
      amount = json.text();
    } else if (key == "direction") {
      direction = json.text();
    } else if (key == "liquidation") {
      liquidation = json.text();
    } else {
      json.skip();
    }
  }
  const UnixTime exchange_time = time_of_ms(time);
  if (json.failed() || symbol.empty() || trade.id.empty() || exchange_time == no_time ||
      (direction != "buy" && direction != "sell") || !Decimal::parse(price, trade.price) ||
      !Decimal::parse(amount, trade.amount)) {
    return false;
  }
  trade.side = direction == "buy" ? market::Side::buy : market::Side::sell;
  held_.add_trade(symbol, exchange_time, trade, whole_number(sequence).value_or(market::no_sequence));
  const market::Side maker = direction == "buy" ? market::Side::sell : market::Side::buy;
  if (liquidation == "T" || liquidation == "MT")
    held_.add(symbol, exchange_time, market::Liquidation{trade.id, trade.side, trade.price, trade.amount});
  if (liquidation == "M" || liquidation == "MT")
    held_.add(symbol, exchange_time, market::Liquidation{trade.id, maker, trade.price, trade.amount});
  return true;
}

bool Decoder::read_ticker(JsonReader& json) {
  QuoteFields quote;
  std::string_view mark, index, interest, funding;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (quote.read(json, key)) continue;
    if (key == "mark_price") {
      mark = json.text();
    } else if (key == "index_price") {
      index = json.text();
    } else if (key == "open_interest") {
      interest = json.text();
    } else if (key == "current_funding") {
      funding = json.text();
    } else {
      json.skip();
    }
  }
  market::Bbo bbo;
  const UnixTime time = time_of_ms(quote.time);
  if (json.failed() || time == no_time || !quote.bbo(bbo)) return false;
  // Whoever takes the quotes has the best prices from there, sooner and without repetitions.
  if (!has_quotes(quote.symbol)) held_.add(quote.symbol, time, bbo);
  Decimal number;
  if (Decimal::parse(mark, number)) held_.add(quote.symbol, time, market::MarkPrice{number});
  if (Decimal::parse(index, number)) held_.add(quote.symbol, time, market::IndexPrice{number});
  if (Decimal::parse(interest, number)) held_.add(quote.symbol, time, market::OpenInterest{number});
  if (Decimal::parse(funding, number)) held_.add(quote.symbol, time, market::FundingRate{number, no_time});
  return true;
}

bool Decoder::read_quote(JsonReader& json) {
  QuoteFields quote;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (!quote.read(json, key)) json.skip();
  }
  market::Bbo bbo;
  const UnixTime time = time_of_ms(quote.time);
  if (json.failed() || time == no_time || !quote.bbo(bbo)) return false;
  quoted_symbol_ = quote.symbol;
  held_.add(quote.symbol, time, bbo);
  return true;
}

bool Decoder::read_candle(JsonReader& json) {
  const auto [symbol, resolution] = split_chart(channel_);
  std::string_view time, open, high, low, close, volume;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "tick") {
      time = json.text();
    } else if (key == "open") {
      open = json.text();
    } else if (key == "high") {
      high = json.text();
    } else if (key == "low") {
      low = json.text();
    } else if (key == "close") {
      close = json.text();
    } else if (key == "volume") {
      volume = json.text();
    } else {
      json.skip();
    }
  }
  market::Candle candle;
  candle.open_time = time_of_ms(time);
  if (json.failed() || symbol.empty() || candle.open_time == no_time || !Decimal::parse(open, candle.open) ||
      !Decimal::parse(high, candle.high) || !Decimal::parse(low, candle.low) || !Decimal::parse(close, candle.close) ||
      !Decimal::parse(volume, candle.volume)) {
    return false;
  }
  const auto interval = std::ranges::find(intervals, resolution, &Interval::resolution);
  candle.interval = interval == intervals.end() ? resolution : interval->name;
  candle.close_time = interval == intervals.end()
                          ? no_time
                          : candle.open_time + std::chrono::minutes(interval->minutes) - std::chrono::milliseconds(1);
  held_.add(symbol, no_time, candle);
  return true;
}

bool Decoder::read_index_price(JsonReader& json) {
  std::string_view name, time, price;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "index_name") {
      name = json.text();
    } else if (key == "timestamp") {
      time = json.text();
    } else if (key == "price") {
      price = json.text();
    } else {
      json.skip();
    }
  }
  market::IndexPrice index;
  if (json.failed() || name.empty() || time_of_ms(time) == no_time || !Decimal::parse(price, index.price)) return false;
  held_.add(name, time_of_ms(time), index);
  return true;
}

void Decoder::remember_quotes(std::string_view symbol) {
  if (quoted_.size() < quoted_max && !has_quotes(symbol)) quoted_.emplace(symbol);
}

}  // namespace marketprism::exchange::deribit
