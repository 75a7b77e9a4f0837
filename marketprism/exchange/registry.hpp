#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange {

/// The names of all venues of this build, in the order of exchanges.def.
std::span<const std::string_view> exchange_names();

/// A new adapter of the venue; an error that names the nearest known venue if there is none of that name.
Result<std::unique_ptr<Adapter>> make_adapter(std::string_view exchange);

}  // namespace marketprism::exchange
