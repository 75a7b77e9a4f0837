#pragma once
#include <memory>

#include "marketprism/emulator/dialect.hpp"

namespace marketprism::emulator::binance {

/// Null for an exchange that is not of the Binance family.
std::unique_ptr<Dialect> make_dialect(std::string_view exchange);

}  // namespace marketprism::emulator::binance
