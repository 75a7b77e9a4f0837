#include "marketprism/collector/picture_json.hpp"

#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::collector {
namespace {

using monitor::JsonWriter;

double ms(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-6; }
double ms(double ns) { return ns * 1e-6; }
double ms(std::uint64_t ns) { return static_cast<double>(ns) * 1e-6; }
double seconds(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-9; }

void add_times(JsonWriter& json, std::string_view key, const pool::TimeSummary& times) {
  json.begin_object(key).field("count", times.count).field("mean_ms", ms(times.mean_ns));
  json.field("p50_ms", ms(times.p50_ns)).field("p99_ms", ms(times.p99_ns)).field("max_ms", ms(times.max_ns));
  json.end_object();
}

void add_histogram(JsonWriter& json, std::string_view key, const Histogram& times_ns) {
  json.begin_object(key).field("count", times_ns.count()).field("p50_ms", ms(times_ns.quantile(0.5)));
  json.field("p90_ms", ms(times_ns.quantile(0.9))).field("p99_ms", ms(times_ns.quantile(0.99)));
  json.field("max_ms", ms(times_ns.max())).end_object();
}

void add_counters(JsonWriter& json, const pool::PoolCounters& c) {
  json.begin_object("counters");
  json.field("created", c.created).field("dials", c.dials).field("failures", c.failures);
  json.field("abandoned", c.abandoned).field("acquired", c.acquired).field("reused", c.reused);
  json.field("dial_served", c.dial_served).field("returned", c.returned).field("timeouts", c.timeouts);
  json.field("cancelled", c.cancelled).field("refused", c.refused).field("dial_errors", c.dial_errors);
  json.field("stopped", c.stopped).field("health_checks", c.health_checks).field("failed_checks", c.failed_checks);
  json.begin_object("closed");
  for (std::size_t i = 0; i < c.closed.size(); ++i) json.field(name_of(static_cast<pool::CloseReason>(i)), c.closed[i]);
  json.end_object().end_object();
}

void add_gauges(JsonWriter& json, const pool::PoolGauges& g) {
  json.field("size", g.size).field("active", g.active).field("idle", g.idle).field("checking", g.checking);
  json.field("connecting", g.connecting)
      .field("failed", g.failed)
      .field("closing", g.closing)
      .field("waiters", g.waiters);
}

void add_slots(JsonWriter& json, const std::optional<pool::SlotStats>& slots) {
  if (!slots) {
    json.null("slots");
    return;
  }
  json.begin_object("slots").field("streams", slots->streams).field("up", slots->up);
  json.field("unplaced", slots->unplaced).field("capacity", slots->capacity).field("moved", slots->moved);
  json.field("interrupted", slots->interrupted).field("not_confirmed", slots->not_confirmed);
  json.field("silent", slots->silent).field("refused", slots->refused).field("rotations", slots->rotations);
  json.field("rotations_failed", slots->rotations_failed).end_object();
}

void add_pool(JsonWriter& json, const std::string& exchange, const PoolSnapshot& pool) {
  const pool::PoolStats& stats = pool.stats;
  json.begin_object().field("name", pool.name).field("exchange", exchange).field("type", name_of(stats.type));
  json.field("max_size", stats.max_size);
  add_gauges(json, stats.gauges);
  add_counters(json, stats.counters);
  json.field("hit_rate", stats.hit_rate()).field("reuse_rate", stats.reuse_rate());
  json.field("reuse_factor", stats.reuse_factor()).field("failure_rate", stats.failure_rate());
  json.field("utilization", stats.utilization()).field("utilization_mean", stats.utilization_mean);
  json.field("connections_saved", stats.connections_saved()).field("time_saved_ms", ms(stats.time_saved));
  json.field("memory_bytes", stats.memory_bytes).field("connection_bytes", stats.connection_bytes);
  add_times(json, "connect", stats.connect);
  add_times(json, "wait", stats.wait);
  add_times(json, "hold", stats.hold);
  add_times(json, "check", stats.check);
  add_slots(json, pool.slots);
  json.end_object();
}

std::uint64_t sum(const auto& counts) {
  std::uint64_t total = 0;
  for (const auto count : counts) total += count;
  return total;
}

}  // namespace

std::string status_json(const Picture& picture) {
  std::string text, why_not;
  JsonWriter json(text);
  const bool is_ready = picture.is_ready(&why_not);
  std::size_t streams = 0, up = 0, books = 0, books_wanted = 0, connections = 0;
  std::uint64_t gaps = 0, lost = 0;
  for (const VenueSnapshot& venue : picture.loop.venues) {
    streams += venue.status.streams;
    up += venue.status.streams_up;
    books += venue.status.books_live;
    books_wanted += venue.books_wanted;
    connections += venue.status.connections;
    gaps += sum(venue.status.feed.gaps);
    lost += venue.status.connections_lost;
  }
  json.begin_object().field("time_ms", ns_since_epoch(picture.loop.wall_time) / 1'000'000);
  json.field("uptime_s", picture.uptime_s).field("is_ready", is_ready).field("why_not", why_not);
  json.field("is_answering", picture.is_answering).field("is_draining", picture.is_draining);
  json.field("streams", streams).field("streams_up", up).field("books", books_wanted).field("books_live", books);
  json.field("connections", connections).field("connections_lost", lost);
  json.field("messages_per_s", picture.messages_per_s).field("events_per_s", picture.events_per_s);
  json.field("bytes_per_s", picture.bytes_per_s).field("gaps", gaps);
  json.field("dropped", dropped_events(picture.store)).field("cpu_s", picture.cpu_s);
  json.field("rss_bytes", picture.memory.rss).field("lag_p99_ms", ms(picture.lag_ns.quantile(0.99)));
  json.begin_array("attention");
  for (const Attention& one : picture.attention) {
    json.begin_object().field("level", name_of(one.level)).field("view", one.view).field("text", one.text);
    json.end_object();
  }
  json.end_array().end_object();
  return text;
}

std::string pools_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  std::vector<pool::PoolStats> all;
  json.begin_object().begin_array("pools");
  for (const VenueSnapshot& venue : picture.loop.venues) {
    for (const PoolSnapshot& pool : venue.pools) {
      add_pool(json, venue.status.exchange, pool);
      all.push_back(pool.stats);
    }
  }
  const pool::PoolSummary total = pool::summarize(all);
  json.end_array().begin_object("summary").field("pools", total.pools).field("max_size", total.max_size);
  add_gauges(json, total.gauges);
  add_counters(json, total.counters);
  json.field("hit_rate", total.hit_rate).field("reuse_rate", total.reuse_rate);
  json.field("failure_rate", total.failure_rate).field("utilization", total.utilization);
  json.field("utilization_mean", total.utilization_mean).field("connect_mean_ms", ms(total.connect_mean_ns));
  json.field("wait_mean_ms", ms(total.wait_mean_ns)).field("connections_saved", total.connections_saved);
  json.field("time_saved_ms", ms(total.time_saved)).field("memory_bytes", total.memory_bytes);
  json.field("connection_bytes", total.connection_bytes);
  json.end_object().end_object();
  return text;
}

std::string connections_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("connections");
  for (const VenueSnapshot& venue : picture.loop.venues) {
    for (const PoolSnapshot& pool : venue.pools) {
      for (const pool::ConnectionInfo& one : pool.connections) {
        json.begin_object().field("pool", pool.name).field("id", one.id).field("type", name_of(one.type));
        json.field("endpoint", one.endpoint_name).field("state", name_of(one.state));
        json.field("age_s", seconds(one.age)).field("idle_s", seconds(one.idle)).field("held_s", seconds(one.held));
        json.field("uses", one.uses).field("health_checks", one.health_checks).field("errors", one.errors);
        json.field("memory_bytes", one.memory_bytes).end_object();
      }
    }
  }
  json.end_array().end_object();
  return text;
}

std::string feeds_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("feeds");
  for (const FeedPicture& feed : picture.feeds) {
    json.begin_object().field("exchange", feed.exchange).field("market_type", feed.market_type);
    json.field("data_type", name_of(feed.type)).field("health", name_of(feed.health));
    json.field("age_s", seconds(feed.age)).field("messages_per_s", feed.messages_per_s);
    json.field("messages", feed.messages).field("events", feed.events).field("bytes", feed.bytes);
    json.field("gaps", feed.gaps).field("streams", feed.streams).field("late", feed.late).field("stale", feed.stale);
    add_histogram(json, "delay", feed.delay_ns);
    json.end_object();
  }
  // One stream an array, not an object: there may be thousands.
  json.end_array().begin_array("stream_fields").value("exchange").value("symbol").value("data_type").value("age_s");
  json.value("events").end_array().begin_array("streams");
  for (const VenueSnapshot& venue : picture.loop.venues) {
    for (const StreamSnapshot& stream : venue.streams) {
      json.begin_array().value(venue.status.exchange).value(stream.symbol).value(name_of(stream.type));
      const UnixTime last = stream.activity.last_receive;
      json.value(last == no_time ? -1.0 : ms(picture.loop.wall_time - last) * 1e-3).value(stream.activity.events);
      json.end_array();
    }
  }
  json.end_array().end_object();
  return text;
}

std::string loops_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("loops").begin_object().field("name", "collector");
  json.field("is_answering", picture.is_answering);
  json.field("longest_handler_ms", ms(picture.loop.longest_handler));
  json.field("longest_handler", picture.loop.longest_handler_name);
  json.field("allocations", picture.loop.allocations);
  add_histogram(json, "lag", picture.lag_ns);
  json.end_object().end_array().begin_array("alarms");
  for (const async::LoopAlarm& alarm : picture.alarms) {
    json.begin_object().field("loop", alarm.loop).field("handler", alarm.handler);
    json.field("time_ms", ns_since_epoch(alarm.time) / 1'000'000).field("blocked_ms", ms(alarm.blocked_for));
    json.begin_array("stack");
    for (const std::string& function : alarm.stack) json.value(function);
    json.end_array().end_object();
  }
  json.end_array().field("cpu_s", picture.cpu_s).begin_array("threads");
  for (const monitor::ThreadTime& thread : picture.threads)
    json.begin_object().field("name", thread.name).field("cpu_s", thread.cpu_s).end_object();
  json.end_array().end_object();
  return text;
}

std::string queues_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  const auto queue = [&](std::string_view name, std::size_t waiting, std::size_t max, std::uint64_t dropped,
                         std::string_view policy) {
    json.begin_object().field("name", name).field("waiting", waiting).field("max", max);
    json.field("dropped", dropped).field("policy", policy).end_object();
  };
  json.begin_object().begin_array("queues");
  queue("sink batches", picture.store.batches_waiting, picture.store.batches_max, sum(picture.store.dropped),
        "drop newest");
  queue("tape blocks", picture.store.tape.blocks_waiting, picture.store.tape.blocks_max,
        picture.store.tape.dropped_frames, "drop newest");
  for (const VenueSnapshot& venue : picture.loop.venues)
    queue(venue.status.exchange + " snapshots", venue.snapshots_waiting + venue.snapshots_in_flight, venue.books_wanted,
          0, "one a symbol");
  json.end_array().end_object();
  return text;
}

std::string sinks_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("sinks");
  const auto sink = [&](std::string_view name, std::uint64_t rows, std::uint64_t files, std::uint64_t bytes,
                        std::uint64_t buffered, std::uint64_t dropped, std::uint64_t failures, bool is_failing,
                        std::string_view error) {
    json.begin_object().field("name", name).field("rows", rows).field("files", files).field("bytes", bytes);
    json.field("buffered_bytes", buffered).field("dropped", dropped).field("write_failures", failures);
    json.field("is_failing", is_failing).field("last_error", error).end_object();
  };
  const StoreSnapshot& store = picture.store;
  for (std::size_t i = 0; i < store.sinks.size(); ++i) {
    const sink::SinkStats& one = store.sinks[i];
    sink(store.sink_names[i], one.rows, one.files, one.bytes, one.buffered_bytes, sum(one.dropped), one.write_failures,
         one.is_failing, one.last_error);
  }
  if (store.has_tape) {
    const sink::TapeStats& tape = store.tape;
    sink("tape", tape.frames, tape.files, tape.written_bytes, 0, tape.dropped_frames,
         tape.write_failures + tape.sync_failures, tape.is_failing, "");
  }
  json.end_array().end_object();
  return text;
}

std::string gaps_json(const Picture& picture) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("counts");
  for (const GapCount& one : picture.loop.gap_counts) {
    json.begin_object().field("exchange", one.exchange).field("data_type", name_of(one.channel));
    json.field("reason", one.reason).field("count", one.count).end_object();
  }
  json.end_array().begin_array("recent");
  for (const GapRecord& one : picture.loop.gaps) {
    json.begin_object().field("number", one.number).field("time_ms", ns_since_epoch(one.time) / 1'000'000);
    json.field("exchange", one.exchange).field("symbol", one.symbol).field("data_type", name_of(one.channel));
    json.field("reason", one.reason).end_object();
  }
  json.end_array().end_object();
  return text;
}

}  // namespace marketprism::collector
