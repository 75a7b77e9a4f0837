#pragma once
#include <memory>

#include "marketprism/emulator/dialect.hpp"

namespace marketprism::emulator::deribit {

std::unique_ptr<Dialect> make_dialect();

}  // namespace marketprism::emulator::deribit
