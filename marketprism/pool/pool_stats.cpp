#include "marketprism/pool/pool_stats.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace marketprism::pool {
namespace {

double ratio(double part, double whole) { return whole <= 0 ? 0.0 : part / whole; }
double ratio(std::uint64_t part, std::uint64_t whole) {
  return ratio(static_cast<double>(part), static_cast<double>(whole));
}

}  // namespace

std::uint64_t PoolCounters::closed_total() const {
  return std::accumulate(closed.begin(), closed.end(), std::uint64_t{0});
}

PoolCounters& PoolCounters::operator+=(const PoolCounters& other) {
  created += other.created;
  dials += other.dials;
  failures += other.failures;
  abandoned += other.abandoned;
  acquired += other.acquired;
  reused += other.reused;
  dial_served += other.dial_served;
  returned += other.returned;
  timeouts += other.timeouts;
  cancelled += other.cancelled;
  refused += other.refused;
  dial_errors += other.dial_errors;
  stopped += other.stopped;
  health_checks += other.health_checks;
  failed_checks += other.failed_checks;
  overdue += other.overdue;
  for (std::size_t i = 0; i < closed.size(); ++i) closed[i] += other.closed[i];
  return *this;
}

PoolGauges& PoolGauges::operator+=(const PoolGauges& other) {
  size += other.size;
  active += other.active;
  idle += other.idle;
  checking += other.checking;
  connecting += other.connecting;
  failed += other.failed;
  waiters += other.waiters;
  closing += other.closing;
  return *this;
}

std::uint64_t quantile_with_zeros(const Histogram& histogram, std::uint64_t zeros, double q) {
  const std::uint64_t total = histogram.count() + zeros;
  if (total == 0 || histogram.count() == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total - 1)) + 1;
  if (rank <= zeros) return 0;
  if (histogram.count() == 1) return histogram.max();
  return histogram.quantile(static_cast<double>(rank - zeros - 1) / static_cast<double>(histogram.count() - 1));
}

TimeSummary summary_of(const Histogram& histogram, std::uint64_t zeros) {
  const std::uint64_t total = histogram.count() + zeros;
  if (total == 0) return {};
  return {total, static_cast<double>(histogram.sum()) / static_cast<double>(total),
          quantile_with_zeros(histogram, zeros, 0.5), quantile_with_zeros(histogram, zeros, 0.99), histogram.max()};
}

double PoolStats::hit_rate() const { return ratio(counters.acquired - counters.dial_served, counters.acquires()); }
double PoolStats::reuse_rate() const { return ratio(counters.reused, counters.acquired); }
double PoolStats::reuse_factor() const { return ratio(counters.reused, counters.created); }
double PoolStats::failure_rate() const { return ratio(counters.failures, counters.dials); }
double PoolStats::utilization() const {
  return std::min(1.0, ratio(static_cast<double>(gauges.active), static_cast<double>(max_size)));
}

void PoolStats::add_past(const PoolStats& gone) {
  counters += gone.counters;
  time_saved += gone.time_saved;
  for (const auto time : {&PoolStats::connect, &PoolStats::wait, &PoolStats::hold, &PoolStats::check}) {
    TimeSummary& mine = this->*time;
    const TimeSummary& its = gone.*time;
    const auto all = static_cast<double>(mine.count + its.count);
    mine.mean_ns =
        ratio(mine.mean_ns * static_cast<double>(mine.count) + its.mean_ns * static_cast<double>(its.count), all);
    mine.count += its.count;
    mine.p50_ns = std::max(mine.p50_ns, its.p50_ns);
    mine.p99_ns = std::max(mine.p99_ns, its.p99_ns);
    mine.max_ns = std::max(mine.max_ns, its.max_ns);
  }
}

PoolSummary summarize(std::span<const PoolStats> pools) {
  PoolSummary sum;
  double connect_ns = 0;
  double wait_ns = 0;
  std::uint64_t connects = 0;
  std::uint64_t waits = 0;
  std::vector<std::string_view> groups;
  for (const PoolStats& pool : pools) {
    if (pool.max_size > 0) ++sum.pools;  // else it is a sum of past ones
    if (pool.group.empty()) {
      sum.max_size += pool.max_size;
    } else if (std::find(groups.begin(), groups.end(), pool.group) == groups.end()) {
      groups.push_back(pool.group);
      sum.max_size += pool.group_max_size;
    }
    sum.counters += pool.counters;
    sum.gauges += pool.gauges;
    sum.time_saved += pool.time_saved;
    sum.memory_bytes += pool.memory_bytes;
    sum.connection_bytes += pool.connection_bytes;
    sum.utilization_mean += pool.utilization_mean * static_cast<double>(pool.max_size);
    sum.utilization += pool.utilization() * static_cast<double>(pool.max_size);
    connect_ns += pool.connect.mean_ns * static_cast<double>(pool.connect.count);
    wait_ns += pool.wait.mean_ns * static_cast<double>(pool.wait.count);
    connects += pool.connect.count;
    waits += pool.wait.count;
  }
  const PoolCounters& c = sum.counters;
  sum.hit_rate = ratio(c.acquired - c.dial_served, c.acquires());
  sum.reuse_rate = ratio(c.reused, c.acquired);
  sum.failure_rate = ratio(c.failures, c.dials);
  sum.utilization = std::min(1.0, ratio(sum.utilization, static_cast<double>(sum.max_size)));
  sum.utilization_mean = std::min(1.0, ratio(sum.utilization_mean, static_cast<double>(sum.max_size)));
  sum.wait_mean_ns = ratio(wait_ns, static_cast<double>(waits));
  sum.connect_mean_ns = ratio(connect_ns, static_cast<double>(connects));
  sum.connections_saved = c.reused;
  return sum;
}

double TimeWeightedMean::mean(Instant now, std::size_t value) const {
  const Instant end = std::max(now, last_);
  const double open = static_cast<double>((end - last_).count()) * static_cast<double>(value);
  return ratio(sum_ + open, static_cast<double>((end - start_).count()));
}

}  // namespace marketprism::pool
