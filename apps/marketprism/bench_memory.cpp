#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include <boost/pool/pool.hpp>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/base/random.hpp"
#include "marketprism/memory/heap_profiler.hpp"
#include "marketprism/memory/object_pool.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  int passes = 5;
  bool json = false;
};

constexpr std::size_t batch = 1'000;

/// What is pooled: 256 bytes of which a user writes some.
struct Object {
  std::array<std::uint64_t, 32> words;
};

/// Leaves the bytes as they are, as a heap would.
struct AsItIs : memory::ObjectPolicy<Object> {
  void reset(Object& /*object*/) {}
};

using Pool = memory::ObjectPool<Object, AsItIs>;

/// The compiler must not leave out that the object was used.
void touch(void* object) { asm volatile("" : : "r"(object) : "memory"); }

struct FromPool {
  Pool pool;
  Object* take() { return pool.take(); }
  void give_back(Object* object) { pool.give_back(object); }
};

struct FromGlibc {
  Object* take() { return static_cast<Object*>(std::malloc(sizeof(Object))); }
  void give_back(Object* object) { std::free(object); }
};

struct FromBoost {
  boost::pool<> pool{sizeof(Object)};
  Object* take() { return static_cast<Object*>(pool.malloc()); }
  void give_back(Object* object) { pool.free(object); }
};

/// Nanoseconds for one object taken, touched and given back, alone.
template <class Source>
double pair_ns() {
  Source source;
  touch(&source);
  constexpr int count = 2'000'000;
  const double start = thread_cpu_seconds();
  for (int i = 0; i < count; ++i) {
    Object* object = source.take();
    touch(object);
    source.give_back(object);
  }
  return (thread_cpu_seconds() - start) * 1e9 / count;
}

/// The same in batches: a thousand are taken, then given back in the same order.
template <class Source>
double batch_ns() {
  Source source;
  touch(&source);
  constexpr int rounds = 1'000;
  std::array<Object*, batch> held;
  double start = 0;
  for (int i = -1; i < rounds; ++i) {
    if (i == 0) start = thread_cpu_seconds();  // the first round warms up
    for (Object*& object : held) {
      object = source.take();
      touch(object);
    }
    for (Object* object : held) source.give_back(object);
  }
  return (thread_cpu_seconds() - start) * 1e9 / (rounds * static_cast<double>(batch));
}

/// Objects a second that one thread takes and another gives back, had each a core of its own: waiting for the other
/// does not count, the slower side does. `by_batch`: given back many at once.
double cross_thread_per_s(bool by_batch) {
  constexpr std::size_t lanes = 8, rounds = 2'000;
  struct Lane {
    std::atomic<bool> is_full{false};
    std::array<Object*, batch> objects;
  };
  memory::ObjectPoolOptions options;
  options.capacity = lanes * batch * 2;
  Pool pool(options);
  auto shared = std::make_unique<std::array<Lane, lanes>>();
  double taking = 0, returning = 0;
  const auto work = [](double& seconds, auto&& step) {
    const double start = thread_cpu_seconds();
    step();
    seconds += thread_cpu_seconds() - start;
  };
  std::thread returner([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      Lane& lane = (*shared)[i % lanes];
      while (!lane.is_full.load(std::memory_order_acquire)) std::this_thread::yield();
      work(returning, [&] {
        if (by_batch) {
          pool.give_back(lane.objects);
        } else {
          for (Object* object : lane.objects) pool.give_back(object);
        }
      });
      lane.is_full.store(false, std::memory_order_release);
    }
  });
  for (std::size_t i = 0; i < rounds; ++i) {
    Lane& lane = (*shared)[i % lanes];
    while (lane.is_full.load(std::memory_order_acquire)) std::this_thread::yield();
    work(taking, [&] {
      for (Object*& object : lane.objects) object = pool.take();
    });
    lane.is_full.store(true, std::memory_order_release);
  }
  returner.join();
  return static_cast<double>(rounds * batch) / std::max(taking, returning);
}

/// Seconds of a program that allocates about 100 MB a second and does something with it.
double allocating_work_s() {
  Random random(7);
  std::uint64_t sum = 0;
  const double start = thread_cpu_seconds();
  for (int i = 0; i < 4'000; ++i) {
    std::vector<std::uint64_t> values(512);
    for (int use = 0; use < 2; ++use) {
      for (auto& value : values) value = random.next();
      std::ranges::sort(values);
      sum += values.front();
    }
  }
  touch(&sum);
  return thread_cpu_seconds() - start;
}

/// What the heap profiler adds to it, in percent: the median of neighbouring runs with and without.
double heap_profiler_cost_percent(int passes) {
  std::vector<double> costs;
  for (int i = 0; i < 4 * passes + 1; ++i) {
    const double without = allocating_work_s();
    if (!memory::start_heap_profiler()) return 0;
    const double with = allocating_work_s();
    memory::stop_heap_profiler();
    costs.push_back((with / without - 1) * 100);
  }
  return median(std::move(costs));
}

int run(const Arguments& arguments) {
  Figures figures;
  const auto add = [&](const std::string& name, auto pair, auto in_batch) {
    figures.add(name + "_pair_ns", median_of(arguments.passes, pair), "ns", "one object taken and given back");
    figures.add(name + "_batch_ns", median_of(arguments.passes, in_batch), "ns", "an object, in batches of 1,000");
  };
  add("object_pool", pair_ns<FromPool>, batch_ns<FromPool>);
  add("glibc", pair_ns<FromGlibc>, batch_ns<FromGlibc>);
  add("boost_pool", pair_ns<FromBoost>, batch_ns<FromBoost>);
  figures.add("object_pool_cross_thread_ops_per_s",
              median_of(arguments.passes, [] { return cross_thread_per_s(false); }), "1/s",
              "taken by one thread, given back one by one by another");
  figures.add("object_pool_cross_thread_batch_ops_per_s",
              median_of(arguments.passes, [] { return cross_thread_per_s(true); }), "1/s", "given back in batches");
  figures.add("heap_profiler_cost_percent", heap_profiler_cost_percent(arguments.passes), "%",
              "of a program that allocates 100 MB/s, at one sample for 512 KiB");
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_memory(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("memory", "Object pools beside glibc and boost::pool, 256-byte objects");
  auto arguments = std::make_shared<Arguments>();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench memory --json");
}

}  // namespace marketprism::app
