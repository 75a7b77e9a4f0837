#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/exchange/registry.hpp"

namespace marketprism::app {
namespace {

int run(bool as_json) {
  for (const std::string_view name : exchange::exchange_names()) {
    const auto adapter = exchange::make_adapter(name);
    if (!adapter) continue;
    const exchange::Facts& facts = (*adapter)->facts();
    if (as_json) {
      fmt::print(R"({{"exchange":"{}","rest":"{}","websockets":[)", name, facts.rest_url);
      for (const auto& socket : facts.websockets) {
        fmt::print(R"({}{{"name":"{}","url":"{}"}})", &socket == facts.websockets.data() ? "" : ",", socket.name,
                   socket.url);
      }
      fmt::print("]}}\n");
      continue;
    }
    fmt::print("{:<18} {}\n", name, facts.rest_url);
    for (const auto& socket : facts.websockets) fmt::print("{:<18} {} ({})\n", "", socket.url, socket.name);
  }
  return exit_success;
}

}  // namespace

void add_exchanges(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("exchanges", "List the exchanges of this build");
  auto as_json = std::make_shared<bool>(false);
  verb->add_flag("--json", *as_json, "One JSON object a line");
  verb->callback([&action, as_json] { action = [as_json] { return run(*as_json); }; });
  verb->footer("Example: marketprism exchanges --json");
}

}  // namespace marketprism::app
