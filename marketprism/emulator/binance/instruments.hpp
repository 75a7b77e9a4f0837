#pragma once
#include <string>

#include "marketprism/emulator/binance/rows.hpp"
#include "marketprism/emulator/moment.hpp"
#include "marketprism/emulator/synthetic_market.hpp"

namespace marketprism::emulator::binance {

/// The body of exchangeInfo.
std::string exchange_info(const Row& row, const SyntheticMarket& market, Moment moment);

}  // namespace marketprism::emulator::binance
