#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "marketprism/base/time.hpp"

namespace marketprism::pool {

/// Learns after which idle time a server closes connections, so that they can be retired before. It counts, by idle
/// age, connections that were closed by the server and connections that outlived that age; the limit is nine tenths of
/// the first age at which at least three were closed and no more went on living than were closed there. So closes at
/// random ages (a restart, a lost link) set no limit as long as connections outlive them, and closes within a second of
/// each other count as one event. While the limit holds nothing older is seen, so it is tried out: each 32 connections
/// retired at it raise it by a quarter, until the server is seen closing again or the limit is forgotten.
///
/// Ages are counted in steps of a quarter of a power of two, from 64 ms to over an hour; older counts fade. Under 1
/// KiB. One owner, no lock.
class KeepAliveEstimator {
 public:
  /// Idle ages below this say nothing and need not be reported.
  static constexpr Nanoseconds shortest = std::chrono::milliseconds(100);

  /// A connection that had been idle for `age` was alive: it was used again.
  void survived(Nanoseconds age) { add(alive_, age); }
  /// The server closed a connection that had been idle for `age`.
  void closed(Nanoseconds age, Instant now);
  /// The pool retired a connection that had been idle for `age`, alive.
  void retired(Nanoseconds age);

  /// Connections should not be idle for longer; `Nanoseconds::max()` while nothing is known.
  [[nodiscard]] Nanoseconds limit() const { return limit_; }

 private:
  static constexpr std::size_t steps = 64;
  using Counts = std::array<std::uint32_t, steps>;

  static std::size_t step_of(Nanoseconds age);
  static Nanoseconds start_of(std::size_t step);
  void add(Counts& counts, Nanoseconds age);
  void fade();
  void learn();
  void raise();

  Counts alive_{};
  Counts closed_{};
  std::uint32_t total_ = 0;
  std::uint32_t retired_at_limit_ = 0;
  Instant last_close_ = Instant::min();
  Nanoseconds limit_ = Nanoseconds::max();
};

}  // namespace marketprism::pool
