#include "marketprism/sink/query.hpp"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"

namespace marketprism::app {
namespace {

Result<> print_rows(sink::QueryResult& result) {
  std::string text;
  sink::QueryResult::Row row;
  for (;;) {
    const auto more = result.next(row);
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    text.clear();
    sink::append_json_row(result.columns(), row, text);
    fmt::print("{}", text);
  }
}

}  // namespace

int run_query(const std::string& directory, const std::string& sql, bool as_json) {
  auto engine = sink::QueryEngine::open({.folder = directory});
  if (!engine) {
    complain(engine.error().to_string());
    return exit_failure;
  }
  auto result = engine->run(sql);
  if (!result) {
    complain(result.error().to_string());
    return exit_failure;
  }
  Result<> printed;
  if (as_json) {
    printed = print_rows(*result);
  } else if (auto table = sink::format_table(*result)) {
    fmt::print("{}", *table);
  } else {
    printed = std::unexpected(table.error());
  }
  if (!printed) complain(printed.error().to_string());
  return printed ? exit_success : exit_failure;
}

void add_query(CLI::App& program, Action& action) {
  struct Arguments {
    std::string sql;
    std::string directory = "data";
    bool json = false;
  };
  auto* verb =
      program.add_subcommand("query", "Ask the collected files with SQL (views trade, book, bbo, instrument, …)");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("SQL", arguments->sql, "One statement")->required();
  verb->add_option("-d,--directory", arguments->directory, "Where the files are")->capture_default_str();
  verb->add_flag("--json", arguments->json, "One JSON object a row");
  verb->callback([&action, arguments] {
    action = [arguments] { return run_query(arguments->directory, arguments->sql, arguments->json); };
  });
  verb->footer("Example: marketprism query \"SELECT symbol, count(*), max(price) FROM trade GROUP BY symbol\"");
}

}  // namespace marketprism::app
