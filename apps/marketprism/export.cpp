#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/collector/tardis_export.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  collector::TardisExportOptions options{
      .folder = "data", .out = "export", .exchanges = {}, .symbols = {}, .dates = {}};
  std::string exchanges, symbols, dates;
  bool json = false;
};

int run(const Arguments& arguments) {
  collector::TardisExportOptions options = arguments.options;
  options.exchanges = split_list(arguments.exchanges);
  options.symbols = split_list(arguments.symbols);
  options.dates = split_list(arguments.dates);
  for (const std::string& exchange : options.exchanges) {
    if (const auto known = exchange::make_adapter(exchange); !known) {
      complain(known.error().to_string());
      return exit_usage;
    }
  }
  const auto exported = collector::export_tardis_csv(options, [&](const collector::TardisFile& file) {
    if (arguments.json) {
      std::string line;
      sink::append_json_row({{"path", sink::QueryColumn::Kind::text}, {"rows", sink::QueryColumn::Kind::number}},
                            {file.path, std::to_string(file.rows)}, line);
      fmt::print("{}", line);
    } else {
      fmt::print("{} {} rows\n", file.path, file.rows);
    }
  });
  if (exported) return exit_success;
  complain(exported.error().to_string());
  return exit_failure;
}

}  // namespace

void add_export(CLI::App& program, Action& action) {
  auto* verb = program.add_subcommand("export", "Write collected data as files that other programs read");
  auto arguments = std::make_shared<Arguments>();
  static const std::vector<std::string> formats{"tardis-csv"};
  auto to = std::make_shared<std::string>("tardis-csv");
  verb->add_option("--to", *to, "tardis-csv: daily files as Tardis has them, for hftbacktest and nautilus_trader")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
  verb->add_option("-d,--directory", arguments->options.folder, "Where the collected files are")->capture_default_str();
  verb->add_option("-o,--out", arguments->options.out, "Where the new files go")->capture_default_str();
  verb->add_option("-e,--exchange", arguments->exchanges, "Only these, separated by commas");
  verb->add_option("-s,--symbols", arguments->symbols, "Only these (the exchange's own names or globs)");
  verb->add_option("--dates", arguments->dates, "Only these, as 2026-11-23");
  verb->add_flag("--json", arguments->json, "One JSON object a file");
  verb->callback([&action, arguments, to] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism export --to tardis-csv --exchange okx --symbols 'BTC-*' --out csv");
}

}  // namespace marketprism::app
