#include <CLI/CLI.hpp>
#include <cstdlib>
#include <malloc.h>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/base/log.hpp"
#include "marketprism/collector/collector.hpp"
#include "marketprism/monitor/console.hpp"
#include "marketprism/monitor/log_output.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string file;
  std::string exchange, symbols, channels, to, directory, address, ca_file;
  std::vector<std::string> streams;
  std::string admin;
  std::string log_format;
  int duration_s = 0;
  bool exact = false;
  bool quiet = false;
};

/// "bbo=tickers" into the field of that name.
Result<> set_stream(exchange::Variants& streams, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  std::string* field = name == "trade"        ? &streams.trade
                       : name == "book"       ? &streams.book
                       : name == "bbo"        ? &streams.bbo
                       : name == "candle"     ? &streams.candle
                       : name == "mark_price" ? &streams.mark_price
                                              : nullptr;
  if (equals == std::string::npos || field == nullptr) {
    return fail(ErrorCode::invalid_argument,
                "--stream takes trade=, book=, bbo=, candle= or mark_price=, not \"" + text + "\"", true);
  }
  *field = text.substr(equals + 1);
  return {};
}

Result<collector::CollectConfig> config_of(const Arguments& arguments) {
  collector::CollectConfig config;
  if (!arguments.file.empty()) {
    auto read = collector::read_config(arguments.file);
    if (!read) return read;
    config = std::move(*read);
  }
  if (!arguments.exchange.empty()) {
    collector::ExchangeConfig venue;
    venue.name = arguments.exchange;
    venue.symbols = split_list(arguments.symbols);
    venue.address = arguments.address;
    auto channels = collector::parse_channels(split_list(arguments.channels));
    if (!channels) return std::unexpected(channels.error());
    venue.channels = std::move(*channels);
    for (const std::string& stream : arguments.streams) {
      if (auto set = set_stream(venue.streams, stream); !set) return std::unexpected(set.error());
    }
    config.exchanges.push_back(std::move(venue));
  }
  if (!arguments.to.empty()) config.store.sinks = split_list(arguments.to);
  if (!arguments.directory.empty()) config.store.directory = arguments.directory;
  if (!arguments.ca_file.empty()) config.ca_file = arguments.ca_file;
  if (arguments.duration_s > 0) config.duration = std::chrono::seconds(arguments.duration_s);
  if (arguments.exact) config.store.exact = true;
  if (!arguments.admin.empty()) {
    config.admin.is_on = true;
    config.admin.listen = arguments.admin;
  }
  // Not an option: the arguments of a process are there for everybody to read.
  if (const char* token = std::getenv("MARKETPRISM_ADMIN_TOKEN"); token != nullptr) config.admin.token = token;
  if (auto checked = collector::check(config); !checked) return std::unexpected(checked.error());
  return config;
}

/// The rows of a file are pages of some hundred KiB that one thread fills and another frees a minute later. In malloc's
/// arenas they leave holes that only grow; of the kernel they are taken and given back one by one, and the resident
/// size tells what is held.
void keep_large_blocks_out_of_arenas() { ::mallopt(M_MMAP_THRESHOLD, 64 << 10); }

int run(const Arguments& arguments) {
  keep_large_blocks_out_of_arenas();
  auto config = config_of(arguments);
  if (!config) {
    complain(config.error().to_string());
    return exit_usage;
  }
  const bool is_logged = !arguments.log_format.empty();
  const bool is_quiet = arguments.quiet || is_logged;
  monitor::Console console;
  if (is_logged) {
    monitor::use_spdlog(arguments.log_format == "json" ? monitor::LogFormat::json : monitor::LogFormat::text, console);
  }
  set_log_level(LogLevel::info);
  collector::CollectorCallbacks callbacks;
  callbacks.on_message = [&console, is_logged](LogLevel level, std::string_view where, std::string_view text) {
    if (is_logged) return log_always(level, where, text);
    if (level >= log_level()) console.line(fmt::format("{}: {}", where, text));
  };
  collector::CollectReport before;
  callbacks.on_status = [&](const collector::CollectReport& report) {
    if (!is_quiet) console.status(collector::format_status(report, before));
    before = report;
  };
  if (!arguments.file.empty()) callbacks.reload = [&arguments] { return config_of(arguments); };
  auto collector = collector::Collector::open(std::move(*config), std::move(callbacks));
  if (!collector) {
    complain(collector.error().to_string());
    return exit_failure;
  }
  if (const std::string url = (*collector)->admin_url(); !url.empty()) {
    if (is_logged) {
      log(LogLevel::info, "admin", "dashboard and API: " + url);
    } else {
      console.line("dashboard and API: " + url);
    }
  }
  const Result<> done = (*collector)->run();
  console.finish();
  monitor::stop_spdlog();
  if (!is_quiet) fmt::print(stderr, "{}", collector::format_summary((*collector)->report()));
  if (!done) complain(done.error().to_string());
  return done ? exit_success : exit_failure;
}

int check_config(const std::string& file) {
  const auto config = collector::read_config(file);
  if (!config) {
    complain(config.error().to_string());
    return exit_failure;
  }
  for (const auto& venue : config->exchanges) {
    fmt::print("{}: {} symbols or patterns, {} channels\n", venue.name, venue.symbols.size(), venue.channels.size());
  }
  fmt::print("{} is good\n", file);
  return exit_success;
}

}  // namespace

void add_collect(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("collect", "Collect market data into a tape and Parquet files");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("CONFIG", arguments->file, "TOML file; SIGHUP reads its symbols anew");
  auto* exchange = verb->add_option("-e,--exchange", arguments->exchange, "One exchange without a file");
  verb->add_option("-s,--symbols", arguments->symbols, "Native or canonical names or patterns, with commas")
      ->needs(exchange);
  verb->add_option("-c,--channels", arguments->channels, "trade, agg_trade, book, bbo, candle, …, with commas")
      ->needs(exchange);
  verb->add_option("--stream", arguments->streams,
                   "Choose a stream of a channel: bbo=tickers, book=@depth@0ms, candle=5m")
      ->needs(exchange);
  verb->add_option("--address", arguments->address, "https://host:port in place of the exchange's hosts")
      ->needs(exchange);
  verb->add_option("--to", arguments->to, "tape, parquet, jsonl (to stdout), with commas; default tape,parquet");
  verb->add_option("-d,--directory", arguments->directory, "Where files go; default data");
  verb->add_option("--ca-file", arguments->ca_file, "Trust these certificates, too (PEM)");
  verb->add_option("--duration", arguments->duration_s, "Stop after so many seconds")->check(CLI::PositiveNumber);
  verb->add_flag("--exact", arguments->exact, "Prices and amounts as DECIMAL(38,18) instead of DOUBLE");
  verb->add_option(
      "--admin", arguments->admin,
      "Serve dashboard, metrics and API at address:port, for example 127.0.0.1:8080; port 0: any free one");
  verb->add_option("--log-format", arguments->log_format,
                   "Messages as log lines with time and level, rate-limited, as text or json; implies --quiet")
      ->check(CLI::IsMember({"text", "json"}));
  verb->add_flag("-q,--quiet", arguments->quiet, "No status line, no summary");
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism collect --exchange binance --symbols BTCUSDT,ETHUSDT --channels trade,book,bbo");

  auto* check = program.add_subcommand("check-config", "Say whether a configuration file is right");
  auto file = std::make_shared<std::string>();
  check->add_option("CONFIG", *file, "TOML file")->required();
  check->callback([&action, file] { action = [file] { return check_config(*file); }; });
  check->footer("Example: marketprism check-config examples/binance.toml");
}

}  // namespace marketprism::app
