#pragma once
#include <string>

#include "marketprism/market/event.hpp"

namespace marketprism::market {

/// Appends the event as one line of JSON with its newline: prices and amounts as strings with the digits as received,
/// times as whole nanoseconds since the epoch or null. Fields and their order are docs/events.md's. Does not allocate
/// once `out` has grown to its size.
void append_json(const Event& event, std::string& out);

}  // namespace marketprism::market
