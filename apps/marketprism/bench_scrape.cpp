// What a scrape of 5,000 series costs, and the loop that is scraped.
#include "apps/marketprism/bench_scrape.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/async/runtime.hpp"
#include "marketprism/monitor/prometheus.hpp"

namespace marketprism::app {
namespace {

constexpr int families = 50, series_of_each = 100, passes = 50;

double ms(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-6; }

double median(std::vector<double>& values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void fill(monitor::Registry& registry, monitor::MetricGroup& group) {
  for (int i = 0; i < families; ++i) {
    const auto family = registry.add({.name = fmt::format("marketprism_bench_family_{}", i),
                                      .type = monitor::MetricType::counter,
                                      .unit = "",
                                      .help = "For measuring",
                                      .labels = "exchange, data_type"});
    for (int k = 0; k < series_of_each; ++k) {
      const std::string exchange = fmt::format("exchange-{}", k);
      group.counter(family, monitor::label_text({{"exchange", exchange}, {"data_type", "trade"}})).add(1000 * k);
    }
  }
}

int run(bool as_json) {
  const ScrapeFigures figures = measure_scrape();
  if (as_json) {
    const auto print = [](std::string_view name, double value, std::string_view unit) {
      fmt::print("{{\"name\":\"{}\",\"value\":{:.4f},\"unit\":\"{}\"}}\n", name, value, unit);
    };
    print("scrape_5000_series_ms", figures.scrape_ms, "ms");
    print("scrape_5000_series_loop_delay_ms", figures.loop_delay_ms, "ms");
    return exit_success;
  }
  fmt::print(
      "a scrape of 5,000 series: {:.2f} ms ({:.0f} kB), of which {:.3f} ms on the loop that counts; medians of {}\n",
      figures.scrape_ms, figures.page_bytes / 1e3, figures.loop_delay_ms, passes);
  return exit_success;
}

}  // namespace

ScrapeFigures measure_scrape() {
  async::Runtime runtime;
  async::EventLoop here;
  monitor::Registry registry;
  monitor::MetricGroup& group = registry.group(runtime.loop(0));
  fill(registry, group);
  runtime.start();
  ScrapeFigures figures;
  std::vector<double> scrapes, delays;
  for (int pass = 0; pass < passes; ++pass) {
    const auto begun = std::chrono::steady_clock::now();
    const auto scrape = async::block_on(here, registry.gather(here, here.refresh_now() + std::chrono::seconds(10)));
    const std::string page = write_exposition(registry.families(), *scrape, monitor::Exposition::prometheus);
    scrapes.push_back(ms(std::chrono::steady_clock::now() - begun));
    figures.page_bytes = static_cast<double>(page.size());
  }
  runtime.stop();
  runtime.join();
  for (int pass = 0; pass < passes; ++pass) {  // what the loop does of it, alone
    const auto begun = std::chrono::steady_clock::now();
    monitor::Scrape scrape;
    group.gather(scrape);
    delays.push_back(ms(std::chrono::steady_clock::now() - begun));
  }
  figures.scrape_ms = median(scrapes);
  figures.loop_delay_ms = median(delays);
  return figures;
}

void add_bench_scrape(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("scrape", "What a scrape of 5,000 series costs");
  auto as_json = std::make_shared<bool>(false);
  verb->add_flag("--json", *as_json, "One JSON object a line");
  verb->callback([&action, as_json] { action = [as_json] { return run(*as_json); }; });
  verb->footer("Example: marketprism bench scrape --json");
}

}  // namespace marketprism::app
