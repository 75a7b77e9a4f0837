// The table that `marketprism status` shows.
#include <fmt/format.h>

#include "marketprism/collector/picture_json.hpp"

namespace marketprism::collector {
namespace {

double seconds(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-9; }
double ms(std::uint64_t ns) { return static_cast<double>(ns) * 1e-6; }
double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string_view mark_of(Health health) {
  return health == Health::fresh ? "ok" : health == Health::late ? "LATE" : "STALE";
}

void add_feeds(std::string& text, const Picture& picture) {
  text += fmt::format("\n{:<17} {:<14} {:<6} {:>8} {:>8} {:>11} {:>9} {:>9} {:>6}\n", "exchange", "data", "health",
                      "age", "streams", "messages/s", "delay p50", "p99", "gaps");
  for (const FeedPicture& feed : picture.feeds) {
    text += fmt::format("{:<17} {:<14} {:<6} {:>6.1f} s {:>8} {:>11.0f} {:>6.1f} ms {:>6.1f} ms {:>6}\n", feed.exchange,
                        name_of(feed.type), mark_of(feed.health), seconds(feed.age), feed.streams, feed.messages_per_s,
                        ms(feed.delay_ns.quantile(0.5)), ms(feed.delay_ns.quantile(0.99)), feed.gaps);
  }
}

void add_pools(std::string& text, const Picture& picture) {
  text += fmt::format("\n{:<28} {:>6} {:>7} {:>6} {:>8} {:>8} {:>7} {:>7} {:>12}\n", "pool", "size", "active", "idle",
                      "waiters", "created", "hits", "reuse", "time saved");
  for (const VenueSnapshot& venue : picture.loop.venues) {
    for (const PoolSnapshot& pool : venue.pools) {
      const pool::PoolStats& stats = pool.stats;
      const bool is_leased = stats.counters.acquires() > 0;
      text += fmt::format("{:<28} {:>6} {:>7} {:>6} {:>8} {:>8} {:>7} {:>7} {:>9.1f} ms\n", pool.name,
                          stats.gauges.size, stats.gauges.active, stats.gauges.idle, stats.gauges.waiters,
                          stats.counters.created, is_leased ? fmt::format("{:.1f} %", 100 * stats.hit_rate()) : "-",
                          is_leased ? fmt::format("{:.1f} %", 100 * stats.reuse_rate()) : "-",
                          static_cast<double>(stats.time_saved.count()) * 1e-6);
    }
  }
}

}  // namespace

std::string status_text(const Picture& picture) {
  std::string why_not;
  const bool is_ready = picture.is_ready(&why_not);
  std::string text = fmt::format("{}, up {:.0f} s: {:.0f} messages/s, {:.0f} events/s, {} dropped\n",
                                 is_ready ? "ready" : "NOT READY (" + why_not + ")", picture.uptime_s,
                                 picture.messages_per_s, picture.events_per_s, dropped_events(picture.store));
  for (const Attention& one : picture.attention)
    text += fmt::format("  {} {}\n", one.level == Health::stale ? "!!" : " !", one.text);
  add_feeds(text, picture);
  add_pools(text, picture);
  const Histogram& lag = picture.loop.lag_ns;
  text += fmt::format(
      "\nloop lag p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms   memory {:.0f} MiB (peak {:.0f})   cpu "
      "{:.1f} s\n",
      ms(lag.quantile(0.5)), ms(lag.quantile(0.99)), ms(lag.max()), mib(picture.memory.rss),
      mib(picture.memory.rss_peak), picture.cpu_s);
  return text;
}

}  // namespace marketprism::collector
