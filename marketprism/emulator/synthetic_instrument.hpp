#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/time.hpp"
#include "marketprism/market/instrument.hpp"

namespace marketprism::emulator {

/// One thing a synthetic market trades. Prices are ticks of `tick_units` × 10^-price_decimals, amounts lots of
/// `lot_units` × 10^-amount_decimals. Plain data.
struct SyntheticInstrument {
  std::string symbol;  ///< the venue's own name
  market::InstrumentKind kind = market::InstrumentKind::spot;
  std::string base;
  std::string quote;
  std::string settle;
  std::string index;          ///< the venue's name of the index it follows: "BTC-USDT", "btc_usd", "BTCUSD"
  std::string contract_size;  ///< text; empty for spot
  bool is_inverse = false;    ///< the contract is worth an amount of the quote
  int price_decimals = 2;
  std::int64_t tick_units = 1;
  std::int64_t center_ticks = 100'000;
  int amount_decimals = 3;
  std::int64_t lot_units = 1;
  std::int64_t amount_max_lots = 1'000;
  UnixTime expiry = no_time;
  std::string strike;
  std::string option_type;  ///< "call" or "put"

  [[nodiscard]] std::int64_t price_units(std::int64_t ticks) const { return ticks * tick_units; }
  [[nodiscard]] std::int64_t amount_units(std::int64_t lots) const { return lots * lot_units; }
  [[nodiscard]] bool is_derivative() const { return kind != market::InstrumentKind::spot; }
  [[nodiscard]] bool is_perpetual() const { return kind == market::InstrumentKind::perpetual; }
};

/// The instruments of the venue's synthetic market, the busiest first. `extra` more of the venue's main kind are called
/// S0001, S0002, … against its main quote. Expiries are the second quarter's end after `today`. Empty for an unknown
/// venue.
std::vector<SyntheticInstrument> synthetic_instruments(std::string_view exchange, UnixTime today,
                                                       std::size_t extra = 0);

}  // namespace marketprism::emulator
