#include <CLI/CLI.hpp>

#include "apps/marketprism/verbs.hpp"

namespace marketprism::app {

void add_bench_replay(CLI::App& bench, Action& action);
void add_bench_memory(CLI::App& bench, Action& action);
void add_bench_async(CLI::App& bench, Action& action);
void add_bench_pool(CLI::App& bench, Action& action);
void add_bench_http(CLI::App& bench, Action& action);
void add_bench_ws(CLI::App& bench, Action& action);
void add_bench_original(CLI::App& bench, Action& action);
void add_bench_combined(CLI::App& bench, Action& action);
void add_bench_server(CLI::App& bench, Action& action);
void add_bench_scrape(CLI::App& bench, Action& action);

void add_bench(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("bench", "Measure this build on this machine");
  verb->require_subcommand(1);
  add_bench_replay(*verb, action);
  add_bench_memory(*verb, action);
  add_bench_async(*verb, action);
  add_bench_pool(*verb, action);
  add_bench_http(*verb, action);
  add_bench_ws(*verb, action);
  add_bench_original(*verb, action);
  add_bench_combined(*verb, action);
  add_bench_server(*verb, action);
  add_bench_scrape(*verb, action);
}

}  // namespace marketprism::app
