#pragma once
#include <string>
#include <string_view>

#include "marketprism/base/decimal.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::market {

enum class InstrumentKind : std::uint8_t { spot, perpetual, future, option };

/// "spot", "perpetual", "future", "option".
std::string_view name_of(InstrumentKind kind);

/// What an exchange says of one thing it trades. Texts that the exchange does not give are empty; numbers it does not
/// give are zero.
struct Instrument {
  std::string symbol;     ///< the exchange's own name, verbatim
  std::string canonical;  ///< `BTC-USDT`, `BTC-USDT-PERP`, `BTC-USD-20210924`, `BTC-USD-20210924-8000-P`
  InstrumentKind kind = InstrumentKind::spot;
  std::string base;
  std::string quote;
  std::string settle;         ///< the currency gains are paid in; for spot the quote
  Decimal contract_size;      ///< how much one contract is worth, in `amount_unit`'s coin or quote; 1 for spot
  std::string amount_unit;    ///< what one unit of `amount` is: "base", "contract" or "quote"
  Decimal tick_size;          ///< step of prices
  Decimal lot_size;           ///< step of amounts
  UnixTime expiry = no_time;  ///< futures and options
  Decimal strike;             ///< options
  std::string option_type;    ///< "call" or "put"
  std::string status;         ///< "trading" or the exchange's word for anything else, in lower case

  bool is_trading() const { return status == "trading"; }
  friend bool operator==(const Instrument&, const Instrument&) = default;
};

/// The canonical name made of kind, base, quote, expiry, strike and option type.
std::string canonical_name(const Instrument& instrument);

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one; letter case does not
/// count.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace marketprism::market
