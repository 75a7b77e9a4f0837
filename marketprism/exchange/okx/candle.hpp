#pragma once
#include <string_view>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/okx/facts.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::exchange::okx {

/// The interval by the venue's name ("1H") or by ours ("1h"); null if there is none.
const Interval* interval_of_channel(std::string_view channel);
const Interval* interval_named(std::string_view name);

/// Reads one candle, an array. `interval` is the channel's name without "candle". False if the text is at fault. The
/// candle's close time is its last millisecond, as Binance gives it.
bool read_candle(JsonReader& json, std::string_view interval, market::Candle& candle);

}  // namespace marketprism::exchange::okx
