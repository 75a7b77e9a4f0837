// What the efficiency report is made of.
#include <algorithm>
#include <map>
#include <utility>

#include "marketprism/collector/monitoring_state.hpp"

namespace marketprism::collector {

namespace {

memory::ObjectPoolStatistics reuse_of(std::string name, std::uint64_t used, std::uint64_t made,
                                      std::uint64_t object_bytes) {
  memory::ObjectPoolStatistics one;
  one.name = std::move(name);
  one.object_bytes = object_bytes;
  one.created = one.misses = one.live = made;
  one.acquired = used;
  one.hits = one.reused = used - std::min(made, used);
  return one;
}

/// The memory that the way of the data uses again: places for events, by type, and the tape's blocks.
std::vector<memory::ObjectPoolStatistics> reuse_of(const StoreSnapshot& store) {
  std::map<market::EventType, sink::FlowStats> by_type;
  for (const sink::FlowStats& flow : store.flows) {
    sink::FlowStats& sum = by_type[flow.type];
    sum.events += flow.events;
    sum.new_places += flow.new_places;
    sum.bytes += flow.bytes;
  }
  std::vector<memory::ObjectPoolStatistics> all;
  for (const auto& [type, sum] : by_type) {
    all.push_back(reuse_of("event " + std::string(name_of(type)), sum.events, sum.new_places,
                           sum.bytes / std::max<std::uint64_t>(sum.events, 1)));
  }
  if (store.has_tape) {
    const sink::BufferUses& blocks = store.tape.block_uses;
    // What was filled, on average: blocks are handed over before they are full.
    all.push_back(reuse_of("tape blocks", blocks.begun, blocks.made,
                           store.tape.plain_bytes / std::max<std::uint64_t>(blocks.begun, 1)));
  }
  return all;
}

}  // namespace

monitor::EfficiencyInput Monitoring::State::efficiency_input(const Picture& picture) const {
  monitor::EfficiencyInput input;
  input.uptime_s = picture.uptime_s;
  input.cpu_s = picture.cpu_s;
  for (const VenueSnapshot& venue : picture.loop.venues) {
    input.messages += venue.status.feed.frames;
    for (const PoolSnapshot& pool : venue.pools) {
      monitor::PoolEfficiency& one = input.pools.emplace_back();
      one.name = pool.name;
      one.stats = pool.stats;
      if (pool.slots) {
        one.streams = pool.slots->up;
      } else {
        const auto connect_time = Nanoseconds(static_cast<std::int64_t>(pool.stats.connect.mean_ns));
        one.sizing = monitor::advise_size(pool.uses, connect_time, pool.config);
      }
    }
  }
  input.object_pools = reuse_of(picture.store);
  for (const VenueSnapshot& venue : picture.loop.venues) {
    memory::ObjectPoolStatistics& blocks = input.object_pools.emplace_back(venue.level_blocks);
    blocks.name = venue.status.exchange + " level blocks";
  }
  input.memory.rss = picture.memory.rss;
  input.memory.rss_peak = picture.memory.rss_peak;
  for (const memory::MemorySummary& one : picture.memory_trend) {
    if (one.name != "rss") continue;
    input.memory.verdict = name_of(one.verdict.status);
    input.memory.growth_bytes_per_min = one.verdict.rate;
  }
  if (input.memory.verdict.empty()) input.memory.verdict = "measuring";
  for (const memory::MemorySummary& leak : memory_analyzer.leaks()) {
    if (leak.is_owner) input.memory.verdict = "leaking in " + leak.name;
  }
  for (const HistoryPoint& point : history) {
    input.memory.rss_bytes.time_s.push_back(point.time_s);
    input.memory.rss_bytes.values.push_back(static_cast<double>(point.rss));
    input.loop_lag_p99_ms.time_s.push_back(point.time_s);
    input.loop_lag_p99_ms.values.push_back(point.lag_p99_ms);
  }
  input.loop_lag_ns = picture.loop.lag_ns;
  return input;
}

}  // namespace marketprism::collector
