#include "marketprism/collector/replay.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <unistd.h>

#include <fmt/format.h>

#include "apps/marketprism/event_output.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/sink/batcher.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string exchange;
  std::string to = "jsonl";
  std::string format;
  std::vector<std::string> paths;
  std::string directory = "data";
  bool exact = false;
  bool crc = false;
  bool quiet = false;
};

/// The store's writers as `collect` uses them, only that replaying waits where collecting would drop.
Result<std::unique_ptr<sink::SinkThread>> open_store(const Arguments& arguments) {
  sink::SinkOptions options;
  options.folder = arguments.directory;
  options.is_exact = arguments.exact;
  options.on_state = [](const Result<>& state) {
    if (!state) complain(state.error().to_string());
  };
  auto parquet = sink::make_sink("parquet", std::move(options));
  if (!parquet) return std::unexpected(parquet.error());
  std::vector<std::unique_ptr<sink::Sink>> sinks;
  sinks.push_back(std::move(*parquet));
  sink::SinkThreadOptions thread;
  thread.batches.when_full = sink::WhenFull::wait;
  return std::make_unique<sink::SinkThread>(std::move(sinks), thread);
}

void report(const collector::ReplaySummary& summary, std::chrono::steady_clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  fmt::print(stderr, "{} frames in {:.2f} s\n", summary.frames, seconds);
  for (const auto& [exchange, stats] : summary.venues) {
    std::uint64_t events = 0, gaps = 0;
    for (const auto count : stats.events) events += count;
    for (const auto count : stats.gaps) gaps += count;
    fmt::print(stderr, "{}: {} events, {} gaps, {} stale deltas, {} duplicate trades", exchange, events, gaps,
               stats.books.stale, stats.duplicate_trades);
    if (stats.superseded > 0)
      fmt::print(stderr, ", {} messages of connections that others had taken over from", stats.superseded);
    if (stats.books.of_another_depth > 0)
      fmt::print(stderr, ", {} books of fewer levels than the one that is kept", stats.books.of_another_depth);
    for (const auto& [reason, count] : stats.unreadable)
      fmt::print(stderr, ", {} frames unreadable ({})", count, reason);
    for (const auto& [reason, count] : stats.ignored) fmt::print(stderr, ", {} ignored ({})", count, reason);
    fmt::print(stderr, "\n");
  }
}

int run(const Arguments& arguments) {
  collector::ReplayOptions options{.exchange = arguments.exchange, .paths = arguments.paths};
  if (!arguments.format.empty()) {
    options.format = tape::format_named(arguments.format);
    if (!options.format) {
      complain("unknown --format \"" + arguments.format + "\": cryptofeed, lines or tape");
      return exit_usage;
    }
  }
  if (!arguments.exchange.empty()) {
    if (const auto known = exchange::make_adapter(arguments.exchange); !known) {
      complain(known.error().to_string());
      return exit_usage;
    }
  }
  std::uint64_t problems = 0;
  options.on_problem = [&problems](const Error& error) {
    if (++problems <= 10) complain(error.to_string());
  };
  auto last_report = std::chrono::steady_clock::now();
  const auto start = last_report;
  options.on_progress = [&](std::uint64_t frames) {
    const auto now = std::chrono::steady_clock::now();
    if (arguments.quiet || now - last_report < std::chrono::seconds(10)) return;
    last_report = now;
    fmt::print(stderr, "{} frames\n", frames);
  };
  JsonLinesOutput lines(STDOUT_FILENO);
  CrcOutput crc;
  std::unique_ptr<sink::SinkThread> store;
  if (arguments.to == "parquet" && !arguments.crc) {
    auto opened = open_store(arguments);
    if (!opened) {
      complain(opened.error().to_string());
      return exit_failure;
    }
    store = std::move(*opened);
  }
  market::EventSink& sink = arguments.crc ? static_cast<market::EventSink&>(crc)
                            : store       ? store->batcher()
                                          : static_cast<market::EventSink&>(lines);
  const auto summary = collector::replay(options, sink);
  if (!summary) {
    complain(summary.error().to_string());
    return summary.error().code == ErrorCode::invalid_argument ? exit_usage : exit_failure;
  }
  if (arguments.crc) {
    fmt::print("{:08x}\n", crc.value());
  } else if (store) {
    if (const auto written = store->close(); !written) {
      complain(written.error().to_string());
      return exit_failure;
    }
  } else if (const auto written = lines.finish(); !written) {
    complain(written.error().to_string());
    return exit_failure;
  }
  if (!arguments.quiet) report(*summary, std::chrono::steady_clock::now() - start);
  return problems == 0 ? exit_success : exit_failure;
}

}  // namespace

void add_replay(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("replay", "Turn recordings into events, offline, as fast as it goes");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("-e,--exchange", arguments->exchange, "Exchange of recordings that do not name it");
  verb->add_option("--to", arguments->to, "jsonl (to stdout) or parquet (into --directory)")
      ->check(CLI::IsMember({"jsonl", "parquet"}))
      ->capture_default_str();
  verb->add_option("--format", arguments->format, "Force the recordings' format: cryptofeed, lines or tape");
  verb->add_option("-d,--directory", arguments->directory, "Of the Parquet files")->capture_default_str();
  verb->add_flag("--exact", arguments->exact, "Parquet with DECIMAL(38,18) instead of DOUBLE");
  verb->add_flag("--crc", arguments->crc, "Print the CRC-32 of all events' JSON Lines instead of the events");
  verb->add_flag("-q,--quiet", arguments->quiet, "No report on stderr");
  verb->add_option("PATHS", arguments->paths, "Files and folders, .gz too")->required();
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism replay --exchange binance --to jsonl recordings/BINANCE > events.jsonl");
}

}  // namespace marketprism::app
