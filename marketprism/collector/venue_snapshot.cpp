// What a venue's collector shows of itself to monitoring.
#include <algorithm>

#include "marketprism/collector/venue_endpoint.hpp"

namespace marketprism::collector {
namespace {

/// The type of event that a channel brings.
market::EventType type_of(exchange::Channel channel) {
  const auto type = market::event_type_of(name_of(channel));
  return type.value_or(market::EventType::trade);  // agg_trade
}

}  // namespace

void VenueCollector::note_wanted(const Selection& selection) {
  wanted_.clear();
  for (const market::Instrument& instrument : selection.instruments) {
    for (const exchange::Channel channel : config_.channels) {
      const auto streams = session_.adapter().streams(channel, instrument, config_.streams);
      const bool is_offered =
          streams && (!streams->empty() || !session_.adapter().poll_requests(channel, instrument).empty());
      if (is_offered) wanted_.emplace_back(instrument.symbol, type_of(channel));
    }
  }
  std::ranges::sort(wanted_);
  wanted_.erase(std::ranges::unique(wanted_).begin(), wanted_.end());
  const market::InstrumentKind kind = selection.instruments.front().kind;
  const bool is_uniform = std::ranges::all_of(
      selection.instruments, [&](const market::Instrument& instrument) { return instrument.kind == kind; });
  market_type_ = is_uniform ? name_of(kind) : "mixed";
}

VenueSnapshot VenueCollector::snapshot(bool with_uses) const {
  VenueSnapshot all;
  all.status = status();
  all.market_type = market_type_;
  for (const auto& endpoint : endpoints_) {
    const net::WebSocketConnectionPool& pool = endpoint->pool();
    PoolSnapshot& one = all.pools.emplace_back();
    one.stats = pool.stats();
    one.name = one.stats.name;
    one.slots = pool.slot_stats();
    one.connections = pool.connections();
  }
  if (rest_) {
    PoolSnapshot& one = all.pools.emplace_back();
    one.name = config_.name + " REST";
    one.config = RestClient::pool_config();
    const auto hosts = rest_->pool().stats();
    if (!hosts.empty()) one.stats = hosts.front();  // it asks one host
    one.stats.type = pool::PoolType::http;
    one.stats.max_size = one.config.max_size;
    one.connections = rest_->pool().connections();
    if (with_uses) one.uses = rest_->recent_uses();
  }
  all.streams.reserve(wanted_.size());
  for (const auto& [symbol, type] : wanted_) all.streams.push_back({symbol, type, session_.activity(symbol, type)});
  all.books_wanted = book_streams_.size();
  all.directory_bytes = session_.directory_bytes();
  all.level_blocks = session_.level_blocks();
  all.snapshots_waiting = snapshots_.waiting();
  all.snapshots_in_flight = snapshots_.in_flight();
  return all;
}

std::vector<std::string> VenueCollector::book_symbols() const {
  std::vector<std::string> symbols;
  for (const auto& [symbol, stream] : book_streams_) symbols.push_back(symbol);
  std::ranges::sort(symbols);
  return symbols;
}

}  // namespace marketprism::collector
