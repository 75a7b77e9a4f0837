#pragma once
#include <string>
#include <string_view>

#include "marketprism/collector/collector_metrics.hpp"

namespace marketprism::collector {

/// Every family: type, name, labels, help.
struct CollectorMetrics::Families {
  explicit Families(monitor::Registry& metrics) : registry(metrics) {}

  monitor::Registry& registry;

  monitor::FamilyId add(monitor::MetricType type, std::string_view name, std::string_view labels,
                        std::string_view help) {
    std::string unit;
    for (const std::string_view known : {"seconds", "bytes", "ratio"}) {
      if (name.ends_with(known)) unit = known;
    }
    return registry.add({"marketprism_" + std::string(name), type, unit, std::string(help), std::string(labels)});
  }
  monitor::FamilyId counter(std::string_view name, std::string_view labels, std::string_view help) {
    return add(monitor::MetricType::counter, name, labels, help);
  }
  monitor::FamilyId gauge(std::string_view name, std::string_view labels, std::string_view help) {
    return add(monitor::MetricType::gauge, name, labels, help);
  }
  monitor::FamilyId histogram(std::string_view name, std::string_view labels, std::string_view help) {
    return add(monitor::MetricType::histogram, name, labels, help);
  }

  static constexpr auto venue = "exchange, market_type";
  static constexpr auto typed = "exchange, market_type, data_type";

  monitor::FamilyId ready = gauge("collector_ready", "", "1 while everything is subscribed and fresh");
  monitor::FamilyId uptime = gauge("collector_uptime_seconds", "", "Since the collector began");
  monitor::FamilyId attention = gauge("collector_attention", "level", "Things a person should look at");

  monitor::FamilyId frames = counter("feed_frames", venue, "WebSocket frames received");
  monitor::FamilyId frame_bytes = counter("feed_frame_bytes", venue, "Bytes of those frames");
  monitor::FamilyId rest_answers = counter("feed_rest_answers", venue, "REST answers received");
  monitor::FamilyId rest_failures = counter("feed_rest_failures", venue, "REST requests that failed");
  monitor::FamilyId unreadable = counter("feed_unreadable_frames", "exchange, reason", "Frames that gave nothing");
  monitor::FamilyId ignored = counter("feed_ignored_messages", "exchange, reason", "Messages passed over");
  monitor::FamilyId superseded =
      counter("feed_superseded_messages", venue, "Messages of connections that others had taken over from");
  monitor::FamilyId duplicates = counter("feed_duplicate_trades", venue, "Trades that came twice");
  monitor::FamilyId streams = gauge("feed_streams", venue, "Streams wanted");
  monitor::FamilyId streams_up = gauge("feed_streams_up", venue, "Streams subscribed and confirmed");
  monitor::FamilyId lost = counter("feed_connections_lost", venue, "Connections that ended without our doing");
  monitor::FamilyId messages = counter("feed_messages", typed, "Frames and answers that brought data");
  monitor::FamilyId message_bytes = counter("feed_message_bytes", typed, "Bytes of those");
  monitor::FamilyId events = counter("feed_events", typed, "Events made of them");
  monitor::FamilyId gaps = counter("feed_gaps", "exchange, data_type, reason", "Losses, each named by a gap event");
  monitor::FamilyId age = gauge("feed_age_seconds", typed, "Since the last event of any stream of the type");
  monitor::FamilyId late = gauge("feed_late_streams", typed, "Streams without data for longer than late_after_s");
  monitor::FamilyId stale = gauge("feed_stale_streams", typed, "Streams without data for longer than stale_after_s");
  monitor::FamilyId delay = histogram("feed_delay_seconds", "exchange, data_type", "From the socket read to the sink");

  monitor::FamilyId books = gauge("book_wanted", venue, "Order books that should be kept");
  monitor::FamilyId books_live = gauge("book_live", venue, "Order books that are true now");
  monitor::FamilyId book_stale = counter("book_stale_deltas", venue, "Deltas that the book already contained");
  monitor::FamilyId held_dropped = counter("book_held_dropped", venue, "Held deltas given up, too many were held");
  monitor::FamilyId snapshots = gauge("book_snapshots_waiting", venue, "Snapshots asked for and not there yet");

  monitor::FamilyId connections = gauge("pool_connections", "pool, state", "Connections by state");
  monitor::FamilyId max_size = gauge("pool_max_connections", "pool", "Connections allowed");
  monitor::FamilyId waiters = gauge("pool_waiters", "pool", "Acquires, or streams, that wait for a connection");
  monitor::FamilyId created = counter("pool_created", "pool", "Connections opened");
  monitor::FamilyId dials = counter("pool_dials", "pool, outcome", "Dials that ended");
  monitor::FamilyId acquires = counter("pool_acquires", "pool, outcome", "Acquires that ended");
  monitor::FamilyId reused = counter("pool_reused", "pool", "Acquires that got a used connection: dials saved");
  monitor::FamilyId returned = counter("pool_returned", "pool", "Leases that ended");
  monitor::FamilyId checks = counter("pool_health_checks", "pool, outcome", "Health checks that ended");
  monitor::FamilyId closed = counter("pool_closed", "pool, reason", "Connections closed");
  monitor::FamilyId hit = gauge("pool_hit_ratio", "pool", "Acquires served without a dial, of all");
  monitor::FamilyId reuse = gauge("pool_reuse_ratio", "pool", "Reused of acquired");
  monitor::FamilyId reuse_factor = gauge("pool_reuse_factor", "pool", "Reused for each created; may exceed 1");
  monitor::FamilyId failure = gauge("pool_failure_ratio", "pool", "Failed dials of all dials");
  monitor::FamilyId utilization = gauge("pool_utilization_ratio", "pool", "Active of allowed, now");
  monitor::FamilyId utilization_mean =
      gauge("pool_utilization_mean_ratio", "pool", "Active of allowed, over the pool's life");
  monitor::FamilyId time_saved = counter("pool_time_saved_seconds", "pool", "Connect time that reuse saved, measured");
  monitor::FamilyId connect = gauge("pool_connect_seconds", "pool, stat", "Connect times: mean, p50, p99, max");
  monitor::FamilyId wait = gauge("pool_wait_seconds", "pool, stat", "Waits of acquires: mean, p50, p99, max");
  monitor::FamilyId hold = gauge("pool_hold_seconds", "pool, stat", "From acquire to return: mean, p50, p99, max");
  monitor::FamilyId check = gauge("pool_check_seconds", "pool, stat", "Health checks: mean, p50, p99, max");
  monitor::FamilyId pool_memory = gauge("pool_memory_bytes", "pool", "Held by the pool's own records");
  monitor::FamilyId connection_memory =
      gauge("pool_connection_memory_bytes", "pool", "Held by the buffers of the pool's connections");
  monitor::FamilyId slots = gauge("pool_streams", "pool, state", "Streams placed: up, waiting, and free places");
  monitor::FamilyId moves = counter("pool_stream_moves", "pool, cause", "Streams moved, interrupted, silent, refused");
  monitor::FamilyId rotations = counter("pool_rotations", "pool, outcome", "Connections replaced before their end");

  monitor::FamilyId sink_rows = counter("sink_rows", "sink", "Rows (tape: frames) in finished files");
  monitor::FamilyId sink_files = counter("sink_files", "sink", "Files finished");
  monitor::FamilyId sink_bytes = counter("sink_written_bytes", "sink", "Bytes of finished files");
  monitor::FamilyId sink_buffered = gauge("sink_buffered_bytes", "sink", "Taken in, in no file yet");
  monitor::FamilyId sink_failures = counter("sink_write_failures", "sink", "Writes that failed");
  monitor::FamilyId sink_failing = gauge("sink_failing", "sink", "1 while writing fails");
  monitor::FamilyId dropped = counter("sink_dropped", "reason, data_type", "Events and frames dropped");
  monitor::FamilyId queue = gauge("queue_waiting", "queue", "Batches or blocks that wait");
  monitor::FamilyId queue_max = gauge("queue_max", "queue", "How many may wait");

  monitor::FamilyId rss = gauge("process_resident_bytes", "", "Resident memory");
  monitor::FamilyId pss = gauge("process_proportional_bytes", "", "Resident memory, shared pages by share");
  monitor::FamilyId heap = gauge("process_heap_bytes", "", "Handed out by malloc");
  monitor::FamilyId retained = gauge("process_heap_retained_bytes", "", "Free in malloc, not given back");
  monitor::FamilyId owner = gauge("memory_owner_bytes", "owner", "Memory by part of the program");
  monitor::FamilyId owner_limit =
      gauge("memory_owner_limit_bytes", "owner", "What it never passes, where it has a limit");
  monitor::FamilyId owner_refusals =
      counter("memory_owner_refusals", "owner", "Times that more was refused at its limit");
  monitor::FamilyId leaking = gauge("memory_leaking", "owner", "1 while the size grows on and on");
  monitor::FamilyId cpu = counter("process_cpu_seconds", "", "Processor time used");
  monitor::FamilyId open_files = gauge("process_open_files", "", "File descriptors");
  monitor::FamilyId lag = histogram("loop_lag_seconds", "loop", "How long work waits for the event loop");
  monitor::FamilyId allocations =
      counter("loop_allocations", "loop", "Heap allocations of the loop's thread, without those for monitoring");
  monitor::FamilyId alarms = counter("loop_alarms", "", "Times an event loop stood still for 100 ms or more");
  monitor::FamilyId admin_requests = counter("admin_requests", "", "Requests to the admin API");
  monitor::FamilyId admin_failed = counter("admin_failed_connections", "", "Its connections ended by an error");
  monitor::FamilyId admin_refused = counter("admin_refused_connections", "", "Its connections over the limit");
  monitor::FamilyId admin_open = gauge("admin_connections", "", "Its connections now");
  monitor::FamilyId listeners = gauge("admin_stream_clients", "", "Who listens to the event stream");
  monitor::FamilyId cut = counter("admin_stream_clients_cut", "", "Listeners cut because they were too slow");
};

}  // namespace marketprism::collector
