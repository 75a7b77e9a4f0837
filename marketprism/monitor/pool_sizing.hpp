#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "marketprism/base/time.hpp"
#include "marketprism/pool/pool_config.hpp"

namespace marketprism::monitor {

/// One use of a pooled connection, as its user saw it: from the acquire to the release.
struct UseOfConnection {
  Instant begun{};
  Nanoseconds held{};
};

/// The last `capacity` uses of a pool: what a replay at other sizes needs. Kept by the pool's user on its loop; does
/// not allocate once full.
class UseTrace {
 public:
  static constexpr std::size_t capacity = 4096;

  void add(Instant begun, Instant released);
  /// Oldest first.
  [[nodiscard]] std::vector<UseOfConnection> uses() const;

 private:
  std::vector<UseOfConnection> ring_;
  std::size_t next_ = 0;
};

/// How a pool of `max_size` connections would have served a trace.
struct SizingOutcome {
  std::size_t max_size = 0;
  std::uint64_t acquired = 0;
  std::uint64_t failed = 0;  ///< timed out or turned away
  std::uint64_t dials = 0;
  std::size_t connections_most = 0;  ///< at one time
  double hit_rate = 0;
  std::uint64_t wait_p50_ns = 0;
  std::uint64_t wait_p99_ns = 0;
};

/// Sends the trace through a `pool::LeasePool` of this configuration on a clock of its own; each dial takes
/// `connect_time`. The same core that serves the program, so the answer is what it would have done.
SizingOutcome replay_uses(std::span<const UseOfConnection> uses, Nanoseconds connect_time,
                          const pool::PoolConfig& config);

struct SizingAdvice {
  std::vector<SizingOutcome> outcomes;  ///< by rising size
  std::size_t current = 0;
  std::size_t recommended = 0;  ///< the smallest whose 99th percentile of waits is no worse than the best by over 1 ms
  std::string reason;           ///< one sentence
};
/// Replays at 1, 2, 4, … up to twice the present size. Too few uses (under 20): the present size, and it says so.
SizingAdvice advise_size(std::span<const UseOfConnection> uses, Nanoseconds connect_time, const pool::PoolConfig& now);

}  // namespace marketprism::monitor
