#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/held_events.hpp"
#include "marketprism/market/order_book.hpp"

namespace marketprism::exchange::okx {

/// One element of the `data` of a book channel or of `bbo-tbt`.
struct BookFields {
  std::string_view time;
  std::int64_t sequence = market::no_sequence;
  std::int64_t previous_sequence = market::no_sequence;
  std::optional<std::int64_t> checksum;  ///< only where there is no sequence number
  HeldEvents::Range bids;
  HeldEvents::Range asks;
};

/// Reads one element, appending its levels to `levels`. False if the text is at fault or a side is missing.
bool read_book_fields(JsonReader& json, std::vector<market::Level>& levels, BookFields& fields);

/// OKX's checksum: the CRC-32, as a signed number, of the best 25 levels of both sides, level by level
/// `bid:amount:ask:amount`, joined by colons; a side that is shorter is left out from there on. The digits are those
/// received. `text` is scratch memory.
std::int32_t checksum_of(const market::OrderBook& book, std::string& text);

}  // namespace marketprism::exchange::okx
