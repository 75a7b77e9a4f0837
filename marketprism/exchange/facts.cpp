#include "marketprism/exchange/facts.hpp"

namespace marketprism::exchange {
namespace {
constexpr std::array<std::string_view, channel_count> channel_names{
    "trade",        "agg_trade",     "book",       "bbo",         "candle",
    "funding_rate", "open_interest", "mark_price", "index_price", "liquidation"};
}

std::string_view name_of(Channel channel) { return channel_names[static_cast<std::size_t>(channel)]; }

std::optional<Channel> channel_of(std::string_view name) {
  for (std::size_t i = 0; i < channel_names.size(); ++i) {
    if (channel_names[i] == name) return static_cast<Channel>(i);
  }
  return std::nullopt;
}

}  // namespace marketprism::exchange
