// The world's own books: what it makes of the pool's actions, and the rules it holds the pool to.
#include <algorithm>
#include <cmath>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

using pool::CloseReason;

LeaseWorld::Wire* LeaseWorld::wire(pool::ConnectionHandle handle) {
  const auto found =
      std::find_if(wires_.begin(), wires_.end(), [&](const Wire& any) { return any.handle.id == handle.id; });
  return found == wires_.end() ? nullptr : &*found;
}

LeaseWorld::Wire* LeaseWorld::pick(std::uint32_t which, std::initializer_list<Wire::State> states, bool may_be_stuck) {
  std::size_t fitting = 0;
  const auto fits = [&](const Wire& any) {
    return (may_be_stuck || !any.is_stuck) && std::find(states.begin(), states.end(), any.state) != states.end();
  };
  for (const Wire& any : wires_) fitting += fits(any) ? 1 : 0;
  if (fitting == 0) return nullptr;
  std::size_t skip = which % fitting;
  for (Wire& any : wires_) {
    if (fits(any) && skip-- == 0) return &any;
  }
  return nullptr;
}

// Keeps the order in which they were dialled.
void LeaseWorld::forget(Wire& gone) {
  --counts_[gone.state];
  wires_.erase(wires_.begin() + (&gone - wires_.data()));
}

void LeaseWorld::move(Wire& moved, Wire::State state) {
  if (moved.state == Wire::held || state == Wire::held) advance_integral();
  --counts_[moved.state];
  ++counts_[state];
  moved.state = state;
}

void LeaseWorld::advance_integral() {
  active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                      static_cast<double>((now_ - integral_since_).count());
  integral_since_ = now_;
}

bool LeaseWorld::is_in_set(std::uint32_t endpoint) const {
  return std::any_of(set_.begin(), set_.end(), [&](const auto& e) { return e.host == connects_[endpoint].name; });
}

bool LeaseWorld::is_standby(std::uint32_t endpoint) const {
  const std::uint32_t priority = pool_->endpoints()[endpoint].priority;
  return std::any_of(set_.begin(), set_.end(), [&](const auto& e) { return e.priority < priority; });
}

bool LeaseWorld::has_standby(std::uint32_t better) const {
  return std::any_of(wires_.begin(), wires_.end(), [&](const Wire& any) {
    return any.state != Wire::cut && pool_->endpoints()[any.endpoint].priority > pool_->endpoints()[better].priority;
  });
}

void LeaseWorld::take_actions() {
  while (auto action = pool_->next_action()) {
    const bool is_of_the_end =
        std::holds_alternative<pool::Close>(*action) || std::holds_alternative<pool::Cut>(*action);
    require(!is_drained_ || is_of_the_end, "an action after the end");
    std::visit([this](const auto& a) { on(a); }, *action);
    if (pool_->has_actions()) continue;
    for (const auto handle : std::exchange(closed_now_, {})) tell_closed(handle);
  }
  is_ticking_ = false;
}

void LeaseWorld::on(const pool::Dial& action) {
  require(!is_draining_, "a dial after drain");
  require(action.connection.id > last_id_, "an id was used twice");
  last_id_ = action.connection.id;
  require(action.endpoint < connects_.size() && is_in_set(action.endpoint), "an endpoint that is not in the set");
  require(action.deadline == now_ + config_.connect_timeout, "a dial with the wrong deadline");
  require(count(Wire::dialing) < config_.max_connecting, "more dials at once than max_connecting");
  require(sockets_open() < config_.max_size, "a dial although as many sockets as max_size are open");
  const bool is_wanted = askers_.size() > count(Wire::dialing) || size() < config_.min_size;
  if (!is_wanted && !has_standby(action.endpoint)) {
    require(standbys_left_ > 0, "a dial that nobody needs");
    if (standbys_left_ > 0) --standbys_left_;
  }
  ++dials_begun_;
  if (budget_) {
    if (budgeted_.size() == std::size_t{2} * budget_config_.count) {  // a full bucket, and what came in since
      require(now_ - budgeted_.front() >= budget_config_.interval, "more dials than the connect budget can give");
      budgeted_.pop_front();
    }
    budgeted_.push_back(now_);
  }
  Wire dialled;
  dialled.handle = action.connection;
  dialled.endpoint = action.endpoint;
  dialled.since = now_;
  dialled.give_up = action.deadline + config_.connect_timeout / 8;
  wires_.push_back(dialled);
  ++counts_[Wire::dialing];
}

void LeaseWorld::on(const pool::AbortDial& action) {
  Wire* given_up = wire(action.connection);
  require(given_up != nullptr && given_up->state == Wire::dialing, "a dial was given up that is not running");
  if (given_up == nullptr) return;
  ++books_.dials;
  if (is_ticking_ && given_up->give_up <= now_) {
    ++books_.failures;
    has_failed_since_success_ = true;
  } else {
    require(is_draining_ || size() > config_.max_size || !is_in_set(given_up->endpoint),
            "a dial was given up for no reason");
    ++books_.abandoned;
  }
  gone_.push_back(action.connection);
  forget(*given_up);
  begin_close(action.connection);
}

void LeaseWorld::on(const pool::Check& action) {
  Wire* checked = wire(action.connection);
  require(checked != nullptr && checked->state == Wire::unused, "a check of a connection that is not idle");
  require(action.deadline == now_ + config_.health_check_timeout, "a check with the wrong deadline");
  require(count(Wire::checking) < config_.max_checking, "more checks at once than max_checking");
  if (checked == nullptr) return;
  move(*checked, Wire::checking);
  checked->since = now_;
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
    has_failed_since_success_ |= !closed->is_proven;
  }
  if (action.reason == CloseReason::lifetime) {
    const auto least =
        Nanoseconds(static_cast<std::int64_t>(static_cast<double>(config_.max_lifetime.count()) * 0.975) - 1);
    require(now_ - closed->up_since >= least, "a connection's life was cut short");
  }
  if (action.reason == CloseReason::evicted) {
    const bool is_slow_check = closed->state == Wire::checking && size() == config_.max_size &&
                               count(Wire::unused) == 0 && askers_.size() > count(Wire::dialing) &&
                               now_ >= check_ends_at(*closed);
    const bool is_blamed = blamed_ == closed->endpoint;
    require(ledger_ != nullptr || is_slow_check || is_blamed || size() > config_.max_size ||
                !is_in_set(closed->endpoint) || is_standby(closed->endpoint),
            "a connection was evicted for no reason");
    const bool is_for_others = !is_slow_check && !is_blamed && size() <= config_.max_size &&
                               is_in_set(closed->endpoint) && !is_standby(closed->endpoint);
    require(!is_for_others || askers_.empty() || closed->has_been_used,
            "a connection was evicted before it served the one who waited for it");
  }
  const bool is_for_better = action.reason == CloseReason::evicted && blamed_ != closed->endpoint;
  if (is_for_better && is_standby(closed->endpoint)) ++standbys_left_;
  if (closed->state != Wire::cut) ++books_.closed[static_cast<std::size_t>(action.reason)];
  require(action.reason != CloseReason::drained || is_draining_, "closed as drained before drain");
  gone_.push_back(action.connection);
  const bool is_socket_closed = closed->is_socket_closed;
  const bool was_cut = closed->state == Wire::cut;
  forget(*closed);
  if (is_socket_closed) return;
  begin_close(action.connection);
  if (was_cut && !closes_at_once_) closing_.back().cut_at = Instant::max();  // the pool has said so before
}

void LeaseWorld::on(const pool::Break& action) {
  Wire* held = wire(action.connection);
  require(held != nullptr && (held->state == Wire::held || held->state == Wire::dead_in_hand), "cut what nobody holds");
  require(is_draining_ && now_ >= drain_deadline_, "cut before the deadline");
  if (held == nullptr) return;
  move(*held, Wire::cut);
  held->is_socket_closed = can_cut_held_;
  if (can_cut_held_) closed_now_.push_back(action.connection);
  ++books_.closed[static_cast<std::size_t>(CloseReason::drained)];
}

void LeaseWorld::lend(Wire& lent, Instant asked_at) {
  require(lent.state == Wire::unused, "a connection got a second owner");
  for (const Wire& other : wires_) {
    require(other.state != Wire::unused || other.last_used <= lent.last_used,
            "not the connection used last was reused");
  }
  const bool is_too_old = config_.max_lifetime.count() > 0 && now_ - lent.up_since >= config_.max_lifetime;
  require(!is_too_old, "a connection was lent after the end of its life");
  require(now_ - lent.last_used < config_.max_idle_time, "a connection was lent that was unused for too long");
  require(is_in_set(lent.endpoint), "a connection to an endpoint that is gone was lent again");
  move(lent, Wire::held);
  lent.since = now_;
  ++books_.acquired;
  wait_sum_ns_ += (now_ - asked_at).count();
  if (lent.has_been_used) {
    ++books_.reused;
    const Connects& measured = connects_[lent.endpoint];
    saved_ns_ += measured.count == 0 ? 0 : measured.sum_ns / measured.count;
  }
  lent.has_been_used = lent.is_proven = true;
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

void LeaseWorld::on(const pool::Overdue& action) {
  const Wire* held = wire(action.connection);
  require(held != nullptr && held->state == Wire::held, "a connection is overdue that nobody holds");
  require(held == nullptr || now_ - held->since > config_.leak_threshold, "a lease is overdue too early");
  ++books_.overdue;
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
  require(gauges.size + gauges.closing == sockets_open(), "gauge closing");
  require(pool_->counters() == books_, "the counters differ from the fold of the trace");
  require(gauges.idle == 0 || gauges.waiters == 0, "somebody waits although a connection is idle");
  require(gauges.waiters <= config_.max_waiters, "more waiters than max_waiters");
  if (gauges.size > config_.max_size) {
    require(gauges.size <= largest_allowed_, "more connections than max_size");
    require(gauges.idle == 0 && gauges.connecting == 0, "over max_size, but idle connections or dials are kept");
  }
  for (const Asker& asker : askers_)
    require(pool_->wake_at() <= asker.deadline, "would wake after a waiter's deadline");
  for (const Wire& any : wires_) {
    if (any.state == Wire::dialing) require(pool_->wake_at() <= any.give_up, "would wake after a dial's deadline");
  }
  for (const Closing& goodbye : closing_)
    require(pool_->wake_at() <= goodbye.cut_at, "would wake after the end of a close's time");
  if (is_draining_ && !is_drained_)
    require(pool_->wake_at() <= drain_deadline_, "would wake after the drain's deadline");
  check_sockets();
  check_demand();
  check_patience();
  check_rates();
}

// A check may take as long as a dial when somebody waits for it, or 10 ms.
Instant LeaseWorld::check_ends_at(const Wire& checked) const {
  const Connects& measured = connects_[checked.endpoint];
  const Nanoseconds dial(measured.count == 0 ? 0 : measured.sum_ns / measured.count);
  return checked.since + std::max<Nanoseconds>(dial, std::chrono::milliseconds(10));
}

// One that takes longer is given up, as soon as the dial that follows may begin.
void LeaseWorld::check_patience() {
  const std::size_t connecting = count(Wire::dialing);
  if (is_draining_ || has_failed_since_success_ || ledger_ != nullptr || size() != config_.max_size) return;
  if (askers_.size() <= connecting || connecting >= config_.max_connecting) return;
  for (const Wire& any : wires_) {
    if (any.state != Wire::checking) continue;
    const Instant latest = std::max({check_ends_at(any), now_, budget_ ? budget_->ready_at(now_) : now_});
    require(pool_->wake_at() <= latest, "a waiter waits for a check that takes longer than a dial");
  }
}

// Unless dials have failed lately, every dial that is wanted has begun, or will be as soon as the connect budget and
// the ledger allow it.
void LeaseWorld::check_demand() {
  if (is_draining_ || has_failed_since_success_ || sockets_open() >= config_.max_size) return;
  const std::size_t connecting = count(Wire::dialing);
  if (connecting >= config_.max_connecting) return;
  const bool is_waiter_unserved = askers_.size() > connecting;
  const bool is_small = size() < config_.min_size;
  if (!is_waiter_unserved && !is_small) return;
  if (budget_ && pool_->wake_at() <= budget_->ready_at(now_)) return;
  if (ledger_ == nullptr) {
    require(!is_waiter_unserved, "a waiter for whom nothing is dialled");
    require(!is_small, "fewer connections than min_size and no dial");
    return;
  }
  const bool is_permit_free = ledger_->available() > 0 && !ledger_->is_short() && ear_->notices.empty();
  require(!is_waiter_unserved || !is_permit_free, "a waiter for whom nothing is dialled although a permit is free");
  require(!is_small || pool_->wake_at() <= now_ + std::chrono::seconds(1),
          "fewer connections than min_size, and no look for a permit within a second");
}

void LeaseWorld::check_rates() {
  pool::PoolStats stats;
  stats.max_size = config_.max_size;
  stats.counters = pool_->counters();
  stats.gauges = pool_->gauges();
  for (const double rate : {stats.hit_rate(), stats.reuse_rate(), stats.failure_rate(), stats.utilization()}) {
    require(rate >= 0.0 && rate <= 1.0, "a rate is not within 0 and 1");
  }
}

void LeaseWorld::check_statistics() {
  const pool::PoolStats stats = pool_->stats(now_);
  require(stats.utilization_mean >= 0.0 && stats.utilization_mean <= 1.0, "mean utilization is not within 0 and 1");
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
