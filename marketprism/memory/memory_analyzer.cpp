#include "marketprism/memory/memory_analyzer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"

namespace marketprism::memory {
namespace {

constexpr double mebi = 1024 * 1024;

struct Part {
  std::string_view name;
  std::uint64_t MemorySnapshot::* bytes;
  bool is_watched;
};
constexpr std::array<Part, 4> parts{{{"rss", &MemorySnapshot::rss, true},
                                     {"pss", &MemorySnapshot::pss, false},
                                     {"heap_in_use", &MemorySnapshot::heap_in_use, true},
                                     {"heap_retained", &MemorySnapshot::heap_retained, false}}};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  return out += '"';
}

std::string json_number(double value) { return std::isfinite(value) ? fmt::format("{:.0f}", value) : "null"; }

std::string json_of(const MemorySummary& s) {
  const LeakVerdict& v = s.verdict;
  return fmt::format(
      R"({{"name":{},"is_owner":{},"current":{},"baseline":{},"growth":{},"min":{},"max":{},"mean":{:.0f},)"
      R"("variance":{:.0f},"verdict":{{"status":"{}","severity":"{}","bytes_per_minute":{},"low":{},"high":{},)"
      R"("span_s":{:.0f},"alarms":{}}}}})",
      quoted(s.name), s.is_owner, s.current, s.baseline, s.growth, s.min, s.max, s.mean, s.variance, name_of(v.status),
      name_of(v.severity), json_number(v.rate), json_number(v.rate_low), json_number(v.rate_high),
      std::chrono::duration<double>(v.span).count(), v.alarms);
}

template <class Items, class ToJson>
std::string json_list(const Items& items, ToJson&& to_json) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += to_json(item);
  }
  return out += ']';
}

MemoryChange change_of(std::string_view name, bool is_owner, std::uint64_t from, std::uint64_t to, Nanoseconds span) {
  MemoryChange change{std::string(name), is_owner, from, to, 0};
  const double minutes = std::chrono::duration<double, std::ratio<60>>(span).count();
  if (minutes > 0) change.rate = static_cast<double>(change.difference()) / minutes;
  return change;
}

}  // namespace

void MemoryAnalyzer::record(Series& series, Instant time, std::uint64_t bytes, bool is_watched) {
  MemorySummary& s = series.summary;
  const auto value = static_cast<double>(bytes);
  if (s.count++ == 0) s.baseline = s.min = s.max = bytes;
  s.current = bytes;
  s.min = std::min(s.min, bytes);
  s.max = std::max(s.max, bytes);
  const double distance = value - s.mean;  // Welford's running mean and variance
  s.mean += distance / static_cast<double>(s.count);
  series.squares += distance * (value - s.mean);
  s.variance = series.squares / static_cast<double>(s.count);
  s.growth = static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(s.baseline);
  if (is_watched && series.detector.add(time, bytes)) s.verdict = series.detector.verdict();
}

void MemoryAnalyzer::add(MemorySnapshot snapshot) {
  ++snapshots_;
  if (whole_.empty()) {
    for (const Part& part : parts) {
      whole_.push_back({.detector = LeakDetector(options_.detector)});
      whole_.back().summary.name = part.name;
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    record(whole_[i], snapshot.time, snapshot.*parts[i].bytes, parts[i].is_watched);
  }
  for (const OwnerBytes& owner : snapshot.owners) {
    auto place = owners_.find(owner.owner);
    if (place == owners_.end()) {
      if (owners_.size() >= options_.owners_max) {
        ++owners_left_out_;
        continue;
      }
      place = owners_.emplace(owner.owner, Series{.detector = LeakDetector(options_.detector)}).first;
      place->second.summary.name = owner.owner;
      place->second.summary.is_owner = true;
    }
    record(place->second, snapshot.time, owner.bytes, true);
  }
  if (!baseline_) baseline_ = snapshot;
  if (!snapshot.label.empty()) {
    std::erase_if(labelled_, [&](const MemorySnapshot& old) { return old.label == snapshot.label; });
    if (labelled_.size() >= std::max<std::size_t>(options_.labels_max, 1)) labelled_.pop_front();
    labelled_.push_back(snapshot);
  }
  latest_ = std::move(snapshot);
}

void MemoryAnalyzer::set_baseline() {
  if (!latest_) return;
  baseline_ = latest_;
  const auto restart = [](Series& series) {
    series.summary.baseline = series.summary.current;
    series.summary.growth = 0;
  };
  for (Series& series : whole_) restart(series);
  for (auto& [name, series] : owners_) restart(series);
}

const MemorySnapshot* MemoryAnalyzer::find(std::string_view label) const {
  if (label == "latest") return latest_ ? &*latest_ : nullptr;
  if (label == "baseline") return baseline_ ? &*baseline_ : nullptr;
  const auto found = std::ranges::find(labelled_, label, &MemorySnapshot::label);
  return found == labelled_.end() ? nullptr : &*found;
}

std::vector<std::string> MemoryAnalyzer::labels() const {
  std::vector<std::string> labels;
  if (latest_) labels = {"baseline", "latest"};
  for (const MemorySnapshot& snapshot : labelled_) labels.push_back(snapshot.label);
  return labels;
}

Result<MemoryComparison> MemoryAnalyzer::compare(std::string_view from, std::string_view to) const {
  for (const std::string_view label : {from, to}) {
    if (find(label) != nullptr) continue;
    return fail(ErrorCode::not_found,
                fmt::format("there is no memory snapshot \"{}\"; there are: {}", label,
                            labels().empty() ? "none yet" : fmt::format("{}", fmt::join(labels(), ", "))));
  }
  const MemorySnapshot& a = *find(from);
  const MemorySnapshot& b = *find(to);
  MemoryComparison comparison{std::string(from), std::string(to), b.time - a.time, {}};
  for (const Part& part : parts) {
    comparison.changes.push_back(change_of(part.name, false, a.*part.bytes, b.*part.bytes, comparison.span));
  }
  std::map<std::string_view, std::pair<std::uint64_t, std::uint64_t>> owners;
  for (const OwnerBytes& owner : a.owners) owners[owner.owner].first = owner.bytes;
  for (const OwnerBytes& owner : b.owners) owners[owner.owner].second = owner.bytes;
  for (const auto& [name, bytes] : owners) {
    comparison.changes.push_back(change_of(name, true, bytes.first, bytes.second, comparison.span));
  }
  std::ranges::sort(comparison.changes, [](const MemoryChange& x, const MemoryChange& y) {
    return x.difference() != y.difference() ? x.difference() > y.difference() : x.name < y.name;
  });
  return comparison;
}

std::vector<MemorySummary> MemoryAnalyzer::summaries() const {
  std::vector<MemorySummary> all;
  for (const Series& series : whole_) all.push_back(series.summary);
  for (const auto& [name, series] : owners_) all.push_back(series.summary);
  return all;
}

std::vector<MemorySummary> MemoryAnalyzer::leaks() const {
  std::vector<MemorySummary> leaks;
  const auto take = [&](const Series& series) {
    if (series.summary.verdict.status == LeakStatus::leaking) leaks.push_back(series.summary);
  };
  for (const auto& [name, series] : owners_) take(series);
  for (const Series& series : whole_) take(series);
  return leaks;
}

std::vector<std::string> MemoryAnalyzer::recommendations() const {
  std::vector<std::string> out;
  const std::vector<MemorySummary> found = leaks();
  for (const MemorySummary& s : found) {
    const LeakVerdict& v = s.verdict;
    const std::string rate = fmt::format("{:.2f} MiB a minute (at least {:.2f})", v.rate / mebi, v.rate_low / mebi);
    if (s.is_owner) {
      out.push_back(fmt::format("\"{}\" leaks {}: look at what it keeps, and give it a hard limit", s.name, rate));
    } else if (!found.front().is_owner) {
      out.push_back(
          fmt::format("{} grows {} and no owner does: switch the heap profiler on and compare two reports by "
                      "live bytes",
                      s.name, rate));
    }
  }
  if (!latest_) return out;
  for (const OwnerBytes& owner : latest_->owners) {
    if (owner.refusals > 0) {
      out.push_back(
          fmt::format("\"{}\" was refused memory {} times at its hard limit of {:.1f} MiB: raise the limit or "
                      "lower what it has to hold",
                      owner.owner, owner.refusals, static_cast<double>(owner.limits.hard) / mebi));
    } else if (owner.is_over_soft_limit) {
      out.push_back(fmt::format("\"{}\" holds {:.1f} MiB, over its soft limit of {:.1f} MiB", owner.owner,
                                static_cast<double>(owner.bytes) / mebi,
                                static_cast<double>(owner.limits.soft) / mebi));
    }
  }
  if (latest_->heap_retained > latest_->heap_in_use && latest_->heap_retained > 64 * 1024 * 1024) {
    out.push_back(
        fmt::format("the allocator keeps {:.0f} MiB that nobody uses, more than is in use: malloc_trim(0) or "
                    "fewer threads that allocate would give it back",
                    static_cast<double>(latest_->heap_retained) / mebi));
  }
  return out;
}

std::string MemoryAnalyzer::report_json() const {
  return fmt::format(R"({{"snapshots":{},"summaries":{},"leaks":{},"recommendations":{}}})", snapshots_,
                     json_list(summaries(), json_of),
                     json_list(leaks(), [](const MemorySummary& s) { return quoted(s.name); }),
                     json_list(recommendations(), quoted));
}

}  // namespace marketprism::memory
