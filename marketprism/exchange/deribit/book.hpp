#pragma once
#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange::deribit {

/// Reads the `data` of a book channel and holds it. False if the text is at fault or a field is missing.
bool read_book(JsonReader& json, HeldEvents& held);

}  // namespace marketprism::exchange::deribit
