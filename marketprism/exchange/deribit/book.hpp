#pragma once
#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange::deribit {

/// Reads the `data` of a book channel and holds it; `is_whole`: see BookMessage. False if the text is at fault or a
/// field is missing.
bool read_book(JsonReader& json, bool is_whole, HeldEvents& held);

}  // namespace marketprism::exchange::deribit
