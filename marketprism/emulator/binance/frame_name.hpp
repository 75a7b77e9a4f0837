#pragma once
#include <string>
#include <string_view>

namespace marketprism::emulator::binance {

/// The stream of a frame: what it says itself ("stream"), else made of "e" and "s" ("btcusdt@depth"); empty if it is no
/// market data.
std::string stream_of(std::string_view frame);

/// "btcusdt@depth@100ms" → "btcusdt@depth": how often a stream sends does not matter.
std::string family_of(std::string_view stream);

}  // namespace marketprism::emulator::binance
