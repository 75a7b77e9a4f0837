#include "marketprism/collector/monitoring.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/log.hpp"
#include "marketprism/collector/monitoring_state.hpp"
#include "marketprism/collector/picture_json.hpp"
#include "marketprism/collector/venue_collector.hpp"
#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/monitor/call_on.hpp"
#include "marketprism/monitor/json_writer.hpp"
#include "marketprism/sink/batcher.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"

namespace marketprism::collector {

using monitor::call_on;
using monitor::JsonWriter;

namespace {

constexpr auto lag_interval = std::chrono::milliseconds(100);
constexpr auto book_interval = std::chrono::milliseconds(250);
constexpr auto tick_interval = std::chrono::seconds(1);

}  // namespace

Result<std::unique_ptr<Monitoring>> Monitoring::open(Watched watched) {
  auto server =
      monitor::AdminServer::open({.listen = watched.config.admin.listen, .token = watched.config.admin.token});
  if (!server) return std::unexpected(server.error());
  auto state = std::make_unique<State>(std::move(watched), std::move(*server));
  return std::unique_ptr<Monitoring>(new Monitoring(std::move(state)));
}

Monitoring::Monitoring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Monitoring::~Monitoring() { stop(); }

void Monitoring::start() {
  state_->started = state_->here.refresh_now();
  state_->loop_monitor.on_alarm([state = state_.get()](const async::LoopAlarm& alarm) { state->warn_of(alarm); });
  state_->loop_monitor.watch(state_->watched.loop, "collector");
  state_->add_routes();
  state_->here.spawn(state_->tick());
  state_->here.spawn(state_->send_books());
  state_->here.spawn(state_->measure_lag());
  state_->server->start();
}

void Monitoring::stop() {
  state_->loop_monitor.forget(state_->watched.loop);
  state_->server->stop();
}

void Monitoring::reconfigured(const CollectConfig& config) {
  state_->here.post([state = state_.get(), config] { state->config = config; });
}

std::string Monitoring::url() const { return state_->server->url(); }

void Monitoring::note(std::string_view where, std::string_view text) {
  const std::lock_guard lock(state_->mutex);
  if (state_->messages.size() == State::messages_max) state_->messages.pop_front();
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  state_->messages.push_back({++state_->message_count, now, std::string(where), std::string(text)});
}

// On the watchdog's thread.
void Monitoring::State::warn_of(const async::LoopAlarm& alarm) const {
  const std::string in = !alarm.handler.empty() ? alarm.handler : alarm.stack.empty() ? "?" : alarm.stack.front();
  watched.warn("loops", fmt::format("the loop {} has stood still for {} ms, in {}; /api/v1/loops has the stack",
                                    alarm.loop, alarm.blocked_for / std::chrono::milliseconds(1), in));
}

void Monitoring::State::warn_of_leaks() {
  std::set<std::string> leaking;
  for (const memory::MemorySummary& leak : memory_analyzer.leaks()) {
    leaking.insert(leak.name);
    if (warned_leaks.contains(leak.name)) continue;
    watched.warn("memory",
                 fmt::format("{} leaks {:.0f} KiB a minute; switch the heap profiler on and look at /api/v1/heap",
                             leak.name, leak.verdict.rate / 1024));
  }
  warned_leaks = std::move(leaking);
}

Monitoring::State::State(Watched what, std::unique_ptr<monitor::AdminServer> admin_server)
    : watched(std::move(what)),
      config(watched.config),
      server(std::move(admin_server)),
      here(server->loop()),
      lag(registry.group(watched.loop).histogram(metrics.loop_lag(), monitor::label_text({{"loop", "collector"}}))),
      maker({watched.config.admin.late_after, watched.config.admin.stale_after}) {}

LoopSnapshot Monitoring::State::take_loop_snapshot(bool with_uses) {
  const async::HandlerScope scope(watched.loop.pulse(), "a picture for monitoring");
  LoopSnapshot all;
  all.taken_at = watched.loop.refresh_now();
  all.wall_time = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  for (const auto& venue : watched.venues) all.venues.push_back(venue->snapshot(with_uses));
  all.gap_counts = watched.tap.gap_counts();
  all.gaps.assign(watched.tap.gaps().begin(), watched.tap.gaps().end());
  all.lag_ns = lag;
  async::LoopStatistics loop = loop_statistics(watched.loop, "collector");
  all.longest_handler = loop.longest_handler;
  all.longest_handler_name = std::move(loop.longest_handler_name);
  all.allocations = memory::thread_allocations() - memory::thread_allocations_apart();
  return all;
}

StoreSnapshot Monitoring::State::take_store_snapshot() const {
  StoreSnapshot all;
  all.sink_names = watched.sink_names;
  if (watched.sinks != nullptr) {
    all.flows = watched.sinks->flows();
    all.sinks = watched.sinks->sink_stats();
    all.dropped = watched.sinks->dropped();
    all.batches_waiting = watched.sinks->batches_waiting();
    all.batches_max = watched.sinks->batches_max();
  }
  all.has_tape = watched.tape != nullptr;
  if (all.has_tape) all.tape = watched.tape->stats();
  return all;
}

BookSnapshot Monitoring::State::take_book(const std::string& exchange, const std::string& symbol) const {
  BookSnapshot out{.exchange = exchange, .symbol = symbol};
  for (const auto& venue : watched.venues) {
    if (venue->name() != exchange) continue;
    out.is_known = venue->has_book(symbol);
    if (!out.is_known) return out;  // any text may be asked for: it must not take one of the tap's places
    out.last_receive = venue->session().activity(symbol, market::EventType::book).last_receive;
    const auto& trades = watched.tap.trades(exchange, symbol, watched.loop.now());
    out.trades.assign(trades.begin(), trades.end());
    const market::OrderBook* book = venue->session().book(symbol);
    if (book == nullptr) continue;
    out.is_live = true;
    out.bid_levels = book->bids().size();
    out.ask_levels = book->asks().size();
    for (std::size_t i = 0; i < std::min(out.bid_levels, book_depth); ++i) out.bids.push_back(book->bids().at(i));
    for (std::size_t i = 0; i < std::min(out.ask_levels, book_depth); ++i) out.asks.push_back(book->asks().at(i));
  }
  return out;
}

std::vector<BookSummary> Monitoring::State::take_book_summaries() const {
  std::vector<BookSummary> all;
  for (const auto& venue : watched.venues) {
    for (const std::string& symbol : venue->book_symbols()) {
      BookSummary& one = all.emplace_back(venue->name(), symbol);
      one.last_receive = venue->session().activity(symbol, market::EventType::book).last_receive;
      const market::OrderBook* book = venue->session().book(symbol);
      if (book == nullptr) continue;
      one.is_live = true;
      one.bid_levels = book->bids().size();
      one.ask_levels = book->asks().size();
      if (one.bid_levels > 0) one.bid = book->bids().best().price;
      if (one.ask_levels > 0) one.ask = book->asks().best().price;
    }
  }
  return all;
}

net::Task<Picture> Monitoring::State::take_picture(bool with_uses) {
  std::function<LoopSnapshot()> work = [this, with_uses] { return take_loop_snapshot(with_uses); };
  const Instant deadline = here.refresh_now() + patience;
  auto loop = co_await call_on<LoopSnapshot>(here, watched.loop, std::move(work), deadline);
  Picture picture;
  picture.is_answering = loop.has_value();
  picture.loop = loop ? std::move(*loop) : last.loop;
  picture.is_draining = is_draining;
  picture.uptime_s = std::chrono::duration<double>(here.refresh_now() - started).count();
  picture.store = take_store_snapshot();
  picture.memory = monitor::read_process_memory();
  picture.owners = watched.budget.owners();
  picture.threads = monitor::read_threads();
  picture.cpu_s = monitor::read_cpu_seconds();
  picture.open_files = monitor::count_open_files();
  picture.memory_trend = memory_analyzer.summaries();
  picture.alarms = loop_monitor.alarms();
  picture.alarm_count = loop_monitor.alarm_count();
  maker.complete(picture);
  co_return picture;
}

// Taken by a task of its own, so that it does not matter who of those who wait for it goes away.
net::Task<> Monitoring::State::take_recent() {
  Picture picture = co_await take_picture();
  recent = std::make_shared<const Picture>(std::move(picture));
  recent_at = here.refresh_now();
  is_taking_recent = false;
}

net::Task<std::shared_ptr<const Picture>> Monitoring::State::recent_picture() {
  while (recent == nullptr || here.refresh_now() - recent_at > recent_for) {
    if (!std::exchange(is_taking_recent, true)) here.spawn(take_recent());
    co_await here.sleep_for(recent_step);
  }
  co_return recent;
}

net::Task<std::vector<BookSnapshot>> Monitoring::State::take_books(
    std::vector<std::pair<std::string, std::string>> wanted) {
  std::function<std::vector<BookSnapshot>()> work = [this, wanted = std::move(wanted)] {
    std::vector<BookSnapshot> books;
    for (const auto& [exchange, symbol] : wanted) books.push_back(take_book(exchange, symbol));
    return books;
  };
  const Instant deadline = here.refresh_now() + patience;
  auto books = co_await call_on<std::vector<BookSnapshot>>(here, watched.loop, std::move(work), deadline);
  co_return books.value_or(std::vector<BookSnapshot>{});
}

// The time a piece of work waits for the loop: measured on it, kept on it.
net::Task<> Monitoring::State::measure_lag() {
  for (;;) {
    const Instant posted = here.refresh_now();
    watched.loop.post([this, posted] { lag.add((watched.loop.refresh_now() - posted).count()); });
    co_await here.sleep_for(lag_interval);
  }
}

net::Task<> Monitoring::State::tick() {
  for (;;) {
    const Instant begun = here.refresh_now();
    Picture picture = co_await take_picture();
    maker.mark(picture);
    remember(picture);
    send_status(picture);
    last = std::move(picture);
    co_await here.sleep_until(begun + tick_interval);
  }
}

net::Task<> Monitoring::State::send_books() {
  for (;;) {
    co_await here.sleep_for(book_interval);
    std::vector<std::pair<std::string, std::string>> wanted;
    server->stream().for_each_client([&](monitor::EventStream::Client& client) {
      const std::pair one(client.exchange(), client.symbol());
      if (!one.second.empty() && std::ranges::find(wanted, one) == wanted.end()) wanted.push_back(one);
    });
    if (wanted.empty()) continue;
    const auto books = co_await take_books(std::move(wanted));
    for (const BookSnapshot& book : books) {
      const std::string json = book_json(book);
      server->stream().for_each_client([&](monitor::EventStream::Client& client) {
        if (client.exchange() == book.exchange && client.symbol() == book.symbol)
          server->stream().send(client, "book", json);
      });
    }
  }
}

void Monitoring::State::remember(const Picture& picture) {
  if (picture.loop.taken_at - history_at < history_step) return;
  history_at = picture.loop.taken_at;
  HistoryPoint point{.time_s = ns_since_epoch(picture.loop.wall_time) / 1'000'000'000,
                     .messages_per_s = picture.messages_per_s,
                     .lag_p99_ms = static_cast<double>(picture.loop.lag_ns.since(lag_before).quantile(0.99)) * 1e-6,
                     .rss = picture.memory.rss,
                     .owners = {}};
  for (const memory::OwnerBytes& owner : picture.owners) point.owners.push_back(owner.bytes);
  memory_analyzer.add(memory_snapshot(picture, {}));
  warn_of_leaks();
  lag_before = picture.loop.lag_ns;
  if (history.size() == history_max) history.pop_front();
  history.push_back(std::move(point));
}

void Monitoring::State::send_status(const Picture& picture) {
  if (server->stream().clients() == 0) return;
  std::string text;
  JsonWriter json(text);
  json.begin_object().raw("status", status_json(picture)).raw("pools", pools_json(picture));
  json.raw("connections", connections_json(picture)).raw("feeds", feeds_json(picture));
  json.raw("loops", loops_json(picture)).raw("queues", queues_json(picture)).raw("sinks", sinks_json(picture));
  json.raw("gaps", gaps_json(picture)).raw("memory", memory_json(picture)).raw("messages", messages_json());
  json.end_object();
  server->stream().for_each_client(
      [&](monitor::EventStream::Client& client) { server->stream().send(client, "picture", text); });
}

std::string Monitoring::State::messages_json() const {
  const std::lock_guard lock(mutex);
  std::string text;
  JsonWriter json(text);
  json.begin_object().begin_array("messages");
  for (const Message& message : messages) {
    json.begin_object().field("number", message.number);
    json.field("time_ms", ns_since_epoch(message.time) / 1'000'000).field("where", message.where);
    json.field("text", message.text).end_object();
  }
  json.end_array().end_object();
  return text;
}

}  // namespace marketprism::collector
