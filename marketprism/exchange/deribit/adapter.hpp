#pragma once
#include <memory>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange::deribit {

std::unique_ptr<Adapter> make();

}  // namespace marketprism::exchange::deribit
