#include "marketprism/collector/picture.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace marketprism::collector {
namespace {

using market::EventType;

constexpr auto delay_window = std::chrono::seconds(10);
constexpr auto alarm_shown = std::chrono::seconds(60);
constexpr std::uint64_t batch_bytes = 256UL << 10;  // of a batch and of a tape's block

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

std::uint64_t sum(const auto& counts) { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

double rate(std::uint64_t now, std::uint64_t before, Nanoseconds time) {
  return time.count() <= 0 || now < before ? 0.0 : static_cast<double>(now - before) / seconds(time);
}

// To the accounts of the budget come parts that are bounded by a number of buffers, and that know their size
// themselves.
void add_owners(Picture& picture) {
  const StoreSnapshot& store = picture.store;
  const auto add = [&](std::string_view name, std::uint64_t bytes, std::uint64_t limit = UINT64_MAX) {
    picture.owners.push_back({.owner = std::string(name), .bytes = bytes, .limits = {.hard = limit}});
  };
  std::uint64_t directory = 0, pools = 0, sinks = 0;
  for (const VenueSnapshot& venue : picture.loop.venues) {
    directory += venue.directory_bytes;
    for (const PoolSnapshot& pool : venue.pools) pools += pool.stats.memory_bytes + pool.stats.connection_bytes;
  }
  for (const sink::SinkStats& sink : store.sinks) sinks += sink.buffered_bytes;
  add("instruments", directory);
  add("pools", pools);
  add("sinks", sinks);
  if (store.batches_max > 0) add("queues", store.batches_waiting * batch_bytes, store.batches_max * batch_bytes);
  if (store.has_tape) add("tape", store.tape.blocks_waiting * batch_bytes, store.tape.blocks_max * batch_bytes);
  const std::uint64_t named =
      std::transform_reduce(picture.owners.begin(), picture.owners.end(), std::uint64_t{0}, std::plus<>(),
                            [](const memory::OwnerBytes& owner) { return owner.bytes; });
  add("other", picture.memory.rss > named ? picture.memory.rss - named : 0);
}

void add_memory_attention(Picture& picture) {
  constexpr double mib = 1 << 20;
  for (const memory::OwnerBytes& owner : picture.owners) {
    if (!owner.is_over_soft_limit) continue;
    picture.attention.push_back(
        {owner.refusals > 0 ? Health::stale : Health::late, "memory",
         fmt::format("{} hold {:.0f} of {:.0f} MiB{}; raise memory.{}_bytes or collect fewer symbols", owner.owner,
                     static_cast<double>(owner.bytes) / mib, static_cast<double>(owner.limits.hard) / mib,
                     owner.refusals > 0 ? fmt::format(" and were refused more {} times", owner.refusals) : "",
                     owner.owner)});
  }
}

void add_store_attention(Picture& picture) {
  const StoreSnapshot& store = picture.store;
  for (std::size_t i = 0; i < store.sinks.size(); ++i) {
    if (!store.sinks[i].is_failing) continue;
    picture.attention.push_back({Health::stale, "overview",
                                 fmt::format("{} cannot write: {}; free space or mend the disk, it tries again",
                                             store.sink_names[i], store.sinks[i].last_error)});
  }
  if (store.tape.is_failing)
    picture.attention.push_back(
        {Health::stale, "overview", "the tape cannot be written; free space or mend the disk, it tries again"});
  if (store.batches_max > 0 && store.batches_waiting * 10 > store.batches_max * 8)
    picture.attention.push_back({Health::late, "overview",
                                 fmt::format("{} of {} batches wait for the sinks; they are slower than the data",
                                             store.batches_waiting, store.batches_max)});
}

}  // namespace

std::uint64_t dropped_events(const StoreSnapshot& store) {
  std::uint64_t dropped = sum(store.dropped) + store.tape.dropped_frames;
  for (const sink::SinkStats& sink : store.sinks) dropped += sum(sink.dropped);
  return dropped;
}

bool Picture::is_ready(std::string* why_not) const {
  const auto because = [&](std::string text) {
    if (why_not != nullptr) *why_not = std::move(text);
    return false;
  };
  if (!is_answering) return because("the collector's event loop is blocked");
  if (is_draining) return because("the collector drains");
  std::size_t streams = 0, up = 0, wanted = 0, live = 0;
  for (const VenueSnapshot& venue : loop.venues) {
    const VenueStatus& status = venue.status;
    wanted += venue.books_wanted;
    live += std::min(status.books_live, venue.books_wanted);
    if (!status.is_started)
      return because(status.exchange + " has not started" +
                     (status.last_error.empty() ? "" : ": " + status.last_error));
    streams += venue.status.streams;
    up += venue.status.streams_up;
  }
  if (feeds.empty()) return because("nothing is subscribed yet");
  if (up < streams) return because(fmt::format("{} of {} streams are not up", streams - up, streams));
  // A few books that come again after a gap are everyday; many are a start that is not over, or a venue that is down.
  if ((wanted - live) * 20 > wanted) return because(fmt::format("{} of {} books are not live", wanted - live, wanted));
  for (const FeedPicture& feed : feeds) {
    if (feed.health != Health::stale) continue;
    return because(fmt::format("{} {}: nothing for {:.0f} s", feed.exchange, name_of(feed.type), seconds(feed.age)));
  }
  return true;
}

PictureMaker::Totals PictureMaker::totals_of(const Picture& picture) {
  Totals totals;
  for (const VenueSnapshot& venue : picture.loop.venues) {
    totals.messages += venue.status.feed.frames;
    totals.events += sum(venue.status.feed.events);
    totals.bytes += venue.status.feed.bytes;
  }
  return totals;
}

void PictureMaker::set_delay(FeedPicture& feed, const Picture& picture) const {
  for (const sink::FlowStats& flow : picture.store.flows) {
    if (flow.exchange != feed.exchange || flow.type != feed.type) continue;
    const auto older = older_delays_.find({feed.exchange, feed.type});
    feed.delay_ns = older == older_delays_.end() ? flow.delay_ns : flow.delay_ns.since(older->second);
  }
}

void PictureMaker::add_feeds(Picture& picture, const VenueSnapshot& venue) const {
  std::vector<FeedPicture> feeds(market::event_type_count);
  std::vector<UnixTime> last(market::event_type_count, no_time);
  const auto start =
      picture.loop.wall_time - std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(picture.uptime_s));
  const auto age_of = [&](UnixTime time) {
    return std::max(picture.loop.wall_time - (time == no_time ? start : time), Nanoseconds(0));
  };
  for (const StreamSnapshot& stream : venue.streams) {
    const auto i = static_cast<std::size_t>(stream.type);
    ++feeds[i].streams;
    last[i] = std::max(last[i], stream.activity.last_receive);
    const Health health = health_of(stream.type, age_of(stream.activity.last_receive), limits_);
    feeds[i].late += health == Health::late;
    feeds[i].stale += health == Health::stale;
  }
  const feed::SessionStats& counted = venue.status.feed;
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    FeedPicture& feed = feeds[i];
    if (feed.streams == 0) continue;
    feed.exchange = venue.status.exchange;
    feed.market_type = venue.market_type;
    feed.type = static_cast<EventType>(i);
    feed.messages = counted.messages[i];
    feed.events = counted.events[i];
    feed.gaps = counted.gaps[i];
    feed.bytes = counted.message_bytes[i];
    feed.age = age_of(last[i]);
    feed.health = health_of(feed.type, feed.age, limits_);
    const auto before = before_.messages.find({feed.exchange, feed.type});
    if (before != before_.messages.end())
      feed.messages_per_s = rate(feed.messages, before->second, picture.loop.taken_at - before_.at);
    set_delay(feed, picture);
    picture.feeds.push_back(std::move(feed));
  }
}

void PictureMaker::find_attention(Picture& picture) const {
  auto& list = picture.attention;
  if (!picture.is_answering)
    list.push_back({Health::stale, "loops", "the collector's event loop is blocked; see what holds it under loops"});
  if (!picture.alarms.empty() && picture.loop.wall_time - picture.alarms.back().time < alarm_shown) {
    const async::LoopAlarm& alarm = picture.alarms.back();
    list.push_back(
        {Health::late, "loops",
         fmt::format("the loop {} stood still for {:.0f} ms{}; its stack is under loops", alarm.loop,
                     seconds(alarm.blocked_for) * 1e3, alarm.handler.empty() ? "" : " in " + alarm.handler)});
  }
  for (const FeedPicture& feed : picture.feeds) {
    if (feed.health == Health::fresh) continue;
    list.push_back({feed.health, "feeds",
                    fmt::format("{} {}: nothing for {:.0f} s; look at the connection and at the exchange's status page",
                                feed.exchange, name_of(feed.type), seconds(feed.age))});
  }
  for (const VenueSnapshot& venue : picture.loop.venues) {
    const VenueStatus& status = venue.status;
    if (!status.is_started)
      list.push_back({Health::stale, "feeds",
                      fmt::format("{} has not started{}; it is tried again, see that it can be reached",
                                  status.exchange, status.last_error.empty() ? "" : ": " + status.last_error)});
    if (status.streams_up < status.streams)
      list.push_back(
          {Health::late, "pools",
           fmt::format("{}: {} of {} streams are not up{}", status.exchange, status.streams - status.streams_up,
                       status.streams, status.last_error.empty() ? "" : "; last error: " + status.last_error)});
    if (status.books_live < venue.books_wanted)
      list.push_back({Health::late, "book",
                      fmt::format("{}: {} of {} books wait for a snapshot", status.exchange,
                                  venue.books_wanted - status.books_live, venue.books_wanted)});
  }
  for (const memory::MemorySummary& one : picture.memory_trend) {
    if (one.verdict.status != memory::LeakStatus::leaking) continue;
    list.push_back(
        {Health::stale, "memory",
         fmt::format("{} leaks {:.0f} KiB a minute; switch the heap profiler on and look at /api/v1/heap twice",
                     one.name, one.verdict.rate / 1024)});
  }
  add_store_attention(picture);
  add_memory_attention(picture);
  const std::uint64_t dropped = dropped_events(picture.store);
  if (dropped > dropped_a_while_ago_)
    list.push_back({Health::stale, "overview",
                    fmt::format("{} events were dropped in the last seconds: the disk is too slow or the rate too high",
                                dropped - dropped_a_while_ago_)});
  std::ranges::sort(list, std::ranges::greater(), &Attention::level);
}

void PictureMaker::complete(Picture& picture) const {
  for (const VenueSnapshot& venue : picture.loop.venues) add_feeds(picture, venue);
  const Totals totals = totals_of(picture);
  if (before_.at != Instant{}) {
    const Nanoseconds time = picture.loop.taken_at - before_.at;
    picture.messages_per_s = rate(totals.messages, before_.totals.messages, time);
    picture.events_per_s = rate(totals.events, before_.totals.events, time);
    picture.bytes_per_s = rate(totals.bytes, before_.totals.bytes, time);
  }
  picture.lag_ns = picture.loop.lag_ns.since(older_lag_);
  add_owners(picture);
  find_attention(picture);
}

void PictureMaker::mark(const Picture& picture) {
  before_ = std::move(last_);
  last_ = {picture.loop.taken_at, totals_of(picture), {}};
  for (const VenueSnapshot& venue : picture.loop.venues) {
    for (std::size_t i = 0; i < market::event_type_count; ++i)
      last_.messages[{venue.status.exchange, static_cast<EventType>(i)}] = venue.status.feed.messages[i];
  }
  if (before_.at == Instant{}) before_ = last_;
  if (picture.loop.taken_at - delays_at_ < delay_window) return;
  delays_at_ = picture.loop.taken_at;
  older_delays_ = std::move(delays_);
  delays_.clear();
  for (const sink::FlowStats& flow : picture.store.flows) delays_[{flow.exchange, flow.type}] = flow.delay_ns;
  older_lag_ = std::exchange(lag_, picture.loop.lag_ns);
  dropped_a_while_ago_ = dropped_events(picture.store);
}

}  // namespace marketprism::collector
