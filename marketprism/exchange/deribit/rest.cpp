#include "marketprism/exchange/deribit/rest.hpp"

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/deribit/facts.hpp"
#include "marketprism/exchange/held_events.hpp"
#include "marketprism/exchange/levels.hpp"

// Payloads, hand-written (sources in facts.hpp):
//   GET /api/v2/public/get_instruments?currency=any&expired=false
//   {"jsonrpc":"2.0","result":[{"instrument_name":"BTC-PERPETUAL","kind":"future","settlement_period":"perpetual",
//     "instrument_type":"reversed","base_currency":"BTC","quote_currency":"USD","counter_currency":"USD",
//     "settlement_currency":"BTC","contract_size":10.0,"min_trade_amount":10,"tick_size":0.5,"is_active":true,
//     "state":"open","expiration_timestamp":32503708800000}]}
//   options: "kind":"option","option_type":"put","strike":40000.0 and, where they pay in the coin, "quote_currency" is
//   that coin. 2021 has neither "instrument_type" nor "counter_currency" nor "settlement_currency"; 2022 calls the
//   first "future_type"; "state" is new in 2026. Kinds "future_combo" and "option_combo" are several instruments traded
//   as one.
//   {"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}

namespace marketprism::exchange::deribit {
namespace {

using market::Instrument;
using market::InstrumentKind;

/// The fields of one instrument as they stand.
struct Row {
  std::string_view symbol, kind, period, type, base, quote, counter, settle, contract_size, lot, tick, is_active, state,
      expiry, option_type, strike;

  std::string_view* field(std::string_view key) {
    if (key == "instrument_name") return &symbol;
    if (key == "kind") return &kind;
    if (key == "settlement_period") return &period;
    if (key == "instrument_type" || key == "future_type") return &type;
    if (key == "base_currency") return &base;
    if (key == "quote_currency") return &quote;
    if (key == "counter_currency") return &counter;
    if (key == "settlement_currency") return &settle;
    if (key == "contract_size") return &contract_size;
    if (key == "min_trade_amount") return &lot;
    if (key == "tick_size") return &tick;
    if (key == "is_active") return &is_active;
    if (key == "state") return &state;
    if (key == "expiration_timestamp") return &expiry;
    if (key == "option_type") return &option_type;
    if (key == "strike") return &strike;
    return nullptr;
  }
};

bool read_row(JsonReader& json, Row& row) {
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (std::string_view* const field = row.field(key)) {
      *field = json.text();
    } else {
      json.skip();
    }
  }
  return !json.failed() && !row.symbol.empty() && !row.kind.empty();
}

Instrument instrument_of(const Row& row) {
  Instrument instrument;
  instrument.symbol = row.symbol;
  instrument.kind = row.kind == "option"        ? InstrumentKind::option
                    : row.kind == "spot"        ? InstrumentKind::spot
                    : row.period == "perpetual" ? InstrumentKind::perpetual
                                                : InstrumentKind::future;
  const bool is_option = instrument.kind == InstrumentKind::option;
  const bool is_contract = instrument.kind == InstrumentKind::perpetual || instrument.kind == InstrumentKind::future;
  const bool is_inverse = row.type.empty() ? row.quote == "USD" : row.type == "reversed";
  instrument.base = row.base;
  // An option that pays in the coin is quoted in the coin, but its strike, and the pair it belongs to, is in dollars.
  instrument.quote = is_option && row.quote == row.base ? (row.counter.empty() ? "USD" : row.counter) : row.quote;
  instrument.settle = !row.settle.empty() ? row.settle : is_contract && is_inverse ? row.base : row.quote;
  instrument.amount_unit = is_contract && is_inverse ? "quote" : "base";  // inverse contracts count dollars
  instrument.contract_size = Decimal(1, 0);
  if (instrument.kind != InstrumentKind::spot) Decimal::parse(row.contract_size, instrument.contract_size);
  Decimal::parse(row.tick, instrument.tick_size);
  Decimal::parse(row.lot, instrument.lot_size);
  if (is_option || instrument.kind == InstrumentKind::future) instrument.expiry = time_of_ms(row.expiry);
  if (is_option) {
    Decimal::parse(row.strike, instrument.strike);
    instrument.option_type = row.option_type;
  }
  const bool is_trading = row.state.empty() ? row.is_active != "false" : row.state == "open";
  instrument.status = is_trading ? "trading" : row.state.empty() ? "inactive" : row.state;
  instrument.canonical = canonical_name(instrument);
  return instrument;
}

struct Answer {
  std::string_view result, error_code, error_text;
};

bool read_answer(std::string_view body, Answer& answer) {
  JsonReader json(body);
  if (json.peek() != JsonReader::Kind::object) return false;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "result") {
      answer.result = json.skip();
    } else if (key == "error" && json.peek() == JsonReader::Kind::object) {
      json.enter_object();
      for (std::string_view inner; json.next_key(inner);) {
        if (inner == "code") {
          answer.error_code = json.text();
        } else if (inner == "message") {
          answer.error_text = json.text();
        } else {
          json.skip();
        }
      }
    } else {
      json.skip();
    }
  }
  return json.finish();
}

bool read_instruments(std::string_view result, std::vector<Instrument>& instruments) {
  JsonReader json(result);
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    JsonReader one(json.skip());
    Row row;
    if (!read_row(one, row)) continue;  // one that cannot be read does not take the others with it
    if (row.kind == "future" || row.kind == "option" || row.kind == "spot") instruments.push_back(instrument_of(row));
  }
  return json.finish();
}

}  // namespace

std::vector<RestRequest> instrument_requests() {
  return {{"/api/v2/public/get_instruments?currency=any&expired=false", instruments_weight}};
}

Decoded decode_rest(std::string_view target, std::string_view body, DecodeHandler& handler) {
  if (!path_of(target).ends_with("/public/get_instruments")) return Decoded::ignored("rest_answer_of_another_kind");
  Answer answer;
  if (!read_answer(body, answer)) return Decoded::unreadable("not_whole_json");
  if (!answer.error_code.empty()) {
    handler.on_control({.kind = ControlMessage::Kind::refused,
                        .stream = {},
                        .code = whole_number(answer.error_code).value_or(0),
                        .text = answer.error_text});
    return Decoded::control();
  }
  std::vector<Instrument> instruments;
  if (!read_instruments(answer.result, instruments)) return Decoded::unreadable("missing_or_bad_field");
  for (Instrument& instrument : instruments) handler.on_instrument(std::move(instrument));
  return Decoded::data();
}

Error rest_error(int status, std::string_view body) {
  Answer answer;
  const bool is_read = read_answer(body, answer) && !answer.error_code.empty();
  const bool is_rate = status == 429 || answer.error_code == "10028";
  const bool is_unknown = status == 404 || answer.error_code == "13020";  // not_found
  const ErrorCode code = is_rate ? ErrorCode::rate_limited : is_unknown ? ErrorCode::not_found : ErrorCode::rejected;
  std::string message =
      is_read ? fmt::format("deribit answered {} with code {}: {}", status, answer.error_code, answer.error_text)
              : fmt::format("deribit answered {}: {}", status, body.substr(0, 300));
  return Error{code, std::move(message), false, nullptr};
}

}  // namespace marketprism::exchange::deribit
