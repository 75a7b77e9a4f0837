#include "marketprism/collector/verify.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::app {
namespace {

constexpr std::size_t differences_shown_max = 20;

std::string describe(const collector::SeriesDifference& difference) {
  const auto& [series, tape, store, is_named] = difference;
  const std::string name = fmt::format("{} {} {}", series.exchange, series.symbol, series.type);
  if (tape.rows == store.rows)
    return fmt::format("{}: {} rows on the tape and in the store, but other ones", name, tape.rows);
  return fmt::format("{}: {} rows on the tape, {} in the store{}", name, tape.rows, store.rows,
                     is_named ? " (named: sink_overflow)" : "");
}

void print_text(const collector::VerifyReport& report) {
  fmt::print("tape     {} files, {} frames{}\n", report.tape_files, report.tape_frames,
             report.tape_bytes_lost == 0 ? "" : fmt::format(", {} bytes of no whole block", report.tape_bytes_lost));
  fmt::print("parquet  {} files, {} rows\n", report.parquet_files, report.parquet_rows);
  if (report.unfinished_files > 0) {
    fmt::print("         {} unfinished files: a collector is writing here, or was killed; they are not compared\n",
               report.unfinished_files);
  }
  for (const auto& [what, count] : report.gaps) fmt::print("gaps     {}: {}\n", what, count);
  fmt::print("compared {} series of tape and store, {} differ\n", report.series_compared, report.differences.size());
  std::size_t shown = 0;
  for (const auto& difference : report.differences) {
    if (++shown > differences_shown_max) {
      fmt::print("  … and {} more\n", report.differences.size() - differences_shown_max);
      break;
    }
    fmt::print("  {}\n", describe(difference));
  }
  if (std::ranges::any_of(report.differences, &collector::SeriesDifference::is_missing_on_tape)) {
    fmt::print(
        "The tape lacks frames that the store has (it was too slow for them, or files of it are gone): keep the store, "
        "the tape cannot make it anew.\n");
  } else if (!report.differences.empty()) {
    fmt::print(
        "The tape is what was received: `marketprism replay --to parquet -d NEW DIR/tape` makes the store anew.\n");
  }
  for (const std::string& problem : report.problems) fmt::print("PROBLEM  {}\n", problem);
  fmt::print("{}\n", report.is_sound() ? "sound" : "NOT SOUND");
}

void print_json(const collector::VerifyReport& report) {
  using enum sink::QueryColumn::Kind;
  std::string out;
  for (const std::string& problem : report.problems) sink::append_json_row({{"problem", text}}, {problem}, out);
  for (const auto& [series, tape, store, is_named] : report.differences) {
    sink::append_json_row({{"exchange", text},
                           {"symbol", text},
                           {"type", text},
                           {"tape_rows", number},
                           {"store_rows", number},
                           {"named", boolean}},
                          {series.exchange, series.symbol, series.type, std::to_string(tape.rows),
                           std::to_string(store.rows), is_named ? "true" : "false"},
                          out);
  }
  for (const auto& [what, count] : report.gaps)
    sink::append_json_row({{"gap", text}, {"count", number}}, {what, std::to_string(count)}, out);
  sink::append_json_row({{"tape_files", number},
                         {"tape_frames", number},
                         {"tape_bytes_lost", number},
                         {"parquet_files", number},
                         {"parquet_rows", number},
                         {"unfinished_files", number},
                         {"series_compared", number},
                         {"sound", boolean}},
                        {std::to_string(report.tape_files), std::to_string(report.tape_frames),
                         std::to_string(report.tape_bytes_lost), std::to_string(report.parquet_files),
                         std::to_string(report.parquet_rows), std::to_string(report.unfinished_files),
                         std::to_string(report.series_compared), report.is_sound() ? "true" : "false"},
                        out);
  fmt::print("{}", out);
}

int run(const std::string& folder, bool as_json) {
  const auto report = collector::verify_store(folder);
  if (!report) {
    complain(report.error().to_string());
    return exit_failure;
  }
  if (as_json) {
    print_json(*report);
  } else {
    print_text(*report);
  }
  return report->is_sound() ? exit_success : exit_failure;
}

}  // namespace

void add_verify(CLI::App& program, Action& action) {
  struct Arguments {
    std::string folder;
    bool json = false;
  };
  auto* verb = program.add_subcommand("verify", "Read all of a store, and compare its tapes with its Parquet files");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("DIR", arguments->folder, "The folder given to collect")->required();
  verb->add_flag("--json", arguments->json, "One JSON object a finding, the summary last");
  verb->callback([&action, arguments] { action = [arguments] { return run(arguments->folder, arguments->json); }; });
  verb->footer("Example: marketprism verify data");
}

}  // namespace marketprism::app
