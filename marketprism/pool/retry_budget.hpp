#pragma once
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace marketprism::pool {

struct RetryBudgetConfig {
  double share = 0.2;     ///< retries in flight ÷ requests in flight
  std::size_t floor = 3;  ///< this many retries are always allowed
};

/// Bounds the retries in flight to a share of the requests in flight, so that a failing peer is not hit by a storm of
/// its own making. A caller that finds no place waits for one (until its deadline); it does not fail. One owner, no
/// lock.
class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetConfig config = {}) : config_(config) {}

  /// For the retries from now on; those in flight stay.
  void reconfigure(RetryBudgetConfig config) { config_ = config; }

  /// How many retries may be in flight while `active` requests are.
  std::size_t limit(std::size_t active) const {
    return std::max(config_.floor, static_cast<std::size_t>(config_.share * static_cast<double>(active)));
  }

  /// Takes a place; every `true` is paid back with one `give_back`.
  bool try_take(std::size_t active) {
    if (in_flight_ >= limit(active)) {
      ++refused_;
      return false;
    }
    ++in_flight_;
    ++taken_;
    return true;
  }

  void give_back() {
    assert(in_flight_ > 0);
    --in_flight_;
  }

  std::size_t in_flight() const { return in_flight_; }
  std::uint64_t taken() const { return taken_; }
  std::uint64_t refused() const { return refused_; }

 private:
  RetryBudgetConfig config_;
  std::size_t in_flight_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace marketprism::pool
