// The end of a schedule: faults stop, all must end well.
#include <algorithm>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

using namespace std::chrono_literals;

// Faults stop: everything that was begun must end well.
bool LeaseWorld::settle_once(int round) {
  for (Wire& any : wires_) any.is_stuck = any.is_half_open = false;
  deliver_notices();
  end_all_closes();
  while (count(Wire::dialing) > 0 && !violation_) {
    now_ += 100us;
    end_dial(0, true, false);
    take_actions();
  }
  while (count(Wire::checking) > 0 && !violation_) {
    end_check(0, true);
    take_actions();
  }
  if (round % 2 == 0) do_release(0, false);
  take_actions();
  if (pool_->wake_at() != Instant::max()) now_ = std::max(now_ + 1us, std::min(pool_->wake_at(), now_ + 50ms));
  do_tick();
  take_actions();
  check_books();
  return !askers_.empty();
}

void LeaseWorld::stop_ageing() {
  if (is_draining_) return;
  config_.max_idle_time = 1h;
  config_.max_lifetime = config_.health_check_interval = config_.leak_threshold = 0ms;
  config_.learn_keep_alive = false;
  if (ledger_ != nullptr) config_.failback_interval = 0ms;
  require(pool_->reconfigure(config_, now_).has_value(), "a good config was refused");
  for (std::uint32_t i = 0; i < connects_.size(); ++i) pool_->set_idle_limit(i, 1h);
  take_actions();
}

// All endpoints are well: what is on a standby goes back, whoever holds it.
void LeaseWorld::return_to_primary() {
  if (config_.failback_interval.count() == 0 || is_draining_) return;
  config_.min_size = config_.max_size;
  stop_ageing();
  const auto is_back = [this] {
    return std::none_of(wires_.begin(), wires_.end(), [this](const Wire& wire) {
      return wire.state != Wire::dialing && wire.state != Wire::cut && is_standby(wire.endpoint);
    });
  };
  for (int i = 0; i < 2'000 && !violation_ && !is_back(); ++i) settle_once(i);
  require(is_back(), "a connection stayed on a standby although a better endpoint was well");
}

void LeaseWorld::end() {
  check_statistics();
  do_drain(random_.chance(0.5) ? 0ms : 100ms);
  take_actions();
  check_books();
  if (random_.chance(0.5)) {
    for (int i = 0; i < 100 && count(Wire::held) + count(Wire::dead_in_hand) > 0; ++i) {
      do_release(0, false);
      take_actions();
      check_books();
    }
  }
  now_ += 101ms;
  do_tick();
  take_actions();
  check_books();
  require(is_drained_ && pool_->is_drained(), "the pool did not end by its deadline");
  while (!violation_ && !wires_.empty()) {
    const std::size_t before = wires_.size();
    do_release(0, false);
    take_actions();
    require(wires_.size() < before, "a connection was left over");
  }
  end_all_closes();
  require(pool_->gauges().closing == 0 && sockets_open() == 0, "a socket was left over");
  check_books();
  check_statistics();
  require(books_.created == books_.closed_total(), "created connections must all be closed at the end");
  require(books_.acquired == books_.returned, "acquired and returned must be equal at the end");
}

}  // namespace marketprism::simulation
