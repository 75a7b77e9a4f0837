#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/net/http_connection_pool.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string url;
  std::string ca_file;
  std::size_t connections = 64;
  std::size_t requests = 200'000;
  bool json = false;
};

/// Requests of one phase, shared by the workers.
struct Load {
  async::EventLoop& loop;
  net::HttpConnectionPool& pool;
  const wire::Url& url;
  net::HttpConnectionPool::Prepared request;
  std::size_t left;
  std::size_t workers;
  Histogram latencies;
  std::optional<Error> error;
};

async::Task<> ask(Load& load) {
  while (load.left > 0) {
    --load.left;
    const Instant before = load.loop.refresh_now();
    const auto response = co_await load.pool.request(load.url, load.request);
    // The loop's time is that of the read that brought the response's end.
    if (response && (*response)->is_success()) {
      load.latencies.add((load.loop.now() - before).count());
      continue;
    }
    load.left = 0;
    load.error = response
                     ? Error{ErrorCode::rejected,
                             fmt::format("{}: status {}", load.url.to_string(), (*response)->status()), true, nullptr}
                     : response.error();
  }
  if (--load.workers == 0) load.loop.stop();
}

Result<> run_phase(Load& load, std::size_t connections, std::size_t requests) {
  load.left = requests;
  load.workers = connections;
  load.latencies.clear();
  for (std::size_t i = 0; i < connections; ++i) load.loop.spawn(ask(load));
  load.loop.run();
  if (load.error) return std::unexpected(*load.error);
  return {};
}

Result<> measure(const Arguments& arguments, const wire::Url& url, net::TlsContextPtr tls, Figures& figures) {
  async::EventLoop loop;
  net::HttpPoolOptions options;
  options.config.connections.name = "bench";
  options.config.connections.max_size = options.config.max_per_host = arguments.connections;
  options.config.connections.min_size = 0;
  options.config.connections.max_connecting = arguments.connections;
  options.tls = std::move(tls);
  auto pool = net::HttpConnectionPool::create(loop, std::move(options));
  if (!pool) return std::unexpected(std::move(pool.error()));
  net::HttpRequest get;
  get.target = url.target();
  const auto text = net::make_http_request(url.host_header(), get);
  if (!text) return std::unexpected(text.error());
  net::HttpConnectionPool::Prepared prepared;
  prepared.text = *text;
  Load load{loop, *pool, url, prepared, 0, 0, {}, {}};
  // First as much as opens every connection and warms buffers and caches.
  const std::size_t warming =
      std::max(arguments.connections * 20, std::min<std::size_t>(arguments.requests / 10, 20'000));
  if (auto warmed = run_phase(load, arguments.connections, warming); !warmed) return warmed;
  const double wall = wall_seconds(), cpu = process_cpu_seconds();
  if (auto done = run_phase(load, arguments.connections, arguments.requests); !done) return done;
  const double count = static_cast<double>(arguments.requests);
  figures.add("http_requests_per_s", count / (wall_seconds() - wall), "1/s", "one thread, through the pool");
  figures.add("http_cpu_us_per_request", (process_cpu_seconds() - cpu) * 1e6 / count, "us", "of this process");
  figures.add("http_p50_us", static_cast<double>(load.latencies.quantile(0.5)) / 1e3, "us");
  figures.add("http_p99_us", static_cast<double>(load.latencies.quantile(0.99)) / 1e3, "us");
  return {};
}

Result<> measure(const Arguments& arguments, Figures& figures) {
  std::optional<BenchServer> server;
  net::TlsContextPtr tls;
  std::string address = arguments.url;
  if (address.empty()) {
    auto started = BenchServer::start();
    if (!started) return std::unexpected(std::move(started.error()));
    server.emplace(std::move(*started));
    address = server->url("http", bench_get_path);
  }
  const auto url = wire::parse_url(address);
  if (!url) return std::unexpected(url.error());
  if (url->is_secure()) {
    auto made = client_tls(arguments.ca_file);
    if (!made) return std::unexpected(std::move(made.error()));
    tls = std::move(*made);
  }
  return measure(arguments, *url, std::move(tls), figures);
}

int run(const Arguments& arguments) {
  Figures figures;
  if (const auto measured = measure(arguments, figures); !measured) {
    complain(measured.error().to_string());
    return exit_failure;
  }
  if (!arguments.json) fmt::print("{} GETs over {} connections\n", arguments.requests, arguments.connections);
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_http(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("http", "GETs over kept connections, through HttpConnectionPool");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--url", arguments->url, "What to get; default: 200 bytes from a server started for it");
  verb->add_option("--ca-file", arguments->ca_file, "Authority to trust besides the system's, for https");
  verb->add_option("--connections", arguments->connections, "Kept connections, each with one request at a time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  verb->add_option("--requests", arguments->requests, "Timed requests, in all")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag("--json", arguments->json, "One JSON object a line");
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench http --url http://127.0.0.1:8080/ --connections 64 --json");
}

}  // namespace marketprism::app
