#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/net/connection_pool.hpp"

namespace marketprism::app {

void add_bench_pool(CLI::App& bench, Action& action);

namespace {

using std::chrono::milliseconds;

struct Arguments {
  int passes = 9;
  double scale = 1;
  bool json = false;
};

/// Connections that cost nothing: what is left is the pool.
struct NoConnector {
  async::Task<Result<int>> connect(const pool::Endpoint&, Instant) { co_return 0; }
  async::Task<Result<>> check(int&, Instant) { co_return Result<>(); }
  async::Task<> close(int) { co_return; }
};
using NoPool = net::ConnectionPool<int, NoConnector>;

/// A loop with its pool; `connections` are open when `open` returns.
class PoolOnLoop {
 public:
  PoolOnLoop(std::size_t connections, const std::shared_ptr<pool::PermitLedger>& ledger = nullptr)
      : pool_(make(loop_, connections)) {
    if (ledger != nullptr && !pool_.use_ledger(ledger)) std::abort();
  }

  void open(std::size_t connections) {
    pool_.start();
    async::block_on(loop_, take_all(pool_, connections));
  }
  async::EventLoop& loop() { return loop_; }
  NoPool& pool() { return pool_; }

 private:
  static NoPool make(async::EventLoop& loop, std::size_t connections) {
    pool::PoolConfig config;
    config.name = "bench";
    config.max_size = connections;
    config.min_size = 0;
    return std::move(*NoPool::create(loop, std::move(config), {{"127.0.0.1", 1, false, "", 0, 1}}, NoConnector()));
  }
  static async::Task<> take_all(NoPool& pool, std::size_t connections) {
    std::vector<net::Lease<int>> leases;
    for (std::size_t i = 0; i < connections; ++i) {
      auto lease = co_await pool.acquire();
      if (!lease) std::abort();
      leases.push_back(std::move(*lease));
    }
  }

  async::EventLoop loop_;
  NoPool pool_;
};

// A loop sets its cached time at each read and tick; here after so many acquires, as if each read brought as many.
constexpr std::size_t acquires_per_clock = 100;

/// Pairs of try_acquire and release, a second of this thread's time.
double try_acquire_rate(PoolOnLoop& on, std::size_t count) {
  const double start = thread_cpu_seconds();
  for (std::size_t done = 0; done < count; done += acquires_per_clock) {
    on.loop().refresh_now();
    for (std::size_t i = 0; i < acquires_per_clock; ++i) {
      if (!on.pool().try_acquire()) std::abort();
    }
  }
  return static_cast<double>(count) / (thread_cpu_seconds() - start);
}

async::Task<> await_acquires(PoolOnLoop& on, std::size_t count) {
  for (std::size_t done = 0; done < count; done += acquires_per_clock) {
    on.loop().refresh_now();
    for (std::size_t i = 0; i < acquires_per_clock; ++i) {
      const auto lease = co_await on.pool().acquire();
      if (!lease) std::abort();
    }
  }
}

double await_acquire_rate(PoolOnLoop& on, std::size_t count) {
  const double start = thread_cpu_seconds();
  async::block_on(on.loop(), await_acquires(on, count));
  return static_cast<double>(count) / (thread_cpu_seconds() - start);
}

struct TwoLoops {
  double cpu_rate;   ///< both loops' rates, each a second of its thread's time, added
  double wall_rate;  ///< the same by the clock on the wall: less when other programs take a core
};

TwoLoops two_loops_rate(std::size_t count) {
  const auto ledger = std::make_shared<pool::PermitLedger>(8);
  std::barrier gate(2);
  std::array<double, 2> rates{}, begins{}, ends{};
  const auto run = [&](std::size_t which) {
    PoolOnLoop on(4, ledger);
    on.open(4);
    gate.arrive_and_wait();
    begins[which] = wall_seconds();
    rates[which] = try_acquire_rate(on, count);
    ends[which] = wall_seconds();
    gate.arrive_and_wait();
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  const double wall = std::max(ends[0], ends[1]) - std::min(begins[0], begins[1]);
  return {rates[0] + rates[1], 2 * static_cast<double>(count) / wall};
}

async::Task<> hold_until(PoolOnLoop& on, Instant begin, Instant end, std::size_t& served) {
  while (on.loop().refresh_now() < end) {
    const auto lease = co_await on.pool().acquire();
    if (!lease) std::abort();
    co_await on.loop().sleep_for(milliseconds(1));
    if (on.loop().now() >= begin) ++served;
  }
  on.loop().stop();
}

/// 16 loops share 4 permits and each holds a connection for 1 ms at a time; most ÷ least served loop.
double most_over_least(milliseconds duration) {
  constexpr std::size_t loops = 16;
  const auto ledger = std::make_shared<pool::PermitLedger>(4);
  std::barrier gate(loops);
  std::array<std::size_t, loops> served{};
  const auto run = [&](std::size_t which) {
    PoolOnLoop on(4, ledger);
    on.pool().start();
    gate.arrive_and_wait();
    const Instant begin = on.loop().refresh_now() + milliseconds(100);  // all are in line by then
    on.loop().spawn(hold_until(on, begin, begin + duration, served[which]));
    on.loop().run();
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < loops; ++i) threads.emplace_back(run, i);
  threads.clear();
  const auto [least, most] = std::ranges::minmax(served);
  return static_cast<double>(most) / static_cast<double>(std::max<std::size_t>(least, 1));
}

struct WaitCount {
  std::size_t left;     // acquires to make
  std::size_t workers;  // that still run
  std::size_t timed;    // of the last ones the waits are kept
  Histogram waits;
};

async::Task<> wait_and_hold(PoolOnLoop& on, WaitCount& count) {
  while (count.left > 0) {
    const bool is_timed = --count.left < count.timed;
    const Instant before = on.loop().refresh_now();
    const auto lease = co_await on.pool().acquire();
    if (!lease) std::abort();
    if (is_timed) count.waits.add((on.loop().refresh_now() - before).count());
    co_await on.loop().sleep_for(milliseconds(1));
  }
  if (--count.workers == 0) on.loop().stop();
}

/// 256 workers on 64 connections, each held for 1 ms: p99.9 ÷ median of the waits.
double tail_over_median(std::size_t acquires) {
  constexpr std::size_t workers = 256;
  PoolOnLoop on(64);
  on.open(64);
  WaitCount count{acquires + 4 * workers, workers, acquires, {}};  // the first ones find idle connections
  for (std::size_t i = 0; i < workers; ++i) on.loop().spawn(wait_and_hold(on, count));
  on.loop().run();
  const auto middle = std::max<std::uint64_t>(count.waits.quantile(0.5), 1);
  return static_cast<double>(count.waits.quantile(0.999)) / static_cast<double>(middle);
}

int run(const Arguments& arguments) {
  const auto scaled = [&](double count) {
    return std::max<std::size_t>(static_cast<std::size_t>(count * arguments.scale), 1000);
  };
  PoolOnLoop on(4);
  on.open(4);
  std::vector<double> tries, awaits, twos, twos_wall, spreads, tails;
  for (int i = 0; i < arguments.passes; ++i) {  // in turn, so that a neighbour's load falls on all
    tries.push_back(try_acquire_rate(on, scaled(2e6)));
    const TwoLoops two = two_loops_rate(scaled(2e6));
    twos.push_back(two.cpu_rate);
    twos_wall.push_back(two.wall_rate);
    awaits.push_back(await_acquire_rate(on, scaled(1e6)));
    tails.push_back(tail_over_median(scaled(20'000)));
    if (i % 3 == 0)
      spreads.push_back(most_over_least(milliseconds(static_cast<int>(3000 * std::min(arguments.scale, 1.0)))));
  }
  Figures figures;
  figures.add("pool_try_acquire_ops_per_s", median(tries), "1/s", "acquire and release, one loop");
  figures.add("pool_await_acquire_ops_per_s", median(awaits), "1/s", "co_await, a connection is idle");
  figures.add("pool_loops2_ops_per_s", median(twos), "1/s", "two loops on one ledger");
  figures.add("pool_loops2_wall_ops_per_s", median(twos_wall), "1/s", "… by the wall's time, both cores needed");
  figures.add("pool_loops16_most_over_least", median(spreads), "1", "16 loops share 4 permits, held for 1 ms");
  figures.add("pool_hold_1ms_p999_over_median_wait", median(tails), "1", "256 workers on 64 connections");
  if (!arguments.json) {
    fmt::print("statistics on, no I/O, median of {} passes, per second of a loop's own core time\n", arguments.passes);
  }
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_pool(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("pool", "Acquire and release of connections that cost nothing");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--scale", arguments->scale, "How much work a pass has: 0.01 for a short look")
      ->check(CLI::Range(0.001, 100.0))
      ->capture_default_str();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench pool --json");
}

}  // namespace marketprism::app
