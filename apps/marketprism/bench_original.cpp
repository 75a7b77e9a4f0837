#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/net/connection_pool_manager.hpp"
#include "marketprism/net/websocket_connector.hpp"

// The tests that the Python original published, with real connections to an emulated exchange in another process.

namespace marketprism::app {
namespace {

using std::chrono::seconds;

struct Arguments {
  int passes = 5;
  bool json = false;
};

struct Row {
  std::string table;
  std::string name;
  double value;
  std::string unit;
  std::string bar;                 // what it has to be
  std::optional<double> original;  // what the original published of itself
};

/// What all tests share.
struct Place {
  async::EventLoop& loop;
  wire::Url plain;   // GET of the exchange's time
  wire::Url secure;  // the same over TLS
  wire::Url socket;  // WebSocket over TLS
  net::TlsContextPtr tls;
};

[[noreturn]] void give_up(const Error& error) {
  complain(error.to_string());
  std::exit(exit_failure);
}

template <class T>
T value_or_give_up(Result<T> result) {
  if (!result) give_up(result.error());
  return std::move(*result);
}

net::HttpPoolOptions http_options(const Place& place, std::string name, std::size_t min_size, std::size_t max_size) {
  net::HttpPoolOptions options;
  options.config.connections.name = std::move(name);
  options.config.connections.min_size = min_size;
  options.config.connections.max_size = options.config.max_per_host = max_size;
  options.tls = place.tls;
  return options;
}

// 100 requests, each over a connection of its own or all through a pool.

async::Task<> get_directly(Place& place, int count) {
  const std::string text = *net::make_http_request(place.secure.host_header(), {.target = place.secure.target()});
  for (int i = 0; i < count; ++i) {
    net::ConnectTarget target;
    target.host = place.secure.host;
    target.port = place.secure.port;
    target.tls = place.tls;
    const Instant deadline = place.loop.refresh_now() + seconds(10);
    auto connection = co_await net::HttpConnection::connect(place.loop, std::move(target), deadline);
    if (!connection) give_up(connection.error());
    const auto response = co_await (*connection)->send(text);
    if (!response) give_up(response.error());
  }
}

async::Task<> get_pooled(Place& place, int count) {
  auto options = http_options(place, "pooled", 0, 10);
  auto pool = value_or_give_up(net::HttpConnectionPool::create(place.loop, std::move(options)));
  for (int i = 0; i < count; ++i) {
    const net::HttpRequest get;
    const auto response = co_await pool.request(place.secure, get);
    if (!response) give_up(response.error());
  }
  co_await pool.drain(seconds(1));
}

void direct_or_pooled(Place& place, int passes, std::vector<Row>& rows) {
  constexpr int count = 100;
  std::vector<double> direct, pooled;
  for (int i = 0; i < passes; ++i) {
    const double start = wall_seconds();
    async::block_on(place.loop, get_directly(place, count));
    const double middle = wall_seconds();
    async::block_on(place.loop, get_pooled(place, count));
    direct.push_back((middle - start) * 1e3);
    pooled.push_back((wall_seconds() - middle) * 1e3);
  }
  const std::string table = "100 requests over TLS";
  rows.push_back({table, "direct_ms", median(direct), "ms", "", {}});
  rows.push_back({table, "pooled_ms", median(pooled), "ms", "", {}});
  rows.push_back({table, "time_saved_percent", 100 * (1 - median(pooled) / median(direct)), "%", ">= 77.1", 77.1});
}

// Ten workers with 20 requests each share a pool of ten connections; two are open before.

struct Work {
  int per_worker;
  int running;
  std::uint64_t errors = 0;
};

async::Task<> work(Place& place, net::HttpConnectionPool& pool, const wire::Url& url, Work& all) {
  for (int i = 0; i < all.per_worker; ++i) {
    const net::HttpRequest get;
    const auto response = co_await pool.request(url, get);
    if (!response || !(*response)->is_success()) ++all.errors;
  }
  if (--all.running == 0) place.loop.stop();
}

/// Runs the loop until the pool has so many idle connections.
void wait_for_idle(Place& place, const net::HttpConnectionPool& pool, std::size_t count) {
  const Instant deadline = place.loop.refresh_now() + seconds(10);
  while (pool.summary().gauges.idle < count) {
    if (place.loop.refresh_now() > deadline) give_up({ErrorCode::timed_out, "the pool does not fill", false, nullptr});
    async::block_on(place.loop, place.loop.sleep_for(std::chrono::milliseconds(1)));
  }
}

void ten_workers(Place& place, int passes, std::vector<Row>& rows) {
  std::vector<double> rates, hit_rates, reuse_rates;
  std::uint64_t errors = 0;
  for (int i = 0; i < passes; ++i) {
    auto pool = value_or_give_up(net::HttpConnectionPool::create(place.loop, http_options(place, "workers", 2, 10)));
    if (auto warm = pool.keep_warm(place.plain); !warm) give_up(warm.error());
    wait_for_idle(place, pool, 2);
    Work all{20, 10};
    const double start = wall_seconds();
    for (int worker = 0; worker < 10; ++worker) place.loop.spawn(work(place, pool, place.plain, all));
    place.loop.run();
    rates.push_back(200 / (wall_seconds() - start));
    const pool::PoolSummary summary = pool.summary();
    hit_rates.push_back(summary.hit_rate);
    reuse_rates.push_back(summary.reuse_rate);
    errors += all.errors;
    async::block_on(place.loop, pool.drain(seconds(1)));
  }
  const std::string table = "10 workers x 20 requests";
  rows.push_back({table, "requests_per_s", median(rates), "1/s", ">= 8229", 8229});
  rows.push_back({table, "hit_rate", median(hit_rates), "1", ">= 0.95", 0.965});
  rows.push_back({table, "reuse_rate", median(reuse_rates), "1", ">= 0.95", {}});
  rows.push_back({table, "errors", static_cast<double>(errors), "", "0", 0});
}

// Five WebSocket connections, each lent again and again; a lease asks one question and reads its answer.

using WebSocketPool = net::ConnectionPool<net::WebSocketConnectionPtr, net::WebSocketConnector>;

pool::PoolConfig websocket_config(std::string name, std::size_t max_size) {
  pool::PoolConfig config;
  config.name = std::move(name);
  config.type = pool::PoolType::websocket;
  config.min_size = 0;
  config.max_size = max_size;
  return config;
}

net::WebSocketConnector websocket_connector(const Place& place) {
  net::WebSocketConnectTarget target;
  target.url = place.socket;
  target.tls = place.tls;
  return {place.loop, std::move(target)};
}

async::Task<Result<>> ask(net::WebSocketConnection& connection) {
  auto sent = connection.send_text(R"({"method":"LIST_SUBSCRIPTIONS","id":1})");
  if (!sent) co_return sent;
  while (connection.next_message() == nullptr) {
    auto received = co_await connection.read_some();
    if (!received) co_return received;
  }
  co_return Result<>();
}

async::Task<> ask_often(Place& place, WebSocketPool& pool, Work& all) {
  for (int i = 0; i < all.per_worker; ++i) {
    auto lease = co_await pool.acquire();
    if (!lease) {
      ++all.errors;
      continue;
    }
    const auto answered = co_await ask(***lease);
    if (answered) continue;
    ++all.errors;
    lease->mark_broken();
  }
  if (--all.running == 0) place.loop.stop();
}

std::vector<pool::Endpoint> endpoint_of(const wire::Url& url) {
  return {{url.host, url.port, url.is_secure(), url.target(), 0, 1}};
}

void five_websockets(Place& place, std::vector<Row>& rows) {
  auto pool = value_or_give_up(WebSocketPool::create(place.loop, websocket_config("websockets", 5),
                                                     endpoint_of(place.socket), websocket_connector(place)));
  pool.start();
  Work all{10, 5};
  for (int worker = 0; worker < 5; ++worker) place.loop.spawn(ask_often(place, pool, all));
  place.loop.run();
  const pool::PoolStats stats = pool.stats();
  const std::string table = "five WebSocket connections";
  rows.push_back({table, "websocket_connections", static_cast<double>(stats.counters.created), "", "<= 5", 5});
  rows.push_back({table, "websocket_acquires", static_cast<double>(stats.counters.acquires()), "", "", {}});
  rows.push_back({table, "websocket_reuse_rate", stats.reuse_rate(), "1", ">= 0.8", {}});
  rows.push_back({table, "websocket_errors", static_cast<double>(all.errors), "", "0", {}});
  async::block_on(place.loop, pool.drain(seconds(1)));
}

// Six pools of two kinds under one manager.

void six_pools(Place& place, std::vector<Row>& rows) {
  net::ConnectionPoolManager pools(place.loop);
  Work all{20, 0};
  std::vector<std::function<async::Task<>()>> jobs;
  for (int i = 0; i < 3; ++i) {
    const wire::Url& url = i == 0 ? place.plain : place.secure;
    auto* http = value_or_give_up(pools.add_http(http_options(place, fmt::format("http {}", i), 0, 4)));
    auto* sockets = value_or_give_up(pools.add<net::WebSocketConnectionPtr>(
        websocket_config(fmt::format("websocket {}", i), 2), endpoint_of(place.socket), websocket_connector(place)));
    for (int worker = 0; worker < 4; ++worker) jobs.push_back([&, http] { return work(place, *http, url, all); });
    for (int worker = 0; worker < 2; ++worker) jobs.push_back([&, sockets] { return ask_often(place, *sockets, all); });
  }
  all.running = static_cast<int>(jobs.size());
  const double start = wall_seconds();
  for (const auto& job : jobs) place.loop.spawn(job());
  place.loop.run();
  const double took = wall_seconds() - start;
  const pool::PoolSummary summary = pools.summary();
  const std::string table = "six pools, one manager";
  rows.push_back({table, "manager_pools", static_cast<double>(pools.names().size()), "", "6", 6});
  rows.push_back({table, "manager_acquires", static_cast<double>(summary.counters.acquires()), "", "", {}});
  rows.push_back(
      {table, "manager_acquires_per_s", static_cast<double>(summary.counters.acquires()) / took, "1/s", "", {}});
  rows.push_back({table, "manager_hit_rate", summary.hit_rate, "1", "", {}});
  rows.push_back({table, "manager_reuse_rate", summary.reuse_rate, "1", "", {}});
  rows.push_back({table, "manager_errors", static_cast<double>(all.errors), "", "0", {}});
  async::block_on(place.loop, pools.drain(seconds(1)));
}

void print(const std::vector<Row>& rows, bool as_json) {
  std::string table;
  for (const Row& row : rows) {
    const auto text = [](double value) {
      return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
    };
    if (as_json) {
      fmt::print(R"({{"table":"{}","name":"{}","value":{},"unit":"{}","original":{}}})"
                 "\n",
                 row.table, row.name, text(row.value), row.unit, row.original ? text(*row.original) : "null");
      continue;
    }
    if (table != row.table)
      fmt::print("\n{:<28} {:>12} {:<4} {:>14} {:>12}\n", row.table, "here", "", "original", "bar");
    table = row.table;
    fmt::print("  {:<26} {:>12} {:<4} {:>14} {:>12}\n", row.name, text(row.value), row.unit,
               row.original ? text(*row.original) : "", row.bar);
  }
}

int run(const Arguments& arguments) {
  const auto server = value_or_give_up(BenchServer::start());
  const auto url = [&](std::string_view scheme, std::string_view path) {
    return value_or_give_up(wire::parse_url(server.emulator_url(scheme, path)));
  };
  async::EventLoop loop;
  Place place{loop, url("http", "/api/v3/time"), url("https", "/api/v3/time"), url("wss", "/ws"), server.tls()};
  const double before = resident_megabytes();
  std::vector<Row> rows;
  direct_or_pooled(place, arguments.passes, rows);
  ten_workers(place, arguments.passes, rows);
  five_websockets(place, rows);
  six_pools(place, rows);
  rows.push_back({"memory of all of this", "memory_growth_mb", resident_megabytes() - before, "MB", "< 3.42", 3.42});
  print(rows, arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_original(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("original", "The tests the Python original published, beside its claims");
  auto arguments = std::make_shared<Arguments>();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench original");
}

}  // namespace marketprism::app
