#pragma once
#include <cstdint>

namespace marketprism::monitor {

enum class LogFormat : std::uint8_t {
  text,  ///< "2026-11-23T04:54:52.123Z warning binance: connection 3 was lost …"
  json,  ///< {"time":"…","level":"warning","area":"binance","text":"…"}
};

class Console;

/// From now on `log` goes through spdlog to the console, in this format, until `stop_spdlog`. Any thread.
void use_spdlog(LogFormat format, Console& console);
void stop_spdlog();

}  // namespace marketprism::monitor
