#include "marketprism/exchange/okx/rest.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/held_events.hpp"
#include "marketprism/exchange/levels.hpp"
#include "marketprism/exchange/okx/facts.hpp"

// Payloads, hand-written (sources in facts.hpp); what does not apply to an instrument is an empty text:
//   GET /api/v5/public/instruments?instType=SWAP
//   {"code":"0","msg":"","data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","uly":"BTC-USDT","instFamily":"BTC-USDT",
//     "baseCcy":"","quoteCcy":"","settleCcy":"USDT","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","ctType":"linear",
//     "optType":"","stk":"","expTime":"","tickSz":"0.1","lotSz":"0.01","state":"live"}]}
//   spot: "baseCcy" and "quoteCcy", no "uly"; options: "optType":"C", "stk":"22000", "expTime":"1652515200000".
//   "instFamily" is missing before 2023; it differs from "uly" where one index has contracts of several margins:
//   "BTC-USD_UM" settles in dollars, "BTC-USD" in bitcoin, both have the index "BTC-USD".
//   {"code":"51000","msg":"Parameter instType error","data":[]}

namespace marketprism::exchange::okx {
namespace {

using market::Instrument;
using market::InstrumentKind;

struct Pair {
  std::string_view base;
  std::string_view quote;
};

/// "BTC-USD" → BTC, USD.
Pair split(std::string_view name) {
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) return {name, {}};
  return {name.substr(0, dash), name.substr(dash + 1)};
}

/// a × b where both have few digits, as contract values have; `a` where the product does not fit.
Decimal product(const Decimal& a, const Decimal& b) {
  const Int128 mantissa = a.mantissa() * b.mantissa();
  const int exponent = a.exponent() + b.exponent();
  if (mantissa != static_cast<std::int64_t>(mantissa) || exponent < -100 || exponent > 100) return a;
  return Decimal(static_cast<std::int64_t>(mantissa), exponent);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return result;
}

/// The fields of one instrument as they stand.
struct Row {
  std::string_view kind, symbol, underlying, family, base, quote, settle, value, multiplier, option_type, strike,
      expiry, tick, lot, state;

  std::string_view* field(std::string_view key) {
    if (key == "instType") return &kind;
    if (key == "instId") return &symbol;
    if (key == "uly") return &underlying;
    if (key == "instFamily") return &family;
    if (key == "baseCcy") return &base;
    if (key == "quoteCcy") return &quote;
    if (key == "settleCcy") return &settle;
    if (key == "ctVal") return &value;
    if (key == "ctMult") return &multiplier;
    if (key == "optType") return &option_type;
    if (key == "stk") return &strike;
    if (key == "expTime") return &expiry;
    if (key == "tickSz") return &tick;
    if (key == "lotSz") return &lot;
    if (key == "state") return &state;
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
  return !json.failed() && !row.symbol.empty();
}

bool set_kind(const Row& row, Instrument& instrument) {
  if (row.kind == "SPOT") {
    instrument.kind = InstrumentKind::spot;
  } else if (row.kind == "SWAP") {
    instrument.kind = InstrumentKind::perpetual;
  } else if (row.kind == "FUTURES") {
    instrument.kind = InstrumentKind::future;
  } else if (row.kind == "OPTION") {
    instrument.kind = InstrumentKind::option;
  } else {
    return false;
  }
  return true;
}

Instrument instrument_of(const Row& row, InstrumentKind kind) {
  Instrument instrument;
  instrument.kind = kind;
  instrument.symbol = row.symbol;
  const bool is_spot = kind == InstrumentKind::spot;
  const Pair pair = is_spot ? Pair{row.base, row.quote} : split(row.underlying.empty() ? row.symbol : row.underlying);
  instrument.base = pair.base;
  instrument.settle = row.settle.empty() ? pair.quote : row.settle;
  instrument.amount_unit = is_spot ? "base" : "contract";
  instrument.contract_size = Decimal(1, 0);
  Decimal value;
  Decimal multiplier;
  if (!is_spot && Decimal::parse(row.value, value)) {
    instrument.contract_size = Decimal::parse(row.multiplier, multiplier) ? product(value, multiplier) : value;
  }
  Decimal::parse(row.tick, instrument.tick_size);
  Decimal::parse(row.lot, instrument.lot_size);
  if (kind == InstrumentKind::future || kind == InstrumentKind::option) instrument.expiry = time_of_ms(row.expiry);
  if (kind == InstrumentKind::option) {
    Decimal::parse(row.strike, instrument.strike);
    instrument.option_type = row.option_type == "P" ? "put" : "call";
  }
  instrument.status = row.state == "live" ? "trading" : lower(row.state);
  // The family, not the underlying, makes the canonical name unique.
  instrument.quote = is_spot || row.family.empty() ? pair.quote : split(row.family).quote;
  instrument.canonical = canonical_name(instrument);
  instrument.quote = pair.quote;
  return instrument;
}

struct Answer {
  std::string_view code, text, data;
};

bool read_answer(std::string_view body, Answer& answer) {
  JsonReader json(body);
  if (json.peek() != JsonReader::Kind::object) return false;
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    if (key == "code") {
      answer.code = json.text();
    } else if (key == "msg") {
      answer.text = json.text();
    } else if (key == "data") {
      answer.data = json.skip();
    } else {
      json.skip();
    }
  }
  return json.finish();
}

bool read_instruments(std::string_view data, std::vector<Instrument>& instruments) {
  JsonReader json(data);
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    JsonReader one(json.skip());
    Row row;
    Instrument instrument;
    if (!read_row(one, row)) continue;  // one that cannot be read does not take the others with it
    if (set_kind(row, instrument)) instruments.push_back(instrument_of(row, instrument.kind));
  }
  return json.finish();
}

}  // namespace

std::vector<RestRequest> instrument_requests() {
  std::vector<RestRequest> requests;
  for (const std::string_view kind : {"SPOT", "SWAP", "FUTURES"}) {
    requests.push_back({fmt::format("/api/v5/public/instruments?instType={}", kind), 1});
  }
  for (const std::string_view underlying : option_underlyings) {
    requests.push_back({fmt::format("/api/v5/public/instruments?instType=OPTION&uly={}", underlying), 1});
  }
  return requests;
}

Decoded decode_rest(std::string_view target, std::string_view body, DecodeHandler& handler) {
  if (path_of(target) != "/api/v5/public/instruments") return Decoded::ignored("rest_answer_of_another_kind");
  Answer answer;
  if (!read_answer(body, answer)) return Decoded::unreadable("not_whole_json");
  if (!answer.code.empty() && answer.code != "0") {
    handler.on_control({.kind = ControlMessage::Kind::refused,
                        .stream = {},
                        .code = whole_number(answer.code).value_or(0),
                        .text = answer.text});
    return Decoded::control();
  }
  std::vector<Instrument> instruments;
  if (!read_instruments(answer.data, instruments)) return Decoded::unreadable("missing_or_bad_field");
  for (Instrument& instrument : instruments) handler.on_instrument(std::move(instrument));
  return Decoded::data();
}

Error rest_error(int status, std::string_view body) {
  Answer answer;
  const bool is_read = read_answer(body, answer) && !answer.code.empty();
  const bool is_rate = status == 429 || answer.code == "50011" || answer.code == "50061";
  const bool is_unknown = status == 404 || answer.code == "51001";  // "Instrument ID doesn't exist"
  const ErrorCode code = is_rate ? ErrorCode::rate_limited : is_unknown ? ErrorCode::not_found : ErrorCode::rejected;
  std::string message = is_read ? fmt::format("okx answered {} with code {}: {}", status, answer.code, answer.text)
                                : fmt::format("okx answered {}: {}", status, body.substr(0, 300));
  return Error{code, std::move(message), false, nullptr};
}

}  // namespace marketprism::exchange::okx
