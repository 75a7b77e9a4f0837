// What is told of memory.
#include <algorithm>
#include <utility>

#include "marketprism/collector/monitoring_state.hpp"
#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::collector {

using monitor::error_reply;
using monitor::json_reply;
using monitor::JsonWriter;
using net::HttpReply;
using net::HttpServerRequest;

namespace {

bool is_label(const std::string& text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !text.empty() && text.size() <= 64 && text != "latest" && std::ranges::all_of(text, is_fine);
}

}  // namespace

std::string Monitoring::State::memory_json(const Picture& picture) const {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("rss_bytes", picture.memory.rss).field("rss_peak_bytes", picture.memory.rss_peak);
  json.field("pss_bytes", picture.memory.pss).field("swap_bytes", picture.memory.swap);
  json.field("heap_used_bytes", picture.memory.heap_used).field("heap_retained_bytes", picture.memory.heap_retained);
  json.begin_array("owners");
  for (const memory::OwnerBytes& owner : picture.owners) {
    json.begin_object().field("name", owner.owner).field("bytes", owner.bytes);
    if (owner.limits.hard == UINT64_MAX) {
      json.null("limit_bytes");
    } else {
      json.field("limit_bytes", owner.limits.hard);
    }
    json.field("refusals", owner.refusals).end_object();
  }
  json.end_array().begin_array("trends");
  for (const memory::MemorySummary& one : picture.memory_trend) {
    json.begin_object().field("name", one.name).field("bytes", one.current).field("max_bytes", one.max);
    json.field("min_bytes", one.min).field("mean_bytes", one.mean).field("variance", one.variance);
    json.field("baseline_bytes", one.baseline).field("growth_bytes", one.growth);
    json.field("verdict", name_of(one.verdict.status)).field("growth_bytes_per_min", one.verdict.rate).end_object();
  }
  json.end_array().begin_array("recommendations");
  for (const std::string& text_of_it : memory_analyzer.recommendations()) json.value(text_of_it);
  json.end_array().begin_array("labels");
  for (const std::string& label : memory_analyzer.labels()) json.value(label);
  json.end_array().begin_object("history").begin_array("time_s");
  for (const HistoryPoint& point : history) json.value(point.time_s);
  json.end_array().begin_array("rss_bytes");
  for (const HistoryPoint& point : history) json.value(point.rss);
  json.end_array().begin_array("lag_p99_ms");
  for (const HistoryPoint& point : history) json.value(point.lag_p99_ms);
  json.end_array().begin_array("messages_per_s");
  for (const HistoryPoint& point : history) json.value(point.messages_per_s);
  json.end_array().begin_object("owners");
  for (std::size_t i = 0; i < picture.owners.size(); ++i) {
    json.begin_array(picture.owners[i].owner);
    for (const HistoryPoint& point : history) json.value(i < point.owners.size() ? point.owners[i] : 0);
    json.end_array();
  }
  json.end_object().end_object().end_object();
  return text;
}

memory::MemorySnapshot Monitoring::State::memory_snapshot(const Picture& picture, std::string label) {
  return {.time = picture.loop.taken_at,
          .taken = picture.loop.wall_time,
          .label = std::move(label),
          .rss = picture.memory.rss,
          .pss = picture.memory.pss,
          .heap_in_use = picture.memory.heap_used,
          .heap_retained = picture.memory.heap_retained,
          .owners = picture.owners};
}

net::Task<HttpReply> Monitoring::State::label_memory(const HttpServerRequest& request) {
  const std::string label = request.head.query_value("label").value_or("");
  if (!is_label(label))
    co_return error_reply(400, "give ?label= with 1 to 64 letters, digits, '-', '_' or '.', not \"latest\"");
  const Picture picture = co_await take_picture();
  if (!picture.is_answering) co_return error_reply(503, "the collector's event loop is blocked");
  memory_analyzer.add(memory_snapshot(picture, label == "baseline" ? "" : label));
  if (label == "baseline") memory_analyzer.set_baseline();
  co_return json_reply(R"({"label":")" + label + "\"}");
}

HttpReply Monitoring::State::compare_memory(const HttpServerRequest& request) const {
  const auto from = request.head.query_value("from").value_or("baseline");
  const auto to = request.head.query_value("to").value_or("latest");
  const auto comparison = memory_analyzer.compare(from, to);
  if (!comparison) return error_reply(404, comparison.error().message);
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("from", comparison->from).field("to", comparison->to);
  json.field("span_s", std::chrono::duration<double>(comparison->span).count()).begin_array("changes");
  for (const memory::MemoryChange& change : comparison->changes) {
    json.begin_object().field("name", change.name).field("is_owner", change.is_owner).field("from_bytes", change.from);
    json.field("to_bytes", change.to).field("growth_bytes", change.difference());
    json.field("growth_bytes_per_min", change.rate).end_object();
  }
  json.end_array().end_object();
  return json_reply(text);
}

}  // namespace marketprism::collector
