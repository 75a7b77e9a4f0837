#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/error.hpp"
#include "marketprism/base/histogram.hpp"

namespace marketprism::monitor {

enum class MetricType : std::uint8_t { counter, gauge, histogram };
std::string_view name_of(MetricType type);

/// What series of one name have in common. `name` is marketprism_<area>_<what>[_<unit>], without the "_total" that the
/// exposition adds to counters.
struct MetricFamily {
  std::string name;
  MetricType type{};
  std::string unit;    ///< "seconds", "bytes", "ratio": the last word of the name; empty for plain counts
  std::string help;    ///< one line
  std::string labels;  ///< their names, for people: "exchange, data_type"
};
using FamilyId = std::uint32_t;

/// The labels of one series as the exposition writes them: `exchange="okx",data_type="trade"`.
std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

/// Upper bounds in seconds of the buckets that a histogram of times is shown in, the last being infinite.
inline constexpr std::array<double, 19> time_bounds_s{
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 5e-1, 1, 2.5, 5, 10};

/// A counter in the loop that owns it: a plain integer, read only on that loop.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_ += n; }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

/// The values of all series at one moment. Filled on the loops that own them, then moved to whoever writes them out.
class Scrape {
 public:
  struct Buckets {
    std::array<std::uint64_t, time_bounds_s.size() + 1> counts{};  ///< not cumulative; the last: above all bounds
    std::uint64_t count = 0;
    double sum_s = 0;
  };
  struct Sample {
    FamilyId family = 0;
    std::uint32_t histogram = 0;  ///< index into `histograms`, for families of that type
    std::size_t label_at = 0;     ///< into `labels`
    std::size_t label_size = 0;
    double value = 0;
  };

  void add(FamilyId family, std::string_view labels, double value);
  void add(FamilyId family, std::string_view labels, std::uint64_t value) {
    add(family, labels, static_cast<double>(value));
  }
  /// Nanoseconds go in, seconds are shown. Values above the bounds of a log-linear bucket count by that bucket's end,
  /// so that a bound is off by at most 1.6 % of itself.
  void add(FamilyId family, std::string_view labels, const Histogram& times_ns);
  void append(const Scrape& other);

  [[nodiscard]] const std::vector<Sample>& samples() const { return samples_; }
  [[nodiscard]] const Buckets& buckets(const Sample& sample) const { return histograms_[sample.histogram]; }
  [[nodiscard]] std::string_view labels(const Sample& sample) const {
    return std::string_view(labels_).substr(sample.label_at, sample.label_size);
  }

 private:
  Sample& new_sample(FamilyId family, std::string_view labels);

  std::vector<Sample> samples_;
  std::vector<Buckets> histograms_;
  std::string labels_;
};

/// What one event loop counts. Made once for each loop; used on it only (before it runs, by whoever sets up).
class MetricGroup {
 public:
  /// A counter of its own for the caller; series of the same family and labels, here or on other loops, are added up.
  Counter& counter(FamilyId family, std::string labels = {});
  Histogram& histogram(FamilyId family, std::string labels = {});
  /// Asked at each scrape, for numbers that are kept elsewhere.
  void source(std::function<void(Scrape&)> add_values) { sources_.push_back(std::move(add_values)); }
  void gather(Scrape& out) const;

 private:
  template <class Value>
  struct Cell {
    FamilyId family;
    std::string labels;
    Value value;
  };
  std::deque<Cell<Counter>> counters_;
  std::deque<Cell<Histogram>> histograms_;
  std::vector<std::function<void(Scrape&)>> sources_;
};

/// All families of the program and the groups that fill them. Families and groups are added while setting up, by one
/// thread; afterwards any thread may read families, and `gather` may be called on one loop at a time.
class Registry {
 public:
  /// The same name twice, or a name that does not fit its unit, is a bug.
  FamilyId add(MetricFamily family);
  /// The group of a loop; made at its first mention.
  MetricGroup& group(async::EventLoop& loop);

  [[nodiscard]] const std::vector<MetricFamily>& families() const { return families_; }

  /// Asks every loop for its numbers, from `here`, the loop this is awaited on; `timed_out` names how many loops did
  /// not answer before `deadline`.
  async::Task<Result<Scrape>> gather(async::EventLoop& here, Instant deadline);

 private:
  struct Entry {
    async::EventLoop* loop;
    MetricGroup group;
  };
  std::vector<MetricFamily> families_;
  std::deque<Entry> groups_;
};

}  // namespace marketprism::monitor
