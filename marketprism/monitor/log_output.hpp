#pragma once
#include <cstdint>

namespace marketprism::monitor {

enum class LogFormat : std::uint8_t {
  text,  ///< "2026-11-23T04:54:52.123Z warning binance: connection 3 was lost …"
  json,  ///< {"time":"…","level":"warning","area":"binance","text":"…"}
};

/// From now on `log` goes through spdlog to stderr, in this format, one whole line at a time. Any thread.
void use_spdlog(LogFormat format);

}  // namespace marketprism::monitor
