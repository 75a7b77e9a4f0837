#include "marketprism/collector/event_tap.hpp"

#include <algorithm>

namespace marketprism::collector {

void EventTap::note_gap(const market::Event& event) {
  const auto& gap = std::get<market::Gap>(event.payload);
  if (gaps_.size() == gaps_max) gaps_.pop_front();
  gaps_.push_back({.number = ++gaps_seen_,
                   .time = event.receive_time,
                   .exchange = event.exchange,
                   .symbol = std::string(event.symbol),
                   .channel = gap.channel,
                   .reason = gap.reason,
                   .from_sequence = gap.from_sequence,
                   .to_sequence = gap.to_sequence});
  for (GapCount& same : gap_counts_) {
    if (same.exchange == event.exchange && same.channel == gap.channel && same.reason == gap.reason) {
      ++same.count;
      return;
    }
  }
  gap_counts_.push_back({event.exchange, gap.channel, gap.reason, 1});
}

void EventTap::note_trade(const market::Event& event) {
  for (Watched& watched : watched_) {
    if (watched.symbol != event.symbol || watched.exchange != event.exchange) continue;
    const auto& trade = std::get<market::Trade>(event.payload);
    if (watched.trades.size() == trades_max) watched.trades.pop_front();
    const UnixTime time = event.exchange_time != no_time ? event.exchange_time : event.receive_time;
    watched.trades.push_back({++watched.count, time, trade.side, trade.price, trade.amount});
  }
}

const std::deque<TradeRecord>& EventTap::trades(std::string_view exchange, std::string_view symbol, Instant now) {
  std::erase_if(watched_, [&](const Watched& watched) { return watched.until < now; });
  auto found = std::ranges::find_if(
      watched_, [&](const Watched& watched) { return watched.symbol == symbol && watched.exchange == exchange; });
  if (found == watched_.end()) {
    if (watched_.size() == watched_max) return no_trades_;
    watched_.push_back({std::string(exchange), std::string(symbol), {}, 0, {}});
    found = watched_.end() - 1;
  }
  found->until = now + watched_for;
  return found->trades;
}

}  // namespace marketprism::collector
