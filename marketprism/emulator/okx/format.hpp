#pragma once
#include <memory>

#include "marketprism/emulator/frame_format.hpp"

namespace marketprism::emulator::okx {

std::unique_ptr<FrameFormat> make_format();

}  // namespace marketprism::emulator::okx
