#include "marketprism/monitor/prometheus.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace marketprism::monitor {
namespace {

void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    return;
  }
  char digits[32];
  const auto end = std::abs(value) < 9e15 && value == std::floor(value)
                       ? std::to_chars(digits, digits + sizeof digits, static_cast<std::int64_t>(value))
                       : std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end.ptr);
}

/// Bounds are texts to Prometheus: OpenMetrics wants "1.0", the older format takes it as well.
std::string bound_text(double bound) {
  char digits[32];
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, bound, std::chars_format::fixed).ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

const std::array<std::string, time_bounds_s.size() + 1>& bound_texts() {
  static const auto texts = [] {
    std::array<std::string, time_bounds_s.size() + 1> all;
    std::ranges::transform(time_bounds_s, all.begin(), bound_text);
    all.back() = "+Inf";
    return all;
  }();
  return texts;
}

class Writer {
 public:
  Writer(const Scrape& scrape, Exposition exposition) : scrape_(scrape), exposition_(exposition) {}

  void family(const MetricFamily& family, std::span<const Scrape::Sample> samples) {
    const bool is_new_format = exposition_ == Exposition::open_metrics;
    const std::string name = family.type == MetricType::counter ? family.name + "_total" : family.name;
    const std::string& shown = is_new_format ? family.name : name;
    out_.append("# HELP ").append(shown).append(" ").append(family.help).append("\n");
    out_.append("# TYPE ").append(shown).append(" ").append(name_of(family.type)).append("\n");
    if (is_new_format && !family.unit.empty())
      out_.append("# UNIT ").append(shown).append(" ").append(family.unit).append("\n");
    for (std::size_t i = 0; i < samples.size();) {
      std::size_t end = i + 1;
      while (end < samples.size() && labels(samples[end]) == labels(samples[i])) ++end;
      const auto same = samples.subspan(i, end - i);
      if (family.type == MetricType::histogram) {
        histogram(name, same);
      } else {
        double sum = 0;
        for (const auto& sample : same) sum += sample.value;
        line(name, labels(samples[i]), {}, sum);
      }
      i = end;
    }
  }

  std::string finish() {
    if (exposition_ == Exposition::open_metrics) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  std::string_view labels(const Scrape::Sample& sample) const { return scrape_.labels(sample); }

  void histogram(const std::string& name, std::span<const Scrape::Sample> same) {
    Scrape::Buckets sum;
    for (const auto& sample : same) {
      const Scrape::Buckets& one = scrape_.buckets(sample);
      for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += one.counts[i];
      sum.count += one.count;
      sum.sum_s += one.sum_s;
    }
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < sum.counts.size(); ++i) {
      below += sum.counts[i];
      line(name + "_bucket", labels(same.front()), bound_texts()[i], static_cast<double>(below));
    }
    line(name + "_sum", labels(same.front()), {}, sum.sum_s);
    line(name + "_count", labels(same.front()), {}, static_cast<double>(sum.count));
  }

  void line(const std::string& name, std::string_view label, std::string_view bound, double value) {
    out_ += name;
    if (!label.empty() || !bound.empty()) {
      out_.append("{").append(label);
      if (!bound.empty()) out_.append(label.empty() ? "" : ",").append("le=\"").append(bound).append("\"");
      out_ += '}';
    }
    out_ += ' ';
    append_number(out_, value);
    out_ += '\n';
  }

  const Scrape& scrape_;
  Exposition exposition_;
  std::string out_;
};

/// The weight that an element of `Accept` gives, 0…1.
double quality_of(std::string_view element) {
  const std::size_t at = element.find(";q=");
  double quality = 1;
  if (at != std::string_view::npos) std::from_chars(element.data() + at + 3, element.data() + element.size(), quality);
  return quality;
}

}  // namespace

Exposition exposition_for(std::string_view accept) {
  double old_format = 0, new_format = 0;
  while (!accept.empty()) {
    const std::size_t end = std::min(accept.find(','), accept.size());
    std::string element(accept.substr(0, end));
    accept.remove_prefix(std::min(end + 1, accept.size()));
    std::erase(element, ' ');
    if (element.starts_with("application/openmetrics-text")) new_format = std::max(new_format, quality_of(element));
    if (element.starts_with("text/plain")) old_format = std::max(old_format, quality_of(element));
  }
  return new_format > old_format ? Exposition::open_metrics : Exposition::prometheus;
}

std::string_view content_type_of(Exposition exposition) {
  return exposition == Exposition::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                : "text/plain; version=0.0.4; charset=utf-8";
}

std::string write_exposition(std::span<const MetricFamily> families, const Scrape& scrape, Exposition exposition) {
  std::vector<Scrape::Sample> samples = scrape.samples();
  std::ranges::sort(samples, [&](const Scrape::Sample& a, const Scrape::Sample& b) {
    if (a.family != b.family) return a.family < b.family;
    return scrape.labels(a) < scrape.labels(b);
  });
  Writer writer(scrape, exposition);
  for (auto at = samples.begin(); at != samples.end();) {
    const auto end = std::find_if(at, samples.end(), [&](const auto& sample) { return sample.family != at->family; });
    writer.family(families[at->family], std::span<const Scrape::Sample>(at, end));
    at = end;
  }
  return writer.finish();
}

}  // namespace marketprism::monitor
