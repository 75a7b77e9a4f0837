#include <CLI/CLI.hpp>

#include "apps/marketprism/verbs.hpp"

namespace marketprism::app {

void add_bench(CLI::App& program, Action&) {
  auto* verb = program.add_subcommand("bench", "Measure this build on this machine");
  verb->require_subcommand(1);
}

}  // namespace marketprism::app
