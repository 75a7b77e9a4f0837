#pragma once
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace marketprism::app {

/// Exit codes of every verb.
inline constexpr int exit_success = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;

/// What a verb does once its arguments are read; the exit code.
using Action = std::function<int()>;

/// Each adds its verb to the program and sets `action` if the user chose it.
void add_export(CLI::App& program, Action& action);
void add_replay(CLI::App& program, Action& action);
void add_bench(CLI::App& program, Action& action);
void add_exchanges(CLI::App& program, Action& action);
void add_collect(CLI::App& program, Action& action);
void add_query(CLI::App& program, Action& action);
void add_emulate(CLI::App& program, Action& action);
void add_demo(CLI::App& program, Action& action);
/// Adds `status` and `report`.
void add_status(CLI::App& program, Action& action);
void add_verify(CLI::App& program, Action& action);

/// Prints the answer to one query; the exit code.
int run_query(const std::string& directory, const std::string& sql, bool as_json);

/// Prints "marketprism: TEXT" to stderr.
void complain(const std::string& text);

/// "a,b,c" → a, b, c; empty pieces are left out.
std::vector<std::string> split_list(const std::string& text);

}  // namespace marketprism::app
