#include "marketprism/monitor/log_output.hpp"

#include <memory>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <string>

#include "marketprism/base/log.hpp"
#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::monitor {
namespace {

spdlog::logger& logger() {
  static const auto made = [] {
    auto one = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    one->set_level(spdlog::level::trace);  // `log` has looked at the level already
    one->flush_on(spdlog::level::trace);
    return one;
  }();
  return *made;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

void write_text(LogLevel level, std::string_view area, std::string_view text) {
  logger().log(level_of(level), "{}: {}", area, text);
}

void write_json(LogLevel level, std::string_view area, std::string_view text) {
  std::string fields;
  JsonWriter json(fields);
  json.begin_object().field("area", area).field("text", text).end_object();
  logger().log(level_of(level), "{}", std::string_view(fields).substr(1));  // the pattern opens the object
}

}  // namespace

void use_spdlog(LogFormat format) {
  const bool is_json = format == LogFormat::json;
  const auto clock = spdlog::pattern_time_type::utc;
  logger().set_pattern(is_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                       clock);
  set_log_writer(is_json ? &write_json : &write_text);
}

}  // namespace marketprism::monitor
