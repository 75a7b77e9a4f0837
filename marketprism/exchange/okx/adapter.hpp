#pragma once
#include <memory>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange::okx {

std::unique_ptr<Adapter> make();

}  // namespace marketprism::exchange::okx
