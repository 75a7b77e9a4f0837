#pragma once
#include <memory>
#include <string_view>

#include "marketprism/emulator/frame_format.hpp"

namespace marketprism::emulator::binance {

/// Null for an exchange that is not of the Binance family.
std::unique_ptr<FrameFormat> make_format(std::string_view exchange);

}  // namespace marketprism::emulator::binance
