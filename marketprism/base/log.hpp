#pragma once
#include <string_view>

namespace marketprism {

enum class LogLevel { debug, info, warning, error, off };

/// Lines below this level are dropped. Any thread; default `warning`.
void set_log_level(LogLevel level);
LogLevel log_level();

/// Writes one line to stderr: time, level, area, text. Any thread; lines of several threads do not mix. Not for hot
/// paths.
void log(LogLevel level, std::string_view area, std::string_view text);

}  // namespace marketprism
