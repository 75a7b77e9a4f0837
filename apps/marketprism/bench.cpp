#include <CLI/CLI.hpp>

#include "apps/marketprism/verbs.hpp"

namespace marketprism::app {

void add_bench_replay(CLI::App& bench, Action& action);

void add_bench(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("bench", "Measure this build on this machine");
  verb->require_subcommand(1);
  add_bench_replay(*verb, action);
}

}  // namespace marketprism::app
