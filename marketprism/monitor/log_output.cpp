#include "marketprism/monitor/log_output.hpp"

#include <memory>
#include <mutex>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <string>

#include "marketprism/base/log.hpp"
#include "marketprism/monitor/console.hpp"
#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::monitor {
namespace {

class ConsoleSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void use(Console* console) {
    const std::lock_guard lock(mutex_);
    console_ = console;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (console_ == nullptr) return;
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    std::string_view line(text.data(), text.size());
    while (line.ends_with('\n')) line.remove_suffix(1);
    console_->line(line);
  }
  void flush_() override {}

  Console* console_ = nullptr;
};

const std::shared_ptr<ConsoleSink>& sink() {
  static const auto made = std::make_shared<ConsoleSink>();
  return made;
}

spdlog::logger& logger() {
  static const auto made = [] {
    auto one = std::make_shared<spdlog::logger>("", sink());
    one->set_level(spdlog::level::trace);  // `log` has looked at the level already
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

void use_spdlog(LogFormat format, Console& console) {
  sink()->use(&console);
  const bool is_json = format == LogFormat::json;
  const auto clock = spdlog::pattern_time_type::utc;
  logger().set_pattern(is_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                       clock);
  set_log_writer(is_json ? &write_json : &write_text);
}

void stop_spdlog() {
  set_log_writer(nullptr);
  sink()->use(nullptr);
}

}  // namespace marketprism::monitor
