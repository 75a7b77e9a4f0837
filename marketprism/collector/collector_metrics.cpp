#include "marketprism/collector/collector_metrics.hpp"

#include "marketprism/collector/collector_families.hpp"

namespace marketprism::collector {

using market::EventType;
using monitor::label_text;
using monitor::Scrape;

namespace {

double seconds(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-9; }

void add_times(Scrape& scrape, monitor::FamilyId family, std::string_view pool, const pool::TimeSummary& times) {
  const auto stat = [&](std::string_view name, double ns) {
    scrape.add(family, label_text({{"pool", pool}, {"stat", name}}), ns * 1e-9);
  };
  stat("mean", times.mean_ns);
  stat("p50", static_cast<double>(times.p50_ns));
  stat("p99", static_cast<double>(times.p99_ns));
  stat("max", static_cast<double>(times.max_ns));
}

}  // namespace

CollectorMetrics::CollectorMetrics(monitor::Registry& registry) : f_(std::make_unique<Families>(registry)) {}
CollectorMetrics::~CollectorMetrics() = default;

monitor::FamilyId CollectorMetrics::loop_lag() const { return f_->lag; }

void CollectorMetrics::add_venue(Scrape& scrape, const VenueSnapshot& venue) const {
  const VenueStatus& status = venue.status;
  const std::string labels = label_text({{"exchange", status.exchange}, {"market_type", venue.market_type}});
  scrape.add(f_->frames, labels, status.feed.frames);
  scrape.add(f_->frame_bytes, labels, status.feed.bytes);
  scrape.add(f_->rest_answers, labels, status.feed.rest_answers);
  scrape.add(f_->rest_failures, labels, status.rest_failures);
  scrape.add(f_->duplicates, labels, status.feed.duplicate_trades);
  scrape.add(f_->superseded, labels, status.feed.superseded);
  scrape.add(f_->streams, labels, status.streams);
  scrape.add(f_->streams_up, labels, status.streams_up);
  scrape.add(f_->lost, labels, status.connections_lost);
  scrape.add(f_->books, labels, venue.books_wanted);
  scrape.add(f_->books_live, labels, status.books_live);
  scrape.add(f_->book_stale, labels, status.feed.books.stale);
  scrape.add(f_->held_dropped, labels, status.feed.books.held_dropped);
  scrape.add(f_->snapshots, labels, venue.snapshots_waiting + venue.snapshots_in_flight);
  const auto reasons = [&](monitor::FamilyId family, const auto& counts) {
    // From the start there is a series to build alerts and rates on.
    scrape.add(family, label_text({{"exchange", status.exchange}, {"reason", "none"}}), 0.0);
    for (const auto& [reason, count] : counts)
      scrape.add(family, label_text({{"exchange", status.exchange}, {"reason", reason}}), count);
  };
  reasons(f_->unreadable, status.feed.unreadable);
  reasons(f_->ignored, status.feed.ignored);
  for (const PoolSnapshot& pool : venue.pools) {
    add_pool(scrape, pool);
    add_pool_counters(scrape, pool);
  }
}

void CollectorMetrics::add_pool(Scrape& scrape, const PoolSnapshot& pool) const {
  const pool::PoolStats& stats = pool.stats;
  const std::string labels = label_text({{"pool", pool.name}});
  const auto state = [&](std::string_view name, std::size_t count) {
    scrape.add(f_->connections, label_text({{"pool", pool.name}, {"state", name}}), count);
  };
  state("active", stats.gauges.active);
  state("idle", stats.gauges.idle);
  state("checking", stats.gauges.checking);
  state("connecting", stats.gauges.connecting);
  state("failed", stats.gauges.failed);
  state("closing", stats.gauges.closing);
  scrape.add(f_->max_size, labels, stats.max_size);
  scrape.add(f_->waiters, labels, stats.gauges.waiters);
  scrape.add(f_->hit, labels, stats.hit_rate());
  scrape.add(f_->reuse, labels, stats.reuse_rate());
  scrape.add(f_->reuse_factor, labels, stats.reuse_factor());
  scrape.add(f_->failure, labels, stats.failure_rate());
  scrape.add(f_->utilization, labels, stats.utilization());
  scrape.add(f_->utilization_mean, labels, stats.utilization_mean);
  scrape.add(f_->time_saved, labels, seconds(stats.time_saved));
  scrape.add(f_->pool_memory, labels, stats.memory_bytes);
  scrape.add(f_->connection_memory, labels, stats.connection_bytes);
  add_times(scrape, f_->connect, pool.name, stats.connect);
  add_times(scrape, f_->wait, pool.name, stats.wait);
  add_times(scrape, f_->hold, pool.name, stats.hold);
  add_times(scrape, f_->check, pool.name, stats.check);
}

void CollectorMetrics::add_pool_counters(Scrape& scrape, const PoolSnapshot& pool) const {
  const pool::PoolCounters& c = pool.stats.counters;
  const auto one = [&](monitor::FamilyId family, std::string_view label, std::string_view value, std::uint64_t count) {
    scrape.add(family, label_text({{"pool", pool.name}, {label, value}}), count);
  };
  const std::string labels = label_text({{"pool", pool.name}});
  scrape.add(f_->created, labels, c.created);
  scrape.add(f_->reused, labels, c.reused);
  scrape.add(f_->returned, labels, c.returned);
  one(f_->dials, "outcome", "opened", c.created);
  one(f_->dials, "outcome", "failed", c.failures);
  one(f_->dials, "outcome", "abandoned", c.abandoned);
  one(f_->acquires, "outcome", "acquired", c.acquired);
  one(f_->acquires, "outcome", "timed_out", c.timeouts);
  one(f_->acquires, "outcome", "cancelled", c.cancelled);
  one(f_->acquires, "outcome", "refused", c.refused);
  one(f_->acquires, "outcome", "dial_error", c.dial_errors);
  one(f_->acquires, "outcome", "stopped", c.stopped);
  one(f_->checks, "outcome", "healthy", c.health_checks - c.failed_checks);
  one(f_->checks, "outcome", "failed", c.failed_checks);
  for (std::size_t i = 0; i < c.closed.size(); ++i)
    one(f_->closed, "reason", name_of(static_cast<pool::CloseReason>(i)), c.closed[i]);
  if (!pool.slots) return;
  const pool::SlotStats& slots = *pool.slots;
  one(f_->slots, "state", "up", slots.up);
  one(f_->slots, "state", "waiting", slots.streams - slots.up);
  one(f_->slots, "state", "free", slots.capacity > slots.streams ? slots.capacity - slots.streams : 0);
  one(f_->moves, "cause", "moved", slots.moved);
  one(f_->moves, "cause", "interrupted", slots.interrupted);
  one(f_->moves, "cause", "not_confirmed", slots.not_confirmed);
  one(f_->moves, "cause", "silent", slots.silent);
  one(f_->moves, "cause", "refused", slots.refused);
  one(f_->rotations, "outcome", "finished", slots.rotations);
  one(f_->rotations, "outcome", "failed", slots.rotations_failed);
}

void CollectorMetrics::add_store(Scrape& scrape, const StoreSnapshot& store) const {
  const auto add_sink = [&](std::string_view name, std::uint64_t rows, std::uint64_t files, std::uint64_t bytes,
                            std::uint64_t buffered, std::uint64_t failures, bool is_failing) {
    const std::string labels = label_text({{"sink", name}});
    scrape.add(f_->sink_rows, labels, rows);
    scrape.add(f_->sink_files, labels, files);
    scrape.add(f_->sink_bytes, labels, bytes);
    scrape.add(f_->sink_buffered, labels, buffered);
    scrape.add(f_->sink_failures, labels, failures);
    scrape.add(f_->sink_failing, labels, is_failing ? 1.0 : 0.0);
  };
  const auto add_dropped = [&](std::string_view reason, std::string_view type, std::uint64_t count) {
    scrape.add(f_->dropped, label_text({{"reason", reason}, {"data_type", type}}), count);
  };
  for (std::size_t i = 0; i < store.sinks.size(); ++i) {
    const sink::SinkStats& one = store.sinks[i];
    add_sink(store.sink_names[i], one.rows, one.files, one.bytes, one.buffered_bytes, one.write_failures,
             one.is_failing);
    for (std::size_t type = 0; type < one.dropped.size(); ++type)
      add_dropped("sink_storage", name_of(static_cast<EventType>(type)), one.dropped[type]);
  }
  for (std::size_t type = 0; type < store.dropped.size(); ++type)
    add_dropped("sink_overflow", name_of(static_cast<EventType>(type)), store.dropped[type]);
  scrape.add(f_->queue, label_text({{"queue", "sink_batches"}}), store.batches_waiting);
  scrape.add(f_->queue_max, label_text({{"queue", "sink_batches"}}), store.batches_max);
  for (const sink::FlowStats& flow : store.flows)
    scrape.add(f_->delay, label_text({{"exchange", flow.exchange}, {"data_type", name_of(flow.type)}}), flow.delay_ns);
  if (!store.has_tape) return;
  const sink::TapeStats& tape = store.tape;
  add_sink("tape", tape.frames, tape.files, tape.written_bytes, 0, tape.write_failures + tape.sync_failures,
           tape.is_failing);
  add_dropped("tape_overflow", "frame", tape.dropped_frames);
  scrape.add(f_->queue, label_text({{"queue", "tape_blocks"}}), tape.blocks_waiting);
  scrape.add(f_->queue_max, label_text({{"queue", "tape_blocks"}}), tape.blocks_max);
}

void CollectorMetrics::add(Scrape& scrape, const Picture& picture) const {
  scrape.add(f_->ready, {}, picture.is_ready() ? 1.0 : 0.0);
  scrape.add(f_->uptime, {}, picture.uptime_s);
  std::size_t urgent = 0;
  for (const Attention& one : picture.attention) urgent += one.level == Health::stale;
  scrape.add(f_->attention, label_text({{"level", "stale"}}), urgent);
  scrape.add(f_->attention, label_text({{"level", "late"}}), picture.attention.size() - urgent);
  for (const VenueSnapshot& venue : picture.loop.venues) add_venue(scrape, venue);
  for (const GapCount& gap : picture.loop.gap_counts)
    scrape.add(f_->gaps,
               label_text({{"exchange", gap.exchange}, {"data_type", name_of(gap.channel)}, {"reason", gap.reason}}),
               gap.count);
  for (const FeedPicture& feed : picture.feeds) {
    const std::string labels =
        label_text({{"exchange", feed.exchange}, {"market_type", feed.market_type}, {"data_type", name_of(feed.type)}});
    scrape.add(f_->messages, labels, feed.messages);
    scrape.add(f_->message_bytes, labels, feed.bytes);
    scrape.add(f_->events, labels, feed.events);
    scrape.add(f_->age, labels, seconds(feed.age));
    scrape.add(f_->late, labels, feed.late);
    scrape.add(f_->stale, labels, feed.stale);
    scrape.add(f_->gaps,
               label_text({{"exchange", feed.exchange}, {"data_type", name_of(feed.type)}, {"reason", "none"}}), 0.0);
  }
  add_store(scrape, picture.store);
  scrape.add(f_->rss, {}, picture.memory.rss);
  scrape.add(f_->pss, {}, picture.memory.pss);
  scrape.add(f_->heap, {}, picture.memory.heap_used);
  scrape.add(f_->retained, {}, picture.memory.heap_retained);
  for (const memory::OwnerBytes& owner : picture.owners) {
    const std::string label = label_text({{"owner", owner.owner}});
    scrape.add(f_->owner, label, owner.bytes);
    if (owner.limits.hard == UINT64_MAX) continue;
    scrape.add(f_->owner_limit, label, owner.limits.hard);
    scrape.add(f_->owner_refusals, label, owner.refusals);
  }
  for (const memory::MemorySummary& one : picture.memory_trend) {
    const bool is_leaking = one.verdict.status == memory::LeakStatus::leaking;
    scrape.add(f_->leaking, label_text({{"owner", one.name}}), is_leaking ? 1.0 : 0.0);
  }
  scrape.add(f_->cpu, {}, picture.cpu_s);
  scrape.add(f_->open_files, {}, picture.open_files);
  scrape.add(f_->allocations, label_text({{"loop", "collector"}}), picture.loop.allocations);
  scrape.add(f_->alarms, {}, picture.alarm_count);
}

void CollectorMetrics::add(Scrape& scrape, const net::HttpServer::Statistics& admin,
                           const monitor::EventStream& stream) const {
  scrape.add(f_->admin_requests, {}, admin.requests);
  scrape.add(f_->admin_failed, {}, admin.failed);
  scrape.add(f_->admin_refused, {}, admin.refused);
  scrape.add(f_->admin_open, {}, admin.open);
  scrape.add(f_->listeners, {}, stream.clients());
  scrape.add(f_->cut, {}, stream.cut_clients());
}

}  // namespace marketprism::collector
