#include "marketprism/collector/collector.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <optional>
#include <source_location>
#include <utility>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/signal.hpp"
#include "marketprism/base/log_limiter.hpp"
#include "marketprism/collector/event_tap.hpp"
#include "marketprism/collector/monitoring.hpp"
#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::collector {
namespace {

/// Takes events when nobody else does.
class NoEvents final : public market::EventSink {
 public:
  void on_event(const market::Event&) override {}
};

constexpr auto retry_venue_after = std::chrono::seconds(30);

/// Whether an earlier run has left data of the exchange in the store.
bool has_data_of(const std::string& directory, const std::string& exchange) {
  namespace fs = std::filesystem;
  std::error_code error;  // what cannot be looked at is as good as not there
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (fs::exists(entry->path() / ("exchange=" + exchange), ignored)) return true;
  }
  return false;
}

}  // namespace

struct Collector::State {
  State(CollectConfig collect_config, CollectorCallbacks collector_callbacks)
      : config(std::move(collect_config)), callbacks(std::move(collector_callbacks)), stop_wanted(loop) {}

  Result<> open_store();
  Result<> make_venues();
  Result<> make_monitoring();
  async::Task<> run();
  async::Task<> start_venues();
  async::Task<> start_again(VenueCollector& venue);
  async::Task<> tell_status();
  async::Task<> listen_to_signals();
  async::Task<> reload();
  async::Task<> drain();
  Result<> close_store();
  CollectReport report() const;
  void tell(LogLevel level, std::string_view where, std::string_view text,
            const std::source_location& site = std::source_location::current());
  void tell_all(LogLevel level, std::string_view where, std::string_view text);

  CollectConfig config;
  CollectorCallbacks callbacks;
  std::mutex limiter_mutex;
  LogLimiter limiter;
  memory::MemoryBudget budget;
  async::EventLoop loop;
  async::Signal stop_wanted;
  NoEvents no_events;
  std::unique_ptr<Monitoring> monitoring;   // before the writers, whose threads tell it what goes wrong
  std::atomic<Monitoring*> told = nullptr;  // the same, for those threads: they may run before it is there
  std::unique_ptr<sink::TapeWriter> tape;
  std::unique_ptr<sink::SinkThread> sinks;
  std::vector<std::string> sink_names;
  net::TlsContextPtr tls;
  std::unique_ptr<EventTap> tap;
  std::vector<std::unique_ptr<VenueCollector>> venues;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  Result<> outcome;
  bool is_stopping = false;
  bool is_told_to_stop = false;  // by a signal
  bool is_reloading = false;
};

Result<std::unique_ptr<Collector>> Collector::open(CollectConfig config, CollectorCallbacks callbacks) {
  auto state = std::make_unique<State>(std::move(config), std::move(callbacks));
  if (auto opened = state->open_store(); !opened) return std::unexpected(opened.error());
  if (auto made = state->make_venues(); !made) return std::unexpected(made.error());
  if (auto made = state->make_monitoring(); !made) return std::unexpected(made.error());
  return std::unique_ptr<Collector>(new Collector(std::move(state)));
}

void Collector::State::tell(LogLevel level, std::string_view where, std::string_view text,
                            const std::source_location& site) {
  std::optional<std::uint64_t> left_out;
  {
    const std::string kind = LogLimiter::kind_of(where, site);
    const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now());
    const std::lock_guard lock(limiter_mutex);
    left_out = limiter.admit(kind, now);
  }
  if (!left_out) return;
  if (*left_out == 0) return tell_all(level, where, text);
  tell_all(level, where, fmt::format("{} ({} more like this were left out)", text, *left_out));
}

// What must not be left out: the names of what is not collected.
void Collector::State::tell_all(LogLevel level, std::string_view where, std::string_view text) {
  if (level < log_level()) return;
  Monitoring* const messages = told.load();
  if (messages != nullptr && level > LogLevel::debug) messages->note(where, text);
  if (callbacks.on_message) callbacks.on_message(level, where, text);
}

Collector::Collector(std::unique_ptr<State> state) : state_(std::move(state)) {}
Collector::~Collector() = default;

Result<> Collector::State::open_store() {
  const StoreConfig& store = config.store;
  const auto on_state = [this](std::string what) {
    return [this, what](const Result<>& state) {
      if (state) return tell(LogLevel::info, what, "writes again");
      tell(LogLevel::error, what, "cannot write: " + state.error().to_string() + "; it tries again");
    };
  };
  std::vector<std::unique_ptr<sink::Sink>> made;
  for (const std::string& name : store.sinks) {
    if (name == "tape") {
      sink::TapeWriterOptions options;
      options.files.folder = store.directory;
      options.on_state = on_state("tape");
      auto writer = sink::TapeWriter::open(std::move(options));
      if (!writer) return std::unexpected(writer.error());
      tape = std::move(*writer);
      continue;
    }
    sink::SinkOptions options;
    options.folder = store.directory;
    options.file = "-";
    options.is_exact = store.exact;
    options.rows_max = store.rotate_rows;
    options.part_bytes_max = store.rotate_bytes;
    options.buffered_bytes_max =
        3 * store.rotate_bytes;  // a part being filled, one being written, one to be tried again
    options.age_max = store.rotate_age;
    options.on_state = on_state(name);
    auto sink = sink::make_sink(name, std::move(options));
    if (!sink) return std::unexpected(sink.error());
    made.push_back(std::move(*sink));
    sink_names.push_back(name);
  }
  if (!made.empty()) sinks = std::make_unique<sink::SinkThread>(std::move(made), sink::SinkThreadOptions{});
  return {};
}

Result<> Collector::State::make_venues() {
  net::TlsClientOptions options;
  options.ca_file = config.ca_file;
  auto context = net::TlsContext::make_client(options);
  if (!context) return fail_because(context.error(), "ca_file");
  tls = std::move(*context);
  sink::Batcher* const batcher = sinks ? &sinks->batcher() : nullptr;
  if (batcher != nullptr) {
    batcher->restore_books_from([this](std::string_view exchange, std::string_view symbol, UnixTime now, auto& out) {
      for (const auto& venue : venues) {
        if (venue->name() == exchange) venue->session().show_book(symbol, now, out);
      }
    });
  }
  market::EventSink& events = batcher != nullptr ? static_cast<market::EventSink&>(*batcher) : no_events;
  tap = std::make_unique<EventTap>(events);
  const auto on_message = [this](LogLevel level, std::string_view exchange, std::string_view text,
                                 const std::source_location* site) {
    if (site == nullptr) return tell_all(level, exchange, text);
    tell(level, exchange, text, *site);
  };
  const std::uint64_t limit = config.memory.books_bytes;
  memory::MemoryAccount& books = budget.account("books", {.soft = limit / 5 * 4, .hard = limit});
  for (const ExchangeConfig& venue : config.exchanges) {
    VenueCollector::Surroundings around{.loop = loop,
                                        .events = *tap,
                                        .tape = tape ? &tape->port(venue.name) : nullptr,
                                        .tls = tls,
                                        .books = &books,
                                        .is_resumed = has_data_of(config.store.directory, venue.name),
                                        .on_message = on_message};
    venues.push_back(std::make_unique<VenueCollector>(venue, std::move(around)));
  }
  return {};
}

Result<> Collector::State::make_monitoring() {
  if (!config.admin.is_on) return {};
  auto made = Monitoring::open(
      {.loop = loop,
       .venues = venues,
       .tap = *tap,
       .sinks = sinks.get(),
       .sink_names = sink_names,
       .tape = tape.get(),
       .budget = budget,
       .config = config,
       .drain = [this] { loop.post([this] { stop_wanted.set(); }); },
       .warn = [this](std::string_view where, std::string_view text) { tell(LogLevel::warning, where, text); }});
  if (!made) return std::unexpected(made.error());
  monitoring = std::move(*made);
  told = monitoring.get();
  return {};
}

// The first venue that starts is enough to go on; those that could not be reached are tried again.
async::Task<> Collector::State::start_venues() {
  std::vector<VenueCollector*> failed;
  bool any = false;
  for (const auto& venue : venues) {
    const Result<> started_venue = co_await venue->start();
    if (is_stopping) co_return;
    if (started_venue) {
      any = true;
      continue;
    }
    if (outcome) outcome = started_venue;
    if (venues.size() > 1) tell(LogLevel::error, venue->name(), started_venue.error().to_string());
    if (!started_venue.error().is_terminal) failed.push_back(venue.get());
  }
  if (!any) co_return stop_wanted.set();
  outcome = {};
  for (VenueCollector* venue : failed) loop.spawn(start_again(*venue));
  if (config.duration.count() == 0) co_return;
  co_await loop.sleep_for(config.duration);
  stop_wanted.set();
}

async::Task<> Collector::State::start_again(VenueCollector& venue) {
  while (!is_stopping) {
    co_await loop.sleep_for(retry_venue_after);
    if (is_stopping) co_return;
    const Result<> started_venue = co_await venue.start();
    if (started_venue) co_return;
    tell(LogLevel::error, venue.name(), started_venue.error().to_string());
  }
}

async::Task<> Collector::State::tell_status() {
  while (!is_stopping) {
    co_await loop.sleep_for(std::chrono::seconds(1));
    if (is_stopping || !callbacks.on_status) continue;
    const async::HandlerScope scope(loop.pulse(), "the status line");
    const memory::AllocationsApart apart;
    callbacks.on_status(report());
  }
}

async::Task<> Collector::State::listen_to_signals() {
  boost::asio::signal_set signals(loop.context(), SIGINT, SIGTERM);
  if (callbacks.reload) signals.add(SIGHUP);
  for (;;) {
    // A concrete token: the executor type of our tasks is not Asio's default.
    const boost::asio::use_awaitable_t<async::Executor> token;
    const int signal = co_await signals.async_wait(token);
    if (signal == SIGHUP) {
      if (!std::exchange(is_reloading, true)) loop.spawn(reload());
      continue;
    }
    if (std::exchange(is_told_to_stop, true)) ::_exit(130);  // the second one: at once
    stop_wanted.set();
  }
}

async::Task<> Collector::State::reload() {
  auto fresh = callbacks.reload();
  if (!fresh) {
    tell(LogLevel::error, "configuration",
         "not reloaded: " + fresh.error().to_string() + "; all goes on as before, mend the file and send SIGHUP again");
    is_reloading = false;
    co_return;
  }
  for (const ExchangeConfig& venue_config : fresh->exchanges) {
    for (const auto& venue : venues) {
      if (venue->name() != venue_config.name) continue;
      std::vector<std::string> symbols = venue_config.symbols;
      const Result<> changed = co_await venue->change_symbols(std::move(symbols));
      if (is_stopping) co_return;
      if (!changed) {
        tell(LogLevel::error, venue->name(), "symbols not reloaded: " + changed.error().to_string());
        continue;
      }
      tell(LogLevel::info, venue->name(), "symbols reloaded");
      for (ExchangeConfig& mine : config.exchanges) {
        if (mine.name == venue_config.name) mine.symbols = venue_config.symbols;
      }
    }
  }
  if (monitoring) monitoring->reconfigured(config);
  is_reloading = false;
}

async::Task<> Collector::State::drain() {
  is_stopping = true;
  const Instant deadline = loop.refresh_now() + config.drain_timeout;
  for (const auto& venue : venues) co_await venue->drain(deadline);
}

async::Task<> Collector::State::run() {
  loop.spawn(listen_to_signals());
  started = std::chrono::steady_clock::now();
  loop.spawn(tell_status());
  loop.spawn(start_venues());
  co_await stop_wanted.wait(Instant::max());
  co_await drain();
  loop.stop();
}

Result<> Collector::run() {
  state_->loop.spawn(state_->run());
  if (state_->monitoring) state_->monitoring->start();
  state_->loop.run();
  if (state_->monitoring) state_->monitoring->stop();
  Result<> closed = state_->close_store();
  return state_->outcome ? closed : state_->outcome;
}

Result<> Collector::State::close_store() {
  Result<> result;
  if (sinks) result = sinks->close();
  if (tape) {
    if (auto closed = tape->close(); !closed && result) result = closed;
  }
  return result;
}

std::string Collector::admin_url() const { return state_->monitoring ? state_->monitoring->url() : std::string(); }

void Collector::stop() {
  state_->loop.post([this] { state_->stop_wanted.set(); });
}

CollectReport Collector::State::report() const {
  CollectReport report;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  for (const auto& venue : venues) report.venues.push_back(venue->status());
  if (sinks) {
    report.flows = sinks->flows();
    report.sinks = sinks->sink_stats();
    report.dropped = sinks->dropped();
  }
  report.sink_names = sink_names;
  report.has_tape = tape != nullptr;
  if (tape) report.tape = tape->stats();
  return report;
}

CollectReport Collector::report() const { return state_->report(); }

}  // namespace marketprism::collector
