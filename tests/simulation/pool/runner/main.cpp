// Runs many simulated schedules of the pools on all cores and tells how many and how fast. See usage().
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/simulation/pool/lease_world.hpp"
#include "tests/simulation/pool/ledger_world.hpp"
#include "tests/simulation/pool/runner/sizing.hpp"
#include "tests/simulation/pool/slot_world.hpp"
#include "tests/simulation/pool/small_scope.hpp"

namespace marketprism::simulation {
namespace {

struct Options {
  std::uint64_t schedules = 1'000'000;
  std::uint64_t seed = 1;
  unsigned threads = std::thread::hardware_concurrency();
  std::size_t events = 200;
  std::size_t small_scope_steps = 8;
};

struct World {
  const char* name;
  unsigned share;  // of 100 schedules
  std::vector<std::uint32_t> weights;
  Run run;
  Describe describe;
};

std::vector<World> worlds() {
  auto lease_drain = LeaseWorld::weights();
  lease_drain[LeaseWorld::drain] = 4;
  auto slot_drain = SlotWorld::weights();
  slot_drain[SlotWorld::drain] = 3;
  return {
      {"leases", 30, LeaseWorld::weights(), LeaseWorld::run, LeaseWorld::describe},
      {"leases, drained at any time", 10, lease_drain, LeaseWorld::run, LeaseWorld::describe},
      {"leases of several loops over one ledger", 25, LedgerWorld::weights(), LedgerWorld::run, LedgerWorld::describe},
      {"leases and slots over one ledger", 15, LedgerWorld::weights_with_slots(), LedgerWorld::run_with_slots,
       LedgerWorld::describe},
      {"slots", 15, SlotWorld::weights(), SlotWorld::run, SlotWorld::describe},
      {"slots, drained at any time", 5, slot_drain, SlotWorld::run, SlotWorld::describe}};
}

// The schedules are taken in portions by whoever is free; the first violation ends all.
class Runner {
 public:
  explicit Runner(const Options& options) : options_(options) {}

  bool run(const World& world) {
    const std::uint64_t count = options_.schedules * world.share / 100;
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    next_ = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options_.threads; ++i) threads.emplace_back([&] { work(world, count); });
    for (auto& thread : threads) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double cpu_s = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    std::printf("%-40s %9llu schedules of %zu events in %6.1f s, %.3f ms of CPU each\n", world.name,
                static_cast<unsigned long long>(count), options_.events, took.count(),
                count == 0 ? 0.0 : cpu_s * 1000 / static_cast<double>(count));
    if (report_.empty()) return true;
    std::printf("%s: %s", world.name, report_.c_str());
    return false;
  }

 private:
  void work(const World& world, std::uint64_t count) {
    constexpr std::uint64_t portion = 250;
    for (;;) {
      const std::uint64_t begin = next_.fetch_add(portion);
      if (begin >= count) return;
      const std::uint64_t size = std::min(portion, count - begin);
      auto report = search(options_.seed + begin, size, options_.events, world.weights, world.run, world.describe);
      if (!report) continue;
      const std::lock_guard lock(mutex_);
      if (report_.empty()) report_ = std::move(*report);
      next_ = count;
    }
  }

  const Options& options_;
  std::atomic<std::uint64_t> next_{0};
  std::mutex mutex_;
  std::string report_;
};

int usage() {
  std::fputs(
      "usage: simulate_pools [--schedules N] [--seed N] [--threads N] [--events N] [--small-scope-steps N]\n"
      "       simulate_pools --sizing N\n"
      "Runs N seeded schedules of faults (default 1000000) through the pools' state machines, and every schedule of a\n"
      "small scope. A violated rule is printed with its seed and the shortest schedule found; exit code 1.\n"
      "--sizing prints how long N acquires wait, by size and utilization of a pool (the table of docs/pools.md).\n",
      stderr);
  return 2;
}

int run(const Options& options) {
  const SmallScope small = search_small_scope(options.small_scope_steps);
  std::printf("%-40s %9llu schedules: all of up to %zu events\n", "3 users, 2 connections",
              static_cast<unsigned long long>(small.schedules), options.small_scope_steps);
  if (small.violation) {
    std::printf("%s", small.violation->c_str());
    return 1;
  }
  Runner runner(options);
  for (const World& world : worlds()) {
    if (!runner.run(world)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace marketprism::simulation

int main(int argc, char** argv) {
  using marketprism::simulation::Options;
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    char* end = nullptr;
    const std::uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], &end, 10) : 0;
    if (end == nullptr || end == argv[i + 1] || *end != 0) return marketprism::simulation::usage();
    if (name == "--schedules") {
      options.schedules = value;
    } else if (name == "--seed") {
      options.seed = value;
    } else if (name == "--threads") {
      options.threads = static_cast<unsigned>(std::max<std::uint64_t>(value, 1));
    } else if (name == "--events") {
      options.events = value;
    } else if (name == "--sizing") {
      marketprism::simulation::print_sizing(value);
      return 0;
    } else if (name == "--small-scope-steps") {
      options.small_scope_steps = value;
    } else {
      return marketprism::simulation::usage();
    }
  }
  return marketprism::simulation::run(options);
}
