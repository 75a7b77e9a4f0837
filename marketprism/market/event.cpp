#include "marketprism/market/event.hpp"

#include <array>

namespace marketprism::market {
namespace {
constexpr std::array<std::string_view, event_type_count> type_names{
    "trade",      "book",        "bbo",         "candle", "funding_rate", "open_interest",
    "mark_price", "index_price", "liquidation", "gap",    "instrument"};
static_assert(std::variant_size_v<Event::Payload> == event_type_count);
}  // namespace

std::string_view name_of(EventType type) { return type_names[static_cast<std::size_t>(type)]; }

std::optional<EventType> event_type_of(std::string_view name) {
  for (std::size_t i = 0; i < type_names.size(); ++i) {
    if (type_names[i] == name) return static_cast<EventType>(i);
  }
  return std::nullopt;
}

}  // namespace marketprism::market
