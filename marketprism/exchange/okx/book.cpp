#include "marketprism/exchange/okx/book.hpp"

#include <algorithm>

#include "marketprism/base/crc32.hpp"
#include "marketprism/exchange/levels.hpp"

namespace marketprism::exchange::okx {
namespace {

constexpr std::size_t checksum_depth = 25;

bool read_side(JsonReader& json, std::vector<market::Level>& levels, HeldEvents::Range& range) {
  range.first = levels.size();
  const bool is_read = read_levels(json, levels);
  range.last = levels.size();
  return is_read;
}

void append(std::string& text, const market::Level& level) {
  if (!text.empty()) text += ':';
  level.price.append_to(text);
  text += ':';
  level.amount.append_to(text);
}

}  // namespace

bool read_book_fields(JsonReader& json, std::vector<market::Level>& levels, BookFields& fields) {
  std::string_view sequence, previous, checksum;
  bool has_bids = false;
  bool has_asks = false;
  if (!json.enter_object()) return false;
  for (std::string_view key; json.next_key(key);) {
    if (key == "bids") {
      has_bids = true;
      if (!read_side(json, levels, fields.bids)) return false;
    } else if (key == "asks") {
      has_asks = true;
      if (!read_side(json, levels, fields.asks)) return false;
    } else if (key == "ts") {
      fields.time = json.text();
    } else if (key == "seqId") {
      sequence = json.text();
    } else if (key == "prevSeqId") {
      previous = json.text();
    } else if (key == "checksum") {
      checksum = json.text();
    } else {
      json.skip();
    }
  }
  if (json.failed() || !has_bids || !has_asks) return false;
  fields.sequence = whole_number(sequence).value_or(market::no_sequence);
  fields.previous_sequence = whole_number(previous).value_or(market::no_sequence);
  if (fields.previous_sequence < 0) fields.previous_sequence = market::no_sequence;  // −1 in snapshots
  const std::int64_t number = whole_number(checksum).value_or(0);
  if (fields.sequence == market::no_sequence && number != 0) fields.checksum = number;
  return true;
}

std::int32_t checksum_of(const market::OrderBook& book, std::string& text) {
  text.clear();
  const std::size_t bids = std::min(book.bids().size(), checksum_depth);
  const std::size_t asks = std::min(book.asks().size(), checksum_depth);
  for (std::size_t i = 0; i < std::max(bids, asks); ++i) {
    if (i < bids) append(text, book.bids().at(i));
    if (i < asks) append(text, book.asks().at(i));
  }
  return static_cast<std::int32_t>(crc32(text));
}

}  // namespace marketprism::exchange::okx
