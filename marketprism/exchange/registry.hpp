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

/// The venue that a recording's path names: the beginning of the file's name up to a `.` or `_`, or its folder, in
/// lower case and with `-` for `_` ("BINANCE_FUTURES/BINANCE_FUTURES.ws.1.0.gz",
/// "binance-futures_btcusdt_20240808.gz"). Empty if none.
std::string_view exchange_in_path(std::string_view path);

}  // namespace marketprism::exchange
