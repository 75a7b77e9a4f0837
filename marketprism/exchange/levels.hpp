#pragma once
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::exchange {

/// Reads `[["price","amount",…],…]` (texts or numbers; what follows the amount is passed over) and appends the levels.
/// False, and the reader at fault, if it is anything else.
bool read_levels(JsonReader& json, std::vector<market::Level>& levels);

/// The value of `name` in a target's query ("…?symbol=BTCUSDT&limit=5"), empty if absent. Not percent-decoded.
std::string_view query_value(std::string_view target, std::string_view name);

/// Path of a target or URL, without scheme, host and query.
std::string_view path_of(std::string_view target);

}  // namespace marketprism::exchange
