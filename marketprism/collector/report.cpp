#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "marketprism/collector/collector.hpp"

namespace marketprism::collector {
namespace {

using market::EventType;

/// "12.3k", "4.56M": three digits that count.
std::string short_number(double value) {
  if (value < 1000) return fmt::format("{:.0f}", value);
  constexpr std::array<char, 4> suffixes{'k', 'M', 'G', 'T'};
  std::size_t n = 0;
  for (value /= 1000; value >= 999.5 && n + 1 < suffixes.size(); value /= 1000) ++n;
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, suffixes[n]);
}

std::string short_time(std::uint64_t ns) {
  const double value = static_cast<double>(ns);
  if (value < 1e3) return fmt::format("{:.0f} ns", value);
  if (value < 1e6) return fmt::format("{:.0f} us", value / 1e3);
  if (value < 1e9) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.1f} s", value / 1e9);
}

std::uint64_t sum(const auto& counts) {
  std::uint64_t total = 0;
  for (const auto count : counts) total += count;
  return total;
}

struct Totals {
  std::uint64_t frames = 0, events = 0, gaps = 0;
};

Totals totals_of(const CollectReport& report) {
  Totals totals;
  for (const VenueStatus& venue : report.venues) {
    totals.frames += venue.feed.frames;
    totals.events += sum(venue.feed.events);
    totals.gaps += sum(venue.feed.gaps);
  }
  return totals;
}

const sink::FlowStats* flow_of(const CollectReport& report, const std::string& exchange, EventType type) {
  for (const sink::FlowStats& flow : report.flows) {
    if (flow.exchange == exchange && flow.type == type) return &flow;
  }
  return nullptr;
}

void append_venue(std::string& text, const CollectReport& report, const VenueStatus& venue) {
  for (std::size_t i = 0; i < market::event_type_count; ++i) {
    const auto type = static_cast<EventType>(i);
    if (type == EventType::gap || venue.feed.messages[i] + venue.feed.events[i] == 0) continue;
    const sink::FlowStats* flow = flow_of(report, venue.exchange, type);
    text += fmt::format("{:<17} {:<14} {:>10} {:>10} {:>6} {:>9} {:>9} {:>9}\n", venue.exchange, name_of(type),
                        venue.feed.messages[i], venue.feed.events[i], venue.feed.gaps[i],
                        short_number(static_cast<double>(venue.feed.message_bytes[i])),
                        flow != nullptr ? short_time(flow->delay_ns.quantile(0.5)) : "-",
                        flow != nullptr ? short_time(flow->delay_ns.quantile(0.99)) : "-");
  }
}

/// What did not become events, each by its reason.
void append_losses(std::string& text, const VenueStatus& venue) {
  const auto line = [&](std::string_view what, std::uint64_t count) {
    if (count > 0) text += fmt::format("{}: {} {}\n", venue.exchange, count, what);
  };
  for (const auto& [reason, count] : venue.feed.unreadable) line(fmt::format("frames unreadable ({})", reason), count);
  for (const auto& [reason, count] : venue.feed.ignored) line(fmt::format("messages ignored ({})", reason), count);
  line("held deltas dropped (too many while waiting for a snapshot)", venue.feed.books.held_dropped);
  line("messages of symbols over the limit", venue.feed.symbols_over_limit);
  line("connections lost", venue.connections_lost);
  line("dials failed", venue.dials_failed);
  line("REST requests failed", venue.rest_failures);
}

void append_store(std::string& text, const CollectReport& report) {
  for (std::size_t i = 0; i < report.sinks.size(); ++i) {
    const sink::SinkStats& sink = report.sinks[i];
    text += fmt::format("{}: {} rows in {} files, {}B", report.sink_names[i], sink.rows, sink.files,
                        short_number(static_cast<double>(sink.bytes)));
    if (sink.inexact_values > 0)
      text += fmt::format(", {} values that a DOUBLE cannot hold (use exact = true)", sink.inexact_values);
    if (sum(sink.dropped) > 0)
      text += fmt::format(", {} events dropped because writing failed: {}", sum(sink.dropped), sink.last_error);
    text += "\n";
  }
  if (report.has_tape) {
    text += fmt::format("tape: {} frames in {} files, {}B written for {}B", report.tape.frames, report.tape.files,
                        short_number(static_cast<double>(report.tape.written_bytes)),
                        short_number(static_cast<double>(report.tape.plain_bytes)));
    if (report.tape.dropped_frames > 0)
      text += fmt::format(", {} frames dropped (tape_overflow)", report.tape.dropped_frames);
    text += "\n";
  }
  text += fmt::format(
      "queues are bounded; when one is full the newest is dropped and counted: {} events, each hole named by a gap "
      "event, "
      "and {} frames of the tape\n",
      sum(report.dropped), report.tape.dropped_frames);
}

}  // namespace

std::string format_status(const CollectReport& now, const CollectReport& before) {
  const Totals a = totals_of(before), b = totals_of(now);
  const double seconds = std::max(now.seconds - before.seconds, 1e-3);
  std::size_t up = 0, streams = 0, books = 0, connections = 0;
  for (const VenueStatus& venue : now.venues) {
    up += venue.streams_up;
    streams += venue.streams;
    books += venue.books_live;
    connections += venue.connections;
  }
  return fmt::format(
      "{:>4.0f} s  {} connections  {}/{} streams  {} books  {} messages/s  {} events/s  {} gaps  {} dropped",
      now.seconds, connections, up, streams, books, short_number(static_cast<double>(b.frames - a.frames) / seconds),
      short_number(static_cast<double>(b.events - a.events) / seconds), b.gaps,
      sum(now.dropped) + now.tape.dropped_frames);
}

std::string format_summary(const CollectReport& report) {
  std::string text = fmt::format("{:<17} {:<14} {:>10} {:>10} {:>6} {:>9} {:>9} {:>9}\n", "exchange", "channel",
                                 "messages", "events", "gaps", "bytes", "delay p50", "p99");
  for (const VenueStatus& venue : report.venues) append_venue(text, report, venue);
  for (const VenueStatus& venue : report.venues) append_losses(text, venue);
  append_store(text, report);
  return text;
}

}  // namespace marketprism::collector
