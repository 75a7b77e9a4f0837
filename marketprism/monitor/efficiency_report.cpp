#include "marketprism/monitor/efficiency_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "marketprism/monitor/json_writer.hpp"

namespace marketprism::monitor {
namespace {

double ms(Nanoseconds time) { return static_cast<double>(time.count()) * 1e-6; }
double ms(std::uint64_t ns) { return static_cast<double>(ns) * 1e-6; }
double mib(double bytes) { return bytes / (1 << 20); }

void add_pool(JsonWriter& json, const PoolEfficiency& pool) {
  json.begin_object().field("name", pool.name).field("type", name_of(pool.stats.type));
  json.field("opened", pool.stats.counters.created).field("acquired", pool.stats.counters.acquired);
  json.field("streams", pool.streams).field("connections_saved", pool.connections_saved());
  json.field("time_saved_ms", ms(pool.time_saved())).field("connect_mean_ms", pool.stats.connect.mean_ns * 1e-6);
  json.field("hit_rate", pool.stats.hit_rate()).field("reuse_rate", pool.stats.reuse_rate());
  json.field("utilization_mean", pool.stats.utilization_mean);
  if (!pool.sizing) {
    json.null("sizing").end_object();
    return;
  }
  json.begin_object("sizing").field("current", pool.sizing->current).field("recommended", pool.sizing->recommended);
  json.field("reason", pool.sizing->reason).begin_array("outcomes");
  for (const SizingOutcome& outcome : pool.sizing->outcomes) {
    json.begin_object().field("max_size", outcome.max_size).field("acquired", outcome.acquired);
    json.field("failed", outcome.failed).field("dials", outcome.dials).field("hit_rate", outcome.hit_rate);
    json.field("connections_most", outcome.connections_most).field("wait_p50_ms", ms(outcome.wait_p50_ns));
    json.field("wait_p99_ms", ms(outcome.wait_p99_ns)).end_object();
  }
  json.end_array().end_object().end_object();
}

void add_object_pool(JsonWriter& json, const memory::ObjectPoolStatistics& pool) {
  json.begin_object().field("name", pool.name).field("acquired", pool.acquired).field("created", pool.created);
  json.field("hit_rate", pool.hit_rate()).field("reuse_rate", pool.reuse_rate());
  if (pool.in_use > 0) {
    json.field("utilization", pool.utilization());
  } else {
    json.null("utilization");  // it does not count what is out
  }
  json.field("bytes_not_allocated", pool.bytes_not_allocated()).end_object();
}

}  // namespace

std::uint64_t PoolEfficiency::connections_saved() const {
  const std::uint64_t shared = streams > stats.gauges.active ? streams - stats.gauges.active : 0;
  return streams > 0 ? shared : stats.connections_saved();
}

Nanoseconds PoolEfficiency::time_saved() const {
  if (streams == 0) return stats.time_saved;
  return Nanoseconds(static_cast<std::int64_t>(stats.connect.mean_ns * static_cast<double>(connections_saved())));
}

std::vector<Recommendation> recommend(const EfficiencyInput& input) {
  std::vector<Recommendation> all;
  for (const PoolEfficiency& pool : input.pools) {
    if (pool.sizing && pool.sizing->recommended != pool.sizing->current) {
      all.push_back({pool.name, fmt::format("max_size {} instead of {}: {}", pool.sizing->recommended,
                                            pool.sizing->current, pool.sizing->reason)});
    }
    if (pool.stats.counters.dials >= 10 && pool.stats.failure_rate() > 0.1) {
      all.push_back({pool.name, fmt::format("{:.0f} % of its dials fail: look at the endpoint and the network",
                                            100 * pool.stats.failure_rate())});
    }
    const bool is_leased = pool.streams == 0 && pool.stats.counters.acquires() >= 20;
    if (is_leased && pool.stats.hit_rate() < 0.7) {
      all.push_back({pool.name, fmt::format("only {:.0f} % of its acquires find an open connection: keep idle ones "
                                            "longer (max_idle_time), or keep some up (min_size)",
                                            100 * pool.stats.hit_rate())});
    }
  }
  for (const auto& pool : input.object_pools) {
    if (pool.exhausted > 0)
      all.push_back({pool.name, fmt::format("{} acquires got nothing: raise its {}", pool.exhausted,
                                            pool.capacity == SIZE_MAX ? "limit of memory"
                                                                      : fmt::format("capacity of {}", pool.capacity))});
  }
  if (input.memory.verdict.starts_with("leaking"))
    all.push_back({"memory", input.memory.verdict + ": switch the heap profiler on and look at /api/v1/heap twice"});
  if (input.loop_lag_ns.quantile(0.99) > 20'000'000)
    all.push_back({"event loop", fmt::format("1 % of the work waits longer than {:.0f} ms: spread the exchanges over "
                                             "several collectors, or give this one a faster core",
                                             ms(input.loop_lag_ns.quantile(0.99)))});
  return all;
}

std::string efficiency_json(const EfficiencyInput& input) {
  std::string text;
  JsonWriter json(text);
  std::uint64_t saved = 0, not_allocated = 0;
  Nanoseconds time{};
  for (const PoolEfficiency& pool : input.pools) {
    saved += pool.connections_saved();
    time += pool.time_saved();
  }
  for (const auto& pool : input.object_pools) not_allocated += pool.bytes_not_allocated();
  json.begin_object().field("uptime_s", input.uptime_s).field("messages", input.messages).field("cpu_s", input.cpu_s);
  json.field("connections_saved", saved).field("time_saved_ms", ms(time));
  json.field("bytes_not_allocated", not_allocated);
  json.begin_array("pools");
  for (const PoolEfficiency& pool : input.pools) add_pool(json, pool);
  json.end_array().begin_array("object_pools");
  for (const auto& pool : input.object_pools) add_object_pool(json, pool);
  json.end_array().begin_object("memory").field("rss_bytes", input.memory.rss);
  json.field("rss_peak_bytes", input.memory.rss_peak);
  json.field("growth_bytes_per_min", input.memory.growth_bytes_per_min).field("verdict", input.memory.verdict);
  json.end_object().begin_object("loop_lag").field("p50_ms", ms(input.loop_lag_ns.quantile(0.5)));
  json.field("p99_ms", ms(input.loop_lag_ns.quantile(0.99))).field("max_ms", ms(input.loop_lag_ns.max()));
  json.end_object().begin_array("recommendations");
  for (const Recommendation& one : recommend(input))
    json.begin_object().field("subject", one.subject).field("text", one.text).end_object();
  json.end_array().end_object();
  return text;
}

std::string efficiency_markdown(const EfficiencyInput& input) {
  std::string text = fmt::format("# Efficiency report\n\n{} messages in {:.0f} s, {:.2f} s of processor time.\n\n",
                                 input.messages, input.uptime_s, input.cpu_s);
  text +=
      "## Connections\n\n| pool | opened | used | saved | connect, mean | time saved | hit rate | mean use |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const PoolEfficiency& pool : input.pools) {
    const bool is_shared = pool.streams > 0;
    text += fmt::format(
        "| {} | {} | {} | {} | {:.1f} ms | {:.1f} ms | {} | {} |\n", pool.name, pool.stats.counters.created,
        is_shared ? fmt::format("{} streams", pool.streams) : fmt::format("{} times", pool.stats.counters.acquired),
        pool.connections_saved(), pool.stats.connect.mean_ns * 1e-6, ms(pool.time_saved()),
        is_shared ? "" : fmt::format("{:.1f} %", 100 * pool.stats.hit_rate()),
        is_shared ? "" : fmt::format("{:.2f} %", 100 * pool.stats.utilization_mean));
  }
  if (!input.object_pools.empty()) {
    text +=
        "\n## Objects\n\n| pool | acquired | made | hit rate | reuse rate | not allocated "
        "|\n|---|---|---|---|---|---|\n";
    for (const auto& pool : input.object_pools) {
      text += fmt::format("| {} | {} | {} | {:.2f} % | {:.2f} % | {:.1f} MiB |\n", pool.name, pool.acquired,
                          pool.created, 100 * pool.hit_rate(), 100 * pool.reuse_rate(),
                          mib(static_cast<double>(pool.bytes_not_allocated())));
    }
  }
  const MemoryTrend& memory = input.memory;
  text += fmt::format("\n## Memory\n\n{:.1f} MiB resident, {:.1f} MiB at most; {}, {:.1f} KiB a minute.\n",
                      mib(static_cast<double>(memory.rss)), mib(static_cast<double>(memory.rss_peak)), memory.verdict,
                      memory.growth_bytes_per_min / 1024);
  text += fmt::format("\n## Event loop\n\nWork waits {:.2f} ms (p50), {:.2f} ms (p99), {:.1f} ms (max) for the loop.\n",
                      ms(input.loop_lag_ns.quantile(0.5)), ms(input.loop_lag_ns.quantile(0.99)),
                      ms(input.loop_lag_ns.max()));
  text += "\n## What to change\n\n";
  const auto recommendations = recommend(input);
  for (const Recommendation& one : recommendations) text += fmt::format("- **{}**: {}\n", one.subject, one.text);
  if (recommendations.empty()) text += "Nothing.\n";
  for (const PoolEfficiency& pool : input.pools) {
    if (!pool.sizing || pool.sizing->outcomes.empty()) continue;
    text += fmt::format(
        "\nThe recorded uses of **{}** at other sizes (now {}):\n\n| max_size | dials | hit rate | most "
        "open | wait p50 | wait p99 | failed |\n|---|---|---|---|---|---|---|\n",
        pool.name, pool.sizing->current);
    for (const SizingOutcome& one : pool.sizing->outcomes) {
      text +=
          fmt::format("| {} | {} | {:.1f} % | {} | {:.2f} ms | {:.2f} ms | {} |\n", one.max_size, one.dials,
                      100 * one.hit_rate, one.connections_most, ms(one.wait_p50_ns), ms(one.wait_p99_ns), one.failed);
    }
  }
  return text;
}

}  // namespace marketprism::monitor
