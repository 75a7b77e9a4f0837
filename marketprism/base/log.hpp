#pragma once
#include <string_view>

namespace marketprism {

enum class LogLevel { debug, info, warning, error, off };

/// Lines below this level are dropped. Any thread; default `warning`.
void set_log_level(LogLevel level);
LogLevel log_level();

/// Writes one line: time, level, area, text. A warning says what, where, and what to do. Any thread; lines of several
/// threads do not mix. Not for hot paths. Of one area and text, digits left aside, ten lines go through at once and
/// one more every six seconds; the next that goes through tells how many were left out.
void log(LogLevel level, std::string_view area, std::string_view text);

/// The same without the rate: for who limits it better, or for what must not be left out.
void log_always(LogLevel level, std::string_view area, std::string_view text);

/// Takes lines that passed level and rate, instead of the default, which writes them to stderr. Null: the default
/// again.
using LogWriter = void (*)(LogLevel level, std::string_view area, std::string_view text);
void set_log_writer(LogWriter writer);

/// "debug", …, "off".
std::string_view name_of(LogLevel level);

}  // namespace marketprism
