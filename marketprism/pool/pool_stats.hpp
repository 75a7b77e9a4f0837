#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "marketprism/base/histogram.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/connection_state.hpp"

namespace marketprism::pool {

/// What has happened since the pool was made. Every acquire ends in exactly one of acquired, timeouts, cancelled,
/// refused, dial_errors and stopped; every connection ever created is open or counted once under `closed`.
struct PoolCounters {
  std::uint64_t created = 0;        ///< dials that succeeded and joined the pool
  std::uint64_t dials = 0;          ///< dials that ended: created + failures + abandoned
  std::uint64_t failures = 0;       ///< dials that failed
  std::uint64_t abandoned = 0;      ///< dials given up or no longer wanted when they ended
  std::uint64_t acquired = 0;       ///< acquires that got a connection
  std::uint64_t reused = 0;         ///< … one that had been used before
  std::uint64_t dial_served = 0;    ///< … one that was dialled while they waited
  std::uint64_t returned = 0;       ///< leases that ended, broken ones included
  std::uint64_t timeouts = 0;       ///< acquires whose time ran out
  std::uint64_t cancelled = 0;      ///< acquires given up by their caller
  std::uint64_t refused = 0;        ///< acquires not let in: max_waiters were waiting
  std::uint64_t dial_errors = 0;    ///< acquires that got the error of failed dials
  std::uint64_t stopped = 0;        ///< acquires refused or ended because the pool was not running
  std::uint64_t health_checks = 0;  ///< checks that ended
  std::uint64_t failed_checks = 0;  ///< … badly
  std::uint64_t overdue = 0;        ///< leases that were held longer than leak_threshold
  std::array<std::uint64_t, close_reason_count> closed{};  ///< by CloseReason

  /// All acquires that have ended, whatever way.
  [[nodiscard]] std::uint64_t acquires() const {
    return acquired + timeouts + cancelled + refused + dial_errors + stopped;
  }
  [[nodiscard]] std::uint64_t closed_total() const;
  PoolCounters& operator+=(const PoolCounters& other);
  bool operator==(const PoolCounters&) const = default;
};

/// What is there now. size = active + idle + checking + connecting + failed; size + closing is held to max_size.
struct PoolGauges {
  std::size_t size = 0;
  std::size_t active = 0;
  std::size_t idle = 0;
  std::size_t checking = 0;
  std::size_t connecting = 0;
  std::size_t failed = 0;  ///< broken, not yet returned
  std::size_t waiters = 0;
  std::size_t closing = 0;  ///< no longer in the pool, but their sockets are open: they keep their places until then

  PoolGauges& operator+=(const PoolGauges& other);
  bool operator==(const PoolGauges&) const = default;
};

/// A histogram in five numbers, in nanoseconds. `count` and the mean cover only what was timed.
struct TimeSummary {
  std::uint64_t count = 0;
  double mean_ns = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t max_ns = 0;
};

/// `zeros` more values of 0 are counted in, which a fast path kept in a plain counter.
TimeSummary summary_of(const Histogram& histogram, std::uint64_t zeros = 0);

/// The value a share `q` of the histogram and `zeros` further zeros does not exceed.
std::uint64_t quantile_with_zeros(const Histogram& histogram, std::uint64_t zeros, double q);

/// One pool at one moment. No rate can exceed 1; each is 0 where nothing has happened yet.
struct PoolStats {
  std::string name;
  PoolType type = PoolType::tcp;
  std::size_t max_size = 0;
  std::string group;               ///< entries of one group (the hosts of an HTTP pool) also share one limit, …
  std::size_t group_max_size = 0;  ///< … this one; group empty: none
  PoolCounters counters;
  PoolGauges gauges;

  TimeSummary connect;  ///< of dials that succeeded
  TimeSummary wait;     ///< of acquires that got a connection; 0 when one was idle
  TimeSummary hold;     ///< from acquire to return
  TimeSummary check;    ///< of health checks that ended

  double utilization_mean = 0;   ///< active ÷ max_size, averaged over the life of the pool
  Nanoseconds time_saved{};      ///< Σ over reused acquires of the mean connect time measured to that endpoint so far
  std::size_t memory_bytes = 0;  ///< of the pool's own records, without what the connections themselves hold
  std::size_t connection_bytes = 0;  ///< what those hold: the sum of ConnectionInfo::memory_bytes

  [[nodiscard]] double hit_rate() const;      ///< acquires served without a dial ÷ all acquires
  [[nodiscard]] double reuse_rate() const;    ///< reused ÷ acquired
  [[nodiscard]] double reuse_factor() const;  ///< reused ÷ created; may exceed 1
  [[nodiscard]] double failure_rate() const;  ///< failed dials ÷ dials
  [[nodiscard]] double utilization()
      const;  ///< active ÷ max_size, now; 1 while a shrunk pool holds more than its limit
  [[nodiscard]] std::uint64_t connections_saved() const { return counters.reused; }
  /// Adds what a pool did that is gone, so that totals do not fall: counters and times, of these the larger
  /// percentiles.
  void add_past(const PoolStats& gone);
};

/// Several pools as one: counters, gauges and saved time are sums; hit and reuse rate are weighted by acquires, the
/// failure rate by dials and utilization by max_size, so that an unused pool does not water them down. The max_size of
/// a group is counted once.
struct PoolSummary {
  std::size_t pools = 0;
  std::size_t max_size = 0;
  PoolCounters counters;
  PoolGauges gauges;
  double hit_rate = 0;
  double reuse_rate = 0;
  double failure_rate = 0;
  double utilization = 0;
  double utilization_mean = 0;
  double wait_mean_ns = 0;
  double connect_mean_ns = 0;
  std::uint64_t connections_saved = 0;
  Nanoseconds time_saved{};
  std::size_t memory_bytes = 0;
  std::size_t connection_bytes = 0;
};
PoolSummary summarize(std::span<const PoolStats> pools);

/// One connection at one moment.
struct ConnectionInfo {
  std::uint64_t id = 0;
  std::uint32_t place = 0;  ///< the index of its handle
  PoolType type = PoolType::tcp;
  std::uint32_t endpoint = 0;  ///< index into the pool's endpoints
  std::string endpoint_name;
  ConnectionState state = ConnectionState::idle;
  Nanoseconds age{};   ///< since its dial succeeded (began, while connecting)
  Nanoseconds idle{};  ///< since it was last used; 0 unless idle or checking
  Nanoseconds held{};  ///< since it was lent; 0 unless lent
  std::uint64_t uses = 0;
  std::uint64_t health_checks = 0;
  std::uint64_t errors = 0;
  std::size_t memory_bytes = 0;  ///< in its buffers now; 0 while connecting, and for types that do not tell
  std::source_location holder;   ///< where it was acquired, while lent
};

/// The mean over time of a quantity that changes in steps: the integral of value over time since the start.
class TimeWeightedMean {
 public:
  void start(Instant now) { start_ = last_ = now; }
  /// Called before the value changes: it was `value` until `now`. A `now` that lies before the last one adds nothing.
  void advance(Instant now, std::size_t value) {
    if (now <= last_) return;
    sum_ += static_cast<double>((now - last_).count()) * static_cast<double>(value);
    last_ = now;
  }
  /// From now on in other units: everything so far counts `factor` times.
  void scale(double factor) { sum_ *= factor; }
  [[nodiscard]] double mean(Instant now, std::size_t value) const;

 private:
  Instant start_{};
  Instant last_{};
  double sum_ = 0;
};

}  // namespace marketprism::pool
