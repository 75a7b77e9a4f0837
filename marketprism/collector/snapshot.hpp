#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/histogram.hpp"
#include "marketprism/collector/event_tap.hpp"
#include "marketprism/collector/venue_collector.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/monitor/pool_sizing.hpp"
#include "marketprism/monitor/process.hpp"
#include "marketprism/pool/pool_stats.hpp"
#include "marketprism/pool/slot_pool.hpp"
#include "marketprism/sink/batcher.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"

namespace marketprism::collector {

/// What is true on the collector's event loop at one moment, copied, so that other threads can tell it at leisure.
struct LoopSnapshot {
  Instant taken_at{};
  UnixTime wall_time{};
  std::vector<VenueSnapshot> venues;
  std::vector<GapCount> gap_counts;
  std::vector<GapRecord> gaps;  ///< the last, newest last
  Histogram lag_ns;             ///< from a post to the loop to its run
  Nanoseconds longest_handler{};
  std::string longest_handler_name;  ///< empty if none named itself
  std::uint64_t allocations = 0;     ///< heap allocations of the loop's thread, those for monitoring left out
};

/// What the writers' threads keep, copied from any thread.
struct StoreSnapshot {
  std::vector<sink::FlowStats> flows;
  std::vector<std::string> sink_names;
  std::vector<sink::SinkStats> sinks;
  sink::CountByType dropped{};
  std::size_t batches_waiting = 0;
  std::size_t batches_max = 0;
  bool has_tape = false;
  sink::TapeStats tape;
};

/// One instrument's book near the touch, and its last trades.
struct BookSnapshot {
  std::string exchange;
  std::string symbol;
  bool is_known = false;  ///< collected with its book
  bool is_live = false;
  UnixTime last_receive = no_time;
  std::size_t bid_levels = 0, ask_levels = 0;  ///< in all
  std::vector<market::Level> bids;             ///< best first
  std::vector<market::Level> asks;
  std::vector<TradeRecord> trades;  ///< newest last
};

/// A book in one line.
struct BookSummary {
  std::string exchange;
  std::string symbol;
  bool is_live = false;
  std::size_t bid_levels = 0, ask_levels = 0;
  std::optional<Decimal> bid, ask;
  UnixTime last_receive = no_time;
};

}  // namespace marketprism::collector
