// The world's own books: what it makes of the pool's actions, and the rules it holds the pool to.
#include <algorithm>
#include <cmath>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

using pool::CloseReason;

void LeaseWorld::require(bool condition, const char* rule) {
  if (!condition && !violation_) violation_ = rule;
}

std::size_t LeaseWorld::count(int state) const {
  return static_cast<std::size_t>(
      std::count_if(wires_.begin(), wires_.end(), [state](const auto& entry) { return entry.second.state == state; }));
}

std::size_t LeaseWorld::size() const { return wires_.size() - count(Wire::cut); }

LeaseWorld::Wire* LeaseWorld::wire(pool::ConnectionHandle handle) {
  const auto found = wires_.find(handle.id);
  return found == wires_.end() ? nullptr : &found->second;
}

std::vector<pool::ConnectionHandle> LeaseWorld::all(std::initializer_list<int> states) const {
  std::vector<pool::ConnectionHandle> found;
  for (const auto& [id, wire] : wires_) {
    if (std::find(states.begin(), states.end(), static_cast<int>(wire.state)) != states.end())
      found.push_back(wire.handle);
  }
  return found;
}

void LeaseWorld::take_actions() {
  while (auto action = pool_->next_action()) {
    require(!is_drained_ || std::holds_alternative<pool::Close>(*action), "an action after the end");
    std::visit([this](const auto& a) { on(a); }, *action);
  }
  is_ticking_ = false;
}

void LeaseWorld::on(const pool::Dial& action) {
  require(!is_draining_, "a dial after drain");
  require(ids_seen_.insert(action.connection.id).second, "an id was used twice");
  require(action.endpoint < endpoints_, "an endpoint that does not exist");
  require(action.deadline == now_ + config_.connect_timeout, "a dial with the wrong deadline");
  require(askers_.size() > count(Wire::dialing) || size() < config_.min_size, "a dial that nobody needs");
  Wire wire;
  wire.handle = action.connection;
  wire.endpoint = action.endpoint;
  wire.since = now_;
  wire.give_up = action.deadline + config_.connect_timeout / 8;
  wires_[action.connection.id] = wire;
  require(count(Wire::dialing) <= config_.max_connecting, "more dials at once than max_connecting");
}

void LeaseWorld::on(const pool::AbortDial& action) {
  const Wire* dialing = wire(action.connection);
  require(dialing != nullptr && dialing->state == Wire::dialing, "a dial was given up that is not running");
  if (dialing == nullptr) return;
  ++books_.dials;
  if (is_ticking_ && dialing->give_up <= now_) {
    ++books_.failures;
    has_failed_since_success_ = true;
  } else {
    require(is_draining_ || size() > config_.max_size, "a dial was given up for no reason");
    ++books_.abandoned;
  }
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
}

void LeaseWorld::on(const pool::Check& action) {
  Wire* checked = wire(action.connection);
  require(checked != nullptr && checked->state == Wire::unused, "a check of a connection that is not idle");
  require(action.deadline == now_ + config_.health_check_timeout, "a check with the wrong deadline");
  if (checked == nullptr) return;
  checked->state = Wire::checking;
  checked->since = now_;
  require(count(Wire::checking) <= config_.max_checking, "more checks at once than max_checking");
}

void LeaseWorld::on(const pool::Close& action) {
  Wire* closed = wire(action.connection);
  require(closed != nullptr, "a connection was closed twice");
  if (closed == nullptr) return;
  require(closed->state != Wire::held, "a connection was closed in its holder's hands");
  require(closed->state != Wire::dialing, "a connection was closed that is not up");
  if (closed->state == Wire::checking && action.reason == CloseReason::unhealthy && is_ticking_) {
    ++books_.health_checks;
    ++books_.failed_checks;
  }
  if (action.reason == CloseReason::lifetime) {
    const auto least =
        Nanoseconds(static_cast<std::int64_t>(static_cast<double>(config_.max_lifetime.count()) * 0.975) - 1);
    require(now_ - closed->up_since >= least, "a connection's life was cut short");
  }
  if (closed->state != Wire::cut) ++books_.closed[static_cast<std::size_t>(action.reason)];
  require(action.reason != CloseReason::drained || is_draining_, "closed as drained before drain");
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
}

void LeaseWorld::on(const pool::Break& action) {
  Wire* held = wire(action.connection);
  require(held != nullptr && (held->state == Wire::held || held->state == Wire::dead_in_hand), "cut what nobody holds");
  require(is_draining_ && now_ >= drain_deadline_, "cut before the deadline");
  if (held == nullptr) return;
  if (held->state == Wire::held) {
    active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                        static_cast<double>((now_ - integral_since_).count());
    integral_since_ = now_;
  }
  held->state = Wire::cut;
  ++books_.closed[static_cast<std::size_t>(CloseReason::drained)];
}

void LeaseWorld::lend(Wire& lent, Instant asked_at) {
  active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                      static_cast<double>((now_ - integral_since_).count());
  integral_since_ = now_;
  require(lent.state == Wire::unused, "a connection got a second owner");
  for (const auto& [id, other] : wires_) {
    require(other.state != Wire::unused || other.last_used <= lent.last_used,
            "not the connection used last was reused");
  }
  const bool is_too_old = config_.max_lifetime.count() > 0 && now_ - lent.up_since >= config_.max_lifetime;
  require(!is_too_old, "a connection was lent after the end of its life");
  require(now_ - lent.last_used < config_.max_idle_time, "a connection was lent that was unused for too long");
  lent.state = Wire::held;
  lent.since = now_;
  ++books_.acquired;
  wait_sum_ns_ += (now_ - asked_at).count();
  if (lent.has_been_used) {
    ++books_.reused;
    const auto measured = connects_[lent.endpoint];
    saved_ns_ += measured == 0 ? 0 : connect_sum_ns_[lent.endpoint] / measured;
  }
  lent.has_been_used = true;
}

void LeaseWorld::on(const pool::Grant& action) {
  require(!is_draining_, "a grant after drain");
  require(!askers_.empty(), "a grant although nobody waits");
  if (askers_.empty()) return;
  require(askers_.front().handle == action.waiter, "a waiter was served before one that came earlier");
  Wire* granted = wire(action.connection);
  require(granted != nullptr, "a connection was granted that is gone");
  if (granted != nullptr) lend(*granted, askers_.front().since);
  answered_.push_back(action.waiter);
  askers_.erase(askers_.begin());
}

void LeaseWorld::on(const pool::Reject& action) {
  const auto at =
      std::find_if(askers_.begin(), askers_.end(), [&](const Asker& a) { return a.handle == action.waiter; });
  require(at != askers_.end(), "a waiter was answered twice");
  if (at == askers_.end()) return;
  switch (action.error.code) {
    case ErrorCode::closed:
      require(is_draining_, "rejected as closed before drain");
      ++books_.stopped;
      break;
    case ErrorCode::timed_out:
      if (at->deadline <= now_ && is_ticking_) {
        ++books_.timeouts;
        break;
      }
      [[fallthrough]];  // the dials timed out
    default:
      require(size() == count(Wire::dialing), "rejected with a dial's error although a connection is up");
      ++books_.dial_errors;
  }
  answered_.push_back(action.waiter);
  askers_.erase(at);
}

void LeaseWorld::on(const pool::Drained& action) {
  require(is_draining_ && !is_drained_, "drained twice, or without being asked");
  require(size() == 0, "drained although connections are there");
  require(action.left == count(Wire::cut), "drained with the wrong number left");
  is_drained_ = true;
}

void LeaseWorld::check_books() {
  const pool::PoolGauges gauges = pool_->gauges();
  require(gauges.size == size(), "gauge size");
  require(gauges.active == count(Wire::held), "gauge active");
  require(gauges.idle == count(Wire::unused), "gauge idle");
  require(gauges.checking == count(Wire::checking), "gauge checking");
  require(gauges.connecting == count(Wire::dialing), "gauge connecting");
  require(gauges.failed == count(Wire::dead_in_hand), "gauge failed");
  require(gauges.waiters == askers_.size(), "gauge waiters");
  require(pool_->counters() == books_, "the counters differ from the fold of the trace");
  require(gauges.idle == 0 || gauges.waiters == 0, "somebody waits although a connection is idle");
  require(gauges.waiters <= config_.max_waiters, "more waiters than max_waiters");
  if (gauges.size > config_.max_size) {
    require(gauges.size <= largest_allowed_, "more connections than max_size");
    require(gauges.idle == 0 && gauges.connecting == 0, "over max_size, but idle connections or dials are kept");
  }
  for (const Asker& asker : askers_)
    require(pool_->wake_at() <= asker.deadline, "would wake after a waiter's deadline");
  for (const auto& [id, wire] : wires_) {
    if (wire.state == Wire::dialing) require(pool_->wake_at() <= wire.give_up, "would wake after a dial's deadline");
  }
  if (is_draining_ && !is_drained_)
    require(pool_->wake_at() <= drain_deadline_, "would wake after the drain's deadline");
  check_demand();
}

// Unless dials have failed lately, every dial that is wanted has begun.
void LeaseWorld::check_demand() {
  if (is_draining_ || has_failed_since_success_ || size() >= config_.max_size) return;
  const std::size_t connecting = count(Wire::dialing);
  if (connecting >= config_.max_connecting) return;
  require(askers_.size() <= connecting, "a waiter for whom nothing is dialled");
  require(size() >= config_.min_size, "fewer connections than min_size and no dial");
}

void LeaseWorld::check_statistics() {
  const pool::PoolStats stats = pool_->stats(now_);
  for (const double rate :
       {stats.hit_rate(), stats.reuse_rate(), stats.failure_rate(), stats.utilization(), stats.utilization_mean}) {
    require(rate >= 0.0 && rate <= 1.0, "a rate is not within 0 and 1");
  }
  const auto near = [](double a, double b) {
    return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
  };
  require(stats.wait.count == books_.acquired, "number of timed waits");
  require(stats.hold.count == books_.returned, "number of timed holds");
  require(near(stats.wait.mean_ns * static_cast<double>(stats.wait.count), static_cast<double>(wait_sum_ns_)),
          "sum of waits");
  require(near(stats.hold.mean_ns * static_cast<double>(stats.hold.count), static_cast<double>(hold_sum_ns_)),
          "sum of holds");
  require(stats.time_saved.count() == saved_ns_, "time saved");
  require(stats.connect.count == books_.created, "number of timed dials");
  const double open = static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                      static_cast<double>((now_ - integral_since_).count());
  const double life = static_cast<double>((now_ - start_).count());
  if (life > 0) {
    require(std::abs(std::min(1.0, (active_integral_ + open) / life) - stats.utilization_mean) < 1e-6,
            "mean utilization");
  }
  const auto infos = pool_->connections(now_);
  require(infos.size() == wires_.size(), "number of connections listed");
}

}  // namespace marketprism::simulation
