#pragma once
#include <memory>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange::binance {

std::unique_ptr<Adapter> make_spot();
std::unique_ptr<Adapter> make_us();
std::unique_ptr<Adapter> make_usd_margined();
std::unique_ptr<Adapter> make_coin_margined();

}  // namespace marketprism::exchange::binance
