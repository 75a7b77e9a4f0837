#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <type_traits>
#include <unistd.h>
#include <variant>

#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/nearest.hpp"
#include "marketprism/emulator/emulator.hpp"
#include "marketprism/emulator/recording.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/sink/tape/frame_merge.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string exchanges;
  std::vector<std::string> recordings;
  std::string speed = "1";
  std::string certificate_folder;
  std::string address = "127.0.0.1";
  double rate = 1000;
  std::uint64_t seed = 1;
  std::size_t extra_instruments = 0;
  std::uint16_t port = 0;
  bool tls = false;
  bool compress = false;
  bool json = false;
  bool no_limits = false;
  std::vector<std::string> faults;
  double connection_lifetime_s = 0;
};

/// "lose=0.01" → the plan. Chances are 0…1, counts whole numbers.
Result<emulator::FaultPlan> fault_plan(const std::vector<std::string>& faults, std::uint64_t seed) {
  emulator::FaultPlan plan{.seed = seed};
  const std::map<std::string_view, std::variant<double*, int*, std::uint64_t*>> places{
      {"lose", &plan.lose},
      {"duplicate", &plan.duplicate},
      {"reorder", &plan.reorder},
      {"garbage", &plan.garbage},
      {"abort", &plan.abort},
      {"half_frame", &plan.half_frame},
      {"stall", &plan.stall},
      {"abort_after_frames", &plan.abort_after_frames},
      {"stall_after_frames", &plan.stall_after_frames},
      {"refuse_upgrades", &plan.refuse_upgrades},
      {"rest_rejections", &plan.rest_rejections},
      {"rest_failures", &plan.rest_failures}};
  for (const std::string& fault : faults) {
    const std::string name = fault.substr(0, fault.find('='));
    const auto place = places.find(name);
    if (place == places.end()) {
      std::vector<std::string_view> names;
      for (const auto& [known, ignored] : places) names.push_back(known);
      return fail(ErrorCode::invalid_argument,
                  fmt::format("unknown --fault \"{}\": did you mean \"{}\"? There are: {}", name, nearest(name, names),
                              fmt::join(names, ", ")),
                  true);
    }
    const std::string text = fault.substr(std::min(name.size() + 1, fault.size()));
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool is_chance = std::holds_alternative<double*>(place->second);
    if (text.empty() || *end != '\0' || value < 0 || value > (is_chance ? 1 : 1e9) ||
        (!is_chance && value != std::floor(value))) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--fault {}: {}", fault,
                              is_chance ? "a chance from 0 to 1 is wanted" : "a whole number is wanted"),
                  true);
    }
    std::visit([value](auto* target) { *target = static_cast<std::remove_reference_t<decltype(*target)>>(value); },
               place->second);
  }
  return plan;
}

/// The recordings' paths by exchange: "okx=FOLDER", or a path whose name tells the exchange.
Result<std::map<std::string, std::vector<std::string>>> paths_by_exchange(const std::vector<std::string>& recordings) {
  std::map<std::string, std::vector<std::string>> result;
  for (const std::string& recording : recordings) {
    const std::size_t equals = recording.find('=');
    const std::string exchange =
        equals != std::string::npos ? recording.substr(0, equals) : std::string(exchange::exchange_in_path(recording));
    if (exchange.empty()) {
      return fail(ErrorCode::invalid_argument, recording + ": which exchange is it of? Write EXCHANGE=" + recording,
                  true);
    }
    result[exchange].push_back(equals != std::string::npos ? recording.substr(equals + 1) : recording);
  }
  return result;
}

Result<std::shared_ptr<const emulator::Recording>> load(const std::string& exchange,
                                                        const std::vector<std::string>& paths) {
  auto recording = emulator::make_recording(exchange);
  if (!recording) return std::unexpected(recording.error());
  auto files = sink::recording_files(paths);
  if (!files) return std::unexpected(files.error());
  sink::FrameMerge merge(std::move(*files), {.exchange = exchange, .connection = 1});
  if (auto opened = merge.open(); !opened) return std::unexpected(opened.error());
  for (tape::Frame frame; merge.next(frame);) {
    if (frame.exchange == exchange) (*recording)->add(frame);
  }
  return std::shared_ptr<const emulator::Recording>(std::move(*recording));
}

Result<emulator::EmulatorOptions> options_of(const Arguments& arguments) {
  emulator::EmulatorOptions options;
  options.address = arguments.address;
  options.use_tls = arguments.tls;
  options.compress = arguments.compress;
  options.certificate_folder = arguments.certificate_folder;
  auto by_exchange = paths_by_exchange(arguments.recordings);
  if (!by_exchange) return std::unexpected(by_exchange.error());
  for (const std::string& name : split_list(arguments.exchanges)) by_exchange->try_emplace(name);
  const auto faults = fault_plan(arguments.faults, arguments.seed);
  if (!faults) return std::unexpected(faults.error());
  for (const auto& [exchange, paths] : *by_exchange) {
    if (const auto known = exchange::make_adapter(exchange); !known) return std::unexpected(known.error());
    emulator::EmulatedVenue venue;
    venue.exchange = exchange;
    if (arguments.port != 0) venue.port = static_cast<std::uint16_t>(arguments.port + options.venues.size());
    if (!paths.empty()) {
      auto recording = load(exchange, paths);
      if (!recording) return std::unexpected(recording.error());
      venue.recording = std::move(*recording);
    }
    venue.playing.speed = arguments.speed == "max" ? 0 : std::stod(arguments.speed);
    venue.market.messages_per_s = arguments.rate;
    venue.market.seed = arguments.seed;
    venue.market.extra_instruments = arguments.extra_instruments;
    venue.rules.enforces_limits = !arguments.no_limits;
    venue.rules.faults = *faults;
    venue.rules.connection_lifetime = Nanoseconds(static_cast<std::int64_t>(arguments.connection_lifetime_s * 1e9));
    options.venues.push_back(std::move(venue));
  }
  return options;
}

void print_places(const emulator::Emulator& emulator, bool as_json) {
  for (const emulator::VenueStatus& venue : emulator.status()) {
    const std::string rest = emulator.rest_url(venue.exchange), socket = emulator.websocket_url(venue.exchange);
    if (as_json) {
      fmt::print(R"({{"exchange":"{}","port":{},"rest":"{}","websocket":"{}"}})"
                 "\n",
                 venue.exchange, venue.port, rest, socket);
    } else {
      fmt::print("{:<18} {}   collect --exchange {} --address {}\n", venue.exchange, socket, venue.exchange, rest);
    }
  }
  std::fflush(stdout);
}

/// Says once, on stdout, that all recordings are played to their end; the connections stay open.
async::Task<> tell_when_finished(async::EventLoop& loop, const emulator::Emulator& emulator, bool as_json) {
  while (!emulator.is_finished()) co_await loop.sleep_for(std::chrono::milliseconds(100));
  fmt::print("{}\n", as_json ? R"({"finished":true})" : "all recordings are played");
  std::fflush(stdout);
}

int run(const Arguments& arguments) {
  auto options = options_of(arguments);
  if (!options) {
    complain(options.error().to_string());
    return options.error().is_terminal ? exit_usage : exit_failure;
  }
  async::EventLoop loop;
  emulator::Emulator emulator(loop, std::move(*options));
  if (const auto started = emulator.start(); !started) {
    complain(started.error().to_string());
    return exit_failure;
  }
  print_places(emulator, arguments.json);
  if (arguments.tls && !arguments.certificate_folder.empty()) {
    fmt::print(stderr, "clients need --ca-file {}\n",
               (std::filesystem::path(arguments.certificate_folder) / "ca.pem").string());
  }
  boost::asio::signal_set signals(loop.context(), SIGINT, SIGTERM);
  signals.async_wait([&loop](const boost::system::error_code&, int) { loop.stop(); });
  loop.spawn(tell_when_finished(loop, emulator, arguments.json));
  loop.run();
  for (const emulator::VenueStatus& venue : emulator.status()) {
    fmt::print(stderr, "{}: {} connections, {} requests, {} REST requests, {} frames sent\n", venue.exchange,
               venue.counters.connections, venue.counters.requests, venue.counters.rest_requests,
               venue.counters.frames);
  }
  emulator.stop();
  return exit_success;
}

}  // namespace

void add_emulate(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("emulate", "Serve exchanges' own protocols on this machine");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("RECORDINGS", arguments->recordings,
                   "Recordings and tapes to serve; EXCHANGE=PATH where the name does not tell");
  verb->add_option("-e,--exchange", arguments->exchanges, "Exchanges with a synthetic market, with commas");
  verb->add_option("--speed", arguments->speed, "Of recordings: 1 as recorded, 10 ten times as fast, max")
      ->capture_default_str()
      ->check([](const std::string& text) {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        return text == "max" || (end != text.c_str() && *end == '\0' && value > 0) ? std::string()
                                                                                   : "a number above 0, or max";
      });
  verb->add_option("--rate", arguments->rate, "Messages a second of each synthetic market, up to 100000")
      ->check(CLI::Range(0.1, 100000.0))
      ->capture_default_str();
  verb->add_option("--seed", arguments->seed, "Of the synthetic markets")->capture_default_str();
  verb->add_option("--extra-instruments", arguments->extra_instruments, "Of each synthetic market, besides the usual")
      ->check(CLI::Range(0, 10000));
  verb->add_option("--address", arguments->address, "Where to listen")->capture_default_str();
  verb->add_option("-p,--port", arguments->port, "First port; each exchange takes the next; 0: any free ones")
      ->capture_default_str();
  verb->add_flag("--tls", arguments->tls, "With a certificate made up at the start");
  verb->add_option("--certificate-folder", arguments->certificate_folder,
                   "An existing folder for the certificate; clients need its ca.pem");
  verb->add_flag("--compress", arguments->compress, "Accept permessage-deflate");
  verb->add_flag("--no-limits", arguments->no_limits, "Do not enforce the exchange's limits");
  verb->add_option("--fault", arguments->faults,
                   "What goes wrong, e.g. lose=0.001 (a chance for each frame), rest_rejections=3 (how many)");
  verb->add_option("--connection-lifetime", arguments->connection_lifetime_s,
                   "Cut each WebSocket after so many seconds instead of the exchange's time")
      ->check(CLI::Range(0.1, 1e6));
  verb->add_flag("--json", arguments->json, "Print the addresses as JSON, one object a line");
  verb->callback([&action, arguments] {
    if (arguments->recordings.empty() && arguments->exchanges.empty())
      arguments->exchanges = "binance,binance-futures,okx,deribit";
    action = [arguments] { return run(*arguments); };
  });
  verb->footer("Example: marketprism emulate --exchange binance,okx --rate 5000 --tls --certificate-folder .");
}

}  // namespace marketprism::app
