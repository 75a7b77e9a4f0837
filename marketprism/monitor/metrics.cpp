#include "marketprism/monitor/metrics.hpp"

#include <algorithm>
#include <cassert>

#include "marketprism/monitor/call_on.hpp"

namespace marketprism::monitor {
namespace {

bool is_good_name(const MetricFamily& family) {
  const std::string& name = family.name;
  const bool has_words =
      std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  return has_words && name.starts_with("marketprism_") && !name.ends_with("_total") &&
         (family.unit.empty() || name.ends_with("_" + family.unit));
}

}  // namespace

std::string_view name_of(MetricType type) {
  switch (type) {
    case MetricType::counter: return "counter";
    case MetricType::gauge: return "gauge";
    case MetricType::histogram: return "histogram";
  }
  return "unknown";
}

std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\n') {
        text += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text;
}

Scrape::Sample& Scrape::new_sample(FamilyId family, std::string_view labels) {
  Sample& sample = samples_.emplace_back();
  sample.family = family;
  sample.label_at = labels_.size();
  sample.label_size = labels.size();
  labels_ += labels;
  return sample;
}

void Scrape::add(FamilyId family, std::string_view labels, double value) { new_sample(family, labels).value = value; }

void Scrape::add(FamilyId family, std::string_view labels, const Histogram& times_ns) {
  new_sample(family, labels).histogram = static_cast<std::uint32_t>(histograms_.size());
  Buckets& buckets = histograms_.emplace_back();
  buckets.count = times_ns.count();
  buckets.sum_s = static_cast<double>(times_ns.sum()) / 1e9;
  std::size_t place = 0;
  times_ns.for_each_bucket([&](std::uint64_t, std::uint64_t high, std::uint64_t count) {
    while (place < time_bounds_s.size() && static_cast<double>(high) * 1e-9 > time_bounds_s[place] * 1.008) ++place;
    buckets.counts[place] += count;
  });
}

void Scrape::append(const Scrape& other) {
  const auto histograms = static_cast<std::uint32_t>(histograms_.size());
  for (Sample sample : other.samples_) {
    sample.label_at += labels_.size();
    sample.histogram += histograms;
    samples_.push_back(sample);
  }
  labels_ += other.labels_;
  histograms_.insert(histograms_.end(), other.histograms_.begin(), other.histograms_.end());
}

Counter& MetricGroup::counter(FamilyId family, std::string labels) {
  return counters_.emplace_back(family, std::move(labels), Counter()).value;
}

Histogram& MetricGroup::histogram(FamilyId family, std::string labels) {
  return histograms_.emplace_back(family, std::move(labels), Histogram()).value;
}

void MetricGroup::gather(Scrape& out) const {
  for (const auto& cell : counters_) out.add(cell.family, cell.labels, cell.value.value());
  for (const auto& cell : histograms_) out.add(cell.family, cell.labels, cell.value);
  for (const auto& add_values : sources_) add_values(out);
}

FamilyId Registry::add(MetricFamily family) {
  assert(is_good_name(family) && "marketprism_<area>_<what>_<unit>");
  assert(std::ranges::find(families_, family.name, &MetricFamily::name) == families_.end() && "this name is taken");
  families_.push_back(std::move(family));
  return static_cast<FamilyId>(families_.size() - 1);
}

MetricGroup& Registry::group(async::EventLoop& loop) {
  for (Entry& entry : groups_) {
    if (entry.loop == &loop) return entry.group;
  }
  return groups_.emplace_back(&loop, MetricGroup()).group;
}

async::Task<Result<Scrape>> Registry::gather(async::EventLoop& here, Instant deadline) {
  Scrape all;
  for (Entry& entry : groups_) {
    if (entry.loop == &here) {
      entry.group.gather(all);
      continue;
    }
    std::function<Scrape()> work = [&group = entry.group] {
      Scrape part;
      group.gather(part);
      return part;
    };
    auto part = co_await call_on<Scrape>(here, *entry.loop, std::move(work), deadline);
    if (!part) co_return std::unexpected(part.error());
    all.append(*part);
  }
  co_return all;
}

}  // namespace marketprism::monitor
