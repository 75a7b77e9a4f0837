#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/collector/collector.hpp"
#include "marketprism/emulator/emulator.hpp"
#include "marketprism/monitor/console.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string directory = "out/demo";
  int duration_s = 10;
  double rate = 2000;
  std::string admin = "127.0.0.1:0";
};

struct DemoVenue {
  std::string_view exchange;
  std::vector<std::string> symbols;
};

std::vector<DemoVenue> demo_venues() {
  return {{"binance", {"BTC-USDT", "ETH-USDT"}},
          {"binance-futures", {"BTC-USDT-PERP", "ETH-USDT-PERP"}},
          {"okx", {"BTC-USDT", "ETH-USDT"}},
          {"deribit", {"BTC-PERPETUAL", "ETH-PERPETUAL"}}};
}

/// The emulated exchanges on a thread of their own.
class EmulatorThread {
 public:
  explicit EmulatorThread(emulator::EmulatorOptions options) {
    std::promise<Result<>> started;
    auto outcome = started.get_future();
    thread_ = std::thread([this, options = std::move(options), &started]() mutable {
      emulator::Emulator emulator(loop_, std::move(options));
      const auto result = emulator.start();
      if (result) {
        for (const auto& venue : emulator.status()) addresses_[venue.exchange] = emulator.rest_url(venue.exchange);
      }
      started.set_value(result);
      if (result) loop_.run();
    });
    result_ = outcome.get();
  }
  ~EmulatorThread() {
    loop_.stop();
    thread_.join();
  }
  EmulatorThread(const EmulatorThread&) = delete;
  EmulatorThread& operator=(const EmulatorThread&) = delete;

  const Result<>& result() const { return result_; }
  const std::string& address(std::string_view exchange) const { return addresses_.at(std::string(exchange)); }

 private:
  async::EventLoop loop_;
  std::map<std::string, std::string> addresses_;
  Result<> result_;
  std::thread thread_;
};

emulator::EmulatorOptions emulator_options(const Arguments& arguments) {
  emulator::EmulatorOptions options;
  options.use_tls = true;
  options.certificate_folder = arguments.directory;
  std::uint64_t seed = 1;
  for (const DemoVenue& venue : demo_venues()) {
    emulator::EmulatedVenue emulated;
    emulated.exchange = venue.exchange;
    emulated.market.messages_per_s = arguments.rate;
    emulated.market.seed = seed++;
    options.venues.push_back(std::move(emulated));
  }
  return options;
}

Result<> collect(const Arguments& arguments, const EmulatorThread& emulator) {
  collector::CollectConfig config;
  config.store.directory = arguments.directory;
  config.ca_file = arguments.directory + "/ca.pem";
  config.duration = std::chrono::seconds(arguments.duration_s);
  config.admin.is_on = true;
  config.admin.listen = arguments.admin;
  for (const DemoVenue& venue : demo_venues()) {
    collector::ExchangeConfig exchange;
    exchange.name = venue.exchange;
    exchange.symbols = venue.symbols;
    exchange.channels = {exchange::Channel::trade, exchange::Channel::book, exchange::Channel::bbo};
    exchange.address = emulator.address(venue.exchange);
    config.exchanges.push_back(std::move(exchange));
  }
  monitor::Console console;
  collector::CollectReport before;
  collector::CollectorCallbacks callbacks;
  callbacks.on_message = [&console](LogLevel, std::string_view where, std::string_view text) {
    console.line(fmt::format("{}: {}", where, text));
  };
  callbacks.on_status = [&](const collector::CollectReport& report) {
    console.status(collector::format_status(report, before));
    before = report;
  };
  auto collector = collector::Collector::open(std::move(config), std::move(callbacks));
  if (!collector) return std::unexpected(collector.error());
  console.line(fmt::format("dashboard: {} (while this runs; --duration 600 for longer)", (*collector)->admin_url()));
  const Result<> done = (*collector)->run();
  console.finish();
  fmt::print("\n{}", collector::format_summary((*collector)->report()));
  return done;
}

/// A folder of this run's own, so that runs do not mix.
Result<> fresh_folder(std::string& directory) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  directory += fmt::format("/{}", std::chrono::duration_cast<std::chrono::seconds>(now).count());
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return std::unexpected(system_error(error.value(), "cannot make the folder " + directory));
  return {};
}

int run(Arguments arguments) {
  if (const auto made = fresh_folder(arguments.directory); !made) {
    complain(made.error().to_string());
    return exit_failure;
  }
  fmt::print(
      "Emulating Binance spot, Binance USD-M, OKX and Deribit on this machine, {:.0f} messages/s each, and collecting\n"
      "from them over TLS for {} s into {}\n\n",
      arguments.rate, arguments.duration_s, arguments.directory);
  EmulatorThread emulator(emulator_options(arguments));
  if (!emulator.result()) {
    complain(emulator.result().error().to_string());
    return exit_failure;
  }
  if (const auto collected = collect(arguments, emulator); !collected) {
    complain(collected.error().to_string());
    return exit_failure;
  }
  const std::string sql =
      "SELECT exchange, symbol, count(*) AS trades, round(sum(amount), 3) AS volume, min(price) AS low, max(price) AS "
      "high "
      "FROM trade GROUP BY ALL ORDER BY ALL";
  fmt::print("\nmarketprism query -d {} \"{}\"\n", arguments.directory, sql);
  return run_query(arguments.directory, sql, false);
}

}  // namespace

void add_demo(CLI::App& program, Action& action) {
  auto* verb =
      program.add_subcommand("demo", "Emulated exchanges, a collector and a query in one go, without internet");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("-d,--directory", arguments->directory, "Each run makes a folder in it")->capture_default_str();
  verb->add_option("--duration", arguments->duration_s, "Seconds to collect")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--rate", arguments->rate, "Messages a second of each exchange")
      ->check(CLI::Range(1.0, 100000.0))
      ->capture_default_str();
  verb->add_option("--admin", arguments->admin, "Address and port of the dashboard")->capture_default_str();
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism demo --duration 5");
}

}  // namespace marketprism::app
