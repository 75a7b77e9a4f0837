#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "apps/marketprism/bench_scrape.hpp"
#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/queue.hpp"
#include "marketprism/async/runtime.hpp"
#include "marketprism/async/task_pool.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/base/random.hpp"
#include "marketprism/monitor/metrics.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  int passes = 5;
  bool json = false;
};

/// Items a second through a queue between two threads that wait for each other asleep, had each a core of its own: the
/// one that works more decides. `batch`: pushed at once; 1: one by one.
double queue_items_per_s(std::size_t batch) {
  const std::size_t total = batch == 1 ? 1'000'000 : 8'000'000;
  async::QueueOptions options;
  options.overflow = async::Overflow::block;
  async::Queue<std::uint64_t> queue(options);
  double pushing = 0;
  std::thread producer([&] {
    const double start = thread_cpu_seconds();
    std::vector<std::uint64_t> items(batch);
    for (std::size_t i = 0; i < total; i += batch) {
      if (batch == 1) {
        queue.push(i);
      } else {
        queue.push_batch(items);
      }
    }
    queue.close();
    pushing = thread_cpu_seconds() - start;
  });
  const double start = thread_cpu_seconds();
  std::vector<std::uint64_t> out;
  while (queue.wait_pop(out, SIZE_MAX, std::chrono::seconds(10)) != 0) out.clear();
  const double popping = thread_cpu_seconds() - start;
  producer.join();
  return static_cast<double>(total) / std::max(pushing, popping);
}

double tasks_per_s() {
  constexpr int rounds = 400, tasks = 1'000;
  async::EventLoop loop;
  async::TaskPool pool(loop);
  std::uint64_t ran = 0;
  int round = 0;
  std::move_only_function<void()> feed = [&] {
    if (round++ == rounds) return loop.stop();
    for (int i = 0; i < tasks; ++i) {
      const auto handle = pool.submit([&ran]() -> Result<> {
        ++ran;
        return {};
      });
      if (!handle) return loop.stop();
    }
    loop.post([&] { feed(); });
  };
  loop.post([&] { feed(); });
  const double start = thread_cpu_seconds();
  loop.run();
  return static_cast<double>(ran) / (thread_cpu_seconds() - start);
}

/// The compiler must assume that the object was looked at.
template <class T>
void look_at(T& object) {
  asm volatile("" : : "r"(&object) : "memory");
}

double histogram_record_ns() {
  constexpr int count = 4'000'000;
  auto histogram = std::make_unique<Histogram>();
  Random random(1);
  std::vector<std::int64_t> values(4096);
  for (auto& value : values) value = random.between(100, 10'000'000);
  const double start = thread_cpu_seconds();
  for (int i = 0; i < count; ++i) {
    histogram->add(values[static_cast<std::size_t>(i) % values.size()]);
    look_at(*histogram);
  }
  return (thread_cpu_seconds() - start) * 1e9 / count;
}

/// Counters of one loop, several of them in turn.
double counter_add_ns() {
  constexpr int count = 20'000'000;
  std::array<monitor::Counter, 8> counters{};
  const double start = thread_cpu_seconds();
  for (int i = 0; i < count; ++i) {
    counters[static_cast<std::size_t>(i) % counters.size()].add();
    look_at(counters);
  }
  return (thread_cpu_seconds() - start) * 1e9 / count;
}

/// Median nanoseconds from a post on one loop over another loop and back.
double round_trip_ns(const async::RuntimeOptions& options) {
  constexpr int count = 5'000;
  async::Runtime runtime(options);
  std::vector<double> times;
  times.reserve(count);
  std::chrono::steady_clock::time_point sent;
  std::function<void()> send = [&] {
    sent = std::chrono::steady_clock::now();
    runtime.loop(1).post([&] {
      runtime.loop(0).post([&] {
        times.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - sent).count());
        if (times.size() == count) return runtime.stop();
        send();
      });
    });
  };
  runtime.loop(0).post([&] { send(); });
  runtime.run();
  return median(std::move(times));
}

void compare_settings(Figures& figures, int passes) {
  const auto measure = [&](std::string name, const async::RuntimeOptions& options, std::string remark) {
    const double ns = median_of(std::min(passes, 3), [&options] { return round_trip_ns(options); });
    figures.add("loop_round_trip_" + name + "_ns", ns, "ns", std::move(remark));
  };
  async::RuntimeOptions options;
  options.loops = 2;
  measure("default", options, "a post to another loop and back");
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options.cores = {0, 1 % cores};
  measure("bound", options, "each loop bound to a core");
  options.loop.busy_poll = std::chrono::microseconds(100);
  measure("busy", options, "and polling for 100 us before it sleeps");
}

int run(const Arguments& arguments) {
  Figures figures;
  const auto add = [&](std::string name, auto&& measure, std::string unit, std::string remark) {
    figures.add(std::move(name), median_of(arguments.passes, measure), std::move(unit), std::move(remark));
  };
  add("queue_items_per_s", [] { return queue_items_per_s(64); }, "1/s", "two threads, pushed 64 at once");
  add("queue_single_items_per_s", [] { return queue_items_per_s(1); }, "1/s", "two threads, pushed one by one");
  add("task_submit_run_per_s", tasks_per_s, "1/s", "submitted to a TaskPool and run, one loop");
  add("histogram_record_ns", histogram_record_ns, "ns", "");
  add("counter_add_ns", counter_add_ns, "ns", "");
  add("scrape_5000_series_ms", [] { return measure_scrape().scrape_ms; }, "ms", "");
  compare_settings(figures, arguments.passes);
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_async(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("async", "Queues, tasks, counters, histograms and settings of event loops");
  auto arguments = std::make_shared<Arguments>();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench async --json");
}

}  // namespace marketprism::app
