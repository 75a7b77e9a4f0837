#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "apps/marketprism/verbs.hpp"

namespace marketprism::app {

void complain(const std::string& text) { std::fprintf(stderr, "marketprism: %s\n", text.c_str()); }

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

namespace {

int run(int argc, char** argv) {
  CLI::App program("Collects market data from exchanges through pooled connections into files anyone can query.",
                   "marketprism");
  program.require_subcommand(1);
  program.set_help_all_flag("--help-all", "Help of all verbs");
  Action action;
  add_collect(program, action);
  add_query(program, action);
  add_export(program, action);
  add_replay(program, action);
  add_emulate(program, action);
  add_demo(program, action);
  add_verify(program, action);
  add_status(program, action);
  add_bench(program, action);
  add_exchanges(program, action);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_help = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    program.exit(error);
    return is_help ? exit_success : exit_usage;
  }
  return action ? action() : exit_usage;
}

}  // namespace
}  // namespace marketprism::app

int main(int argc, char** argv) {
  try {
    return marketprism::app::run(argc, argv);
  } catch (const std::exception& error) {
    marketprism::app::complain(error.what());
    return marketprism::app::exit_failure;
  }
}
