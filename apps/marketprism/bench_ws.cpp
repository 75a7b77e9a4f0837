#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/net/websocket_connection.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string url;
  std::string ca_file;
  std::size_t connections = 1;
  std::size_t messages = 5'000'000;
  int passes = 3;
  bool json = false;
};

/// What one round of reading took.
struct Ingest {
  double messages_per_s = 0;
  double cpu_s_per_million = 0;
};

struct Reading {
  async::EventLoop& loop;
  std::size_t per_connection;
  std::size_t readers;
  std::size_t bytes = 0;
  std::optional<Error> error;
};

async::Task<> read_all(Reading& reading, net::WebSocketConnection& connection) {
  std::size_t left = reading.per_connection;
  while (left > 0) {
    const auto received = co_await connection.read_some();
    if (!received) {
      reading.error = fail_because(received.error(), fmt::format("{} messages before the end", left)).error();
      break;
    }
    while (const auto* message = connection.next_message()) {
      reading.bytes += message->data.size();
      if (--left == 0) break;
    }
  }
  if (--reading.readers == 0) reading.loop.stop();
}

/// Opens the connections, then reads `messages` in all; the second part is timed.
Result<Ingest> ingest(const wire::Url& url, const net::TlsContextPtr& tls, std::size_t connections,
                      std::size_t messages) {
  async::EventLoop loop;
  Reading reading{loop, messages / connections, connections, 0, {}};
  net::WebSocketConnectTarget target;
  target.url = url;
  target.tls = tls;
  if (!url.has_query) {
    target.url.has_query = true;
    target.url.query = fmt::format("n={}", reading.per_connection);
  }
  const double wall = wall_seconds(), cpu = process_cpu_seconds();
  std::vector<std::unique_ptr<net::WebSocketConnection>> opened;
  for (std::size_t i = 0; i < connections; ++i) {
    auto connection = async::block_on(
        loop, net::WebSocketConnection::connect(loop, target, loop.refresh_now() + std::chrono::seconds(10)));
    if (!connection) return std::unexpected(std::move(connection.error()));
    opened.push_back(std::move(*connection));
  }
  for (const auto& connection : opened) loop.spawn(read_all(reading, *connection));
  loop.run();
  if (reading.error) return std::unexpected(std::move(*reading.error));
  if (reading.bytes == 0) return fail(ErrorCode::malformed, url.to_string() + ": all messages were empty");
  const double count = static_cast<double>(reading.per_connection * connections);
  return Ingest{count / (wall_seconds() - wall), (process_cpu_seconds() - cpu) * 1e6 / count};
}

/// Rounds over each place in turn, so that a neighbour's load falls on all; medians, in the places' order.
Result<std::vector<Ingest>> measure(const Arguments& arguments, const std::vector<std::string>& places,
                                    const net::TlsContextPtr& tls) {
  std::vector<std::vector<double>> rates(places.size()), costs(places.size());
  for (int pass = -1; pass < arguments.passes; ++pass) {  // the first, short, warms up
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto url = wire::parse_url(places[i]);
      if (!url) return std::unexpected(url.error());
      const std::size_t all = arguments.messages;
      const std::size_t messages = pass < 0 ? std::clamp<std::size_t>(all / 20, arguments.connections, all) : all;
      const auto result = ingest(*url, tls, arguments.connections, messages);
      if (!result) return std::unexpected(result.error());
      if (pass < 0) continue;
      rates[i].push_back(result->messages_per_s);
      costs[i].push_back(result->cpu_s_per_million);
    }
  }
  std::vector<Ingest> medians;
  for (std::size_t i = 0; i < places.size(); ++i) medians.push_back({median(rates[i]), median(costs[i])});
  return medians;
}

Result<> measure(const Arguments& arguments, Figures& figures) {
  std::vector<std::string> places{arguments.url};
  std::optional<BenchServer> server;
  net::TlsContextPtr tls;
  if (arguments.url.empty()) {
    auto started = BenchServer::start();
    if (!started) return std::unexpected(std::move(started.error()));
    server.emplace(std::move(*started));
    tls = server->tls();
    places = {server->url("ws", bench_firehose_path), server->url("wss", bench_firehose_path)};
  } else if (arguments.url.starts_with("wss:")) {
    auto made = client_tls(arguments.ca_file);
    if (!made) return std::unexpected(std::move(made.error()));
    tls = std::move(*made);
  }
  const auto measured = measure(arguments, places, tls);
  if (!measured) return std::unexpected(measured.error());
  const Ingest& first = measured->front();
  figures.add("ws_messages_per_s", first.messages_per_s, "1/s", "one thread, text checked for UTF-8");
  figures.add("ws_cpu_s_per_million", first.cpu_s_per_million, "s", "of this process");
  if (measured->size() > 1) {
    const Ingest& secure = measured->back();
    figures.add("ws_tls_messages_per_s", secure.messages_per_s, "1/s", "over TLS");
    figures.add("ws_tls_cpu_s_per_million", secure.cpu_s_per_million, "s");
    figures.add("ws_tls_over_plain", secure.messages_per_s / first.messages_per_s, "1");
  }
  return {};
}

int run(const Arguments& arguments) {
  Figures figures;
  if (const auto measured = measure(arguments, figures); !measured) {
    complain(measured.error().to_string());
    return exit_failure;
  }
  if (!arguments.json) {
    fmt::print("{} messages over {} connections, median of {} passes\n", arguments.messages, arguments.connections,
               arguments.passes);
  }
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_ws(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("ws", "WebSocket messages taken in");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--url", arguments->url,
                   "A server that sends without being asked; without a query, ?n=COUNT tells it how many messages a "
                   "connection needs. Default: messages of 200 bytes from a server started for it, plain and over TLS");
  verb->add_option("--ca-file", arguments->ca_file, "Authority to trust besides the system's, for wss");
  verb->add_option("--connections", arguments->connections, "Connections read at once")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  verb->add_option("--messages", arguments->messages, "Of one pass, over all connections")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench ws --connections 1 --messages 5000000 --json");
}

}  // namespace marketprism::app
