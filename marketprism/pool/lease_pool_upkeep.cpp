// The part of LeasePool that runs in the background: health checks, retiring, time-outs, permits, drain and resize.
#include <cassert>
#include <utility>

#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::pool {
namespace {

// However fast dials are, a check that a waiter waits for is given so much time.
constexpr Nanoseconds check_patience_min = std::chrono::milliseconds(10);

}  // namespace

void LeasePool::tick(Instant now) {
  // What is done may make something else due at once: a connection that is retired makes another one spare, whose check
  // is over its time. The second round finds that.
  for (int round = 0; round < 3; ++round) {
    do_what_is_due(now);
    set_wake(now);
    if (wake_at_ > now) return;
  }
}

void LeasePool::do_what_is_due(Instant now) {
  time_out_waiters(now);
  time_out_work(now);
  closing_.cut_overdue(now, [this](ConnectionHandle closing) { actions_.push(Cut{closing}); });
  if (phase_ == Phase::running) {
    retire_and_check_idle(now);
    plan_failback(now);
    report_overdue(now);
  }
  if (phase_ == Phase::draining && now >= drain_deadline_) break_held(now);
  pump(now);
}

void LeasePool::set_wake(Instant now) {
  Instant wake = Instant::max();
  const auto by = [&wake](Instant when) { wake = std::min(wake, when); };
  if (!waiter_deadlines_.empty()) by(waiter_records_[waiter_deadlines_.top()].deadline);
  for (auto i = connecting_.front(); i != no_index; i = connections_[i].next) by(connections_[i].expires_at);
  for (auto i = checking_.front(); i != no_index; i = connections_[i].next) by(connections_[i].check_at);
  const bool may_start_check = checking_.size() < config_.max_checking;  // else the end of one wakes us
  for (auto i = idle_.front(); i != no_index; i = connections_[i].next) {
    by(connections_[i].retire_at);
    if (!connections_[i].is_proven) by(connections_[i].created_at + proving_time);
    if (may_start_check) by(check_due(connections_[i]));
  }
  by(closing_.cut_at());
  if (phase_ == Phase::draining) by(drain_deadline_);
  if (phase_ == Phase::running) by(std::min(failback_at_, overdue_scan_at_));
  wake_at_ = wake;
  if (phase_ != Phase::running) return;
  if (!is_in_permit_line_) wake_by(check_ends_at(now));
  // At the end of a pause, if something is wanted, or when the connect budget allows the next dial.
  if (dials_wanted(now) > 0 && budget_ != nullptr && !is_in_permit_line_) wake_by(budget_->ready_at(now));
}

void LeasePool::time_out_waiters(Instant now) {
  while (!waiter_deadlines_.empty()) {
    const std::uint32_t index = waiter_deadlines_.top();
    const Waiter& waiter = waiter_records_[index];
    if (waiter.deadline > now) return;
    ++counters_.timeouts;
    reject(index, timeout_error(waiter, now));
  }
}

// Connectors keep deadlines themselves; one that does not must not be able to hold up the pool.
void LeasePool::time_out_work(Instant now) {
  for (auto i = connecting_.front(); i != no_index;) {
    const std::uint32_t next = connections_[i].next;
    if (connections_[i].expires_at <= now) {
      fail_dial(i,
                Error{ErrorCode::timed_out,
                      "connecting to " + endpoints()[connections_[i].attempt.endpoint].name() +
                          " did not end by its deadline",
                      false, nullptr},
                now, false);
    }
    i = next;
  }
  for (auto i = checking_.front(); i != no_index;) {
    const std::uint32_t next = connections_[i].next;
    if (connections_[i].check_at <= now) finish_check(i, false, now);
    i = next;
  }
}

void LeasePool::retire_and_check_idle(Instant now) {
  for (auto i = idle_.back(); i != no_index;) {  // longest unused first
    Connection& connection = connections_[i];
    const std::uint32_t next = connection.prev;
    const bool stays = connection.retire_at > now;
    if (stays && !connection.is_proven && connection.created_at + proving_time <= now) prove(connection, now);
    if (!stays) {
      note_retirement(connection, now);
      idle_.erase(connections_, i);
      close(i, connections_[i].expires_at <= now ? CloseReason::lifetime : CloseReason::idle, now);
    } else if (checking_.size() < config_.max_checking && check_due(connection) <= now) {
      start_check(i, now);
    }
    i = next;
  }
}

// A check must not make an acquire wait, so half of the idle connections of a full pool, and its last one, are left
// alone for two intervals more.
Instant LeasePool::check_due(const Connection& connection) const {
  const bool is_spare = idle_.size() > checking_.size() + 1 || size() < config_.max_size;
  return is_spare ? connection.check_at : connection.check_at + 2 * check_interval_;
}

// When a full pool has nothing but checks for a waiter, a check may take as long as a dial to the endpoint takes. Then
// the connection makes room for a new one: it cannot be lent with half a check on it.
std::uint32_t LeasePool::slowest_check(Instant& ends_at) const {
  std::uint32_t found = no_index;
  ends_at = Instant::max();
  if (size() != config_.max_size || waiters_.size() <= connecting_.size()) return found;
  if (connecting_.size() >= config_.max_connecting) return found;  // the end of a dial comes first
  for (auto i = checking_.front(); i != no_index; i = connections_[i].next) {
    const Nanoseconds dial(per_endpoint_[connections_[i].attempt.endpoint].mean_connect_ns);
    const Instant end = connections_[i].since + std::max(dial, check_patience_min);
    if (end >= ends_at) continue;
    ends_at = end;
    found = i;
  }
  return found;
}

// Not before the dial that it makes room for may begin.
Instant LeasePool::check_ends_at(Instant now) const {
  Instant at;
  if (slowest_check(at) == no_index) return Instant::max();
  return std::max({at, rounds_.dial_after(), budget_ == nullptr ? now : budget_->ready_at(now)});
}

bool LeasePool::give_up_check(Instant now) {
  const Instant at = check_ends_at(now);
  if (at > now) {
    wake_by(at);
    return false;
  }
  Instant unused;
  const std::uint32_t index = slowest_check(unused);
  checking_.erase(connections_, index);
  close(index, CloseReason::evicted, now);
  return true;
}

void LeasePool::start_check(std::uint32_t index, Instant now) {
  Connection& connection = connections_[index];
  idle_.erase(connections_, index);
  checking_.push_back(connections_, index);
  connection.state = ConnectionState::checking;
  connection.since = now;
  connection.check_at = now + config_.health_check_timeout + config_.health_check_timeout / 8;
  wake_by(connection.check_at);
  actions_.push(Check{connections_.handle_of(index), now + config_.health_check_timeout});
}

void LeasePool::checked(ConnectionHandle handle, bool is_healthy, Instant now) {
  const Connection* connection = connections_.find(handle);
  if (connection == nullptr || connection->state != ConnectionState::checking) return;
  finish_check(handle.index, is_healthy, now);
  pump(now);
}

void LeasePool::finish_check(std::uint32_t index, bool is_healthy, Instant now) {
  Connection& connection = connections_[index];
  checking_.erase(connections_, index);
  ++counters_.health_checks;
  ++connection.health_checks;
  checks_.add((now - connection.since).count());
  wake_by(now);  // the next check that is due may start
  if (!is_healthy) {
    ++counters_.failed_checks;
    return close_unhealthy(index, now);
  }
  if (!connection.is_proven) prove(connection, now);
  if (const auto reason = reason_to_go(connection, now)) return close(index, *reason, now);
  if (connection.retire_at <= now) return close(index, CloseReason::idle, now);
  if (leave_standby(index, now)) return;
  if (!waiters_.empty()) return grant(waiters_.front(), index, now, false);
  put_back_in_order(index, now);
}

// Back to where it was: a check is no use, and must not keep a surplus connection alive.
void LeasePool::put_back_in_order(std::uint32_t index, Instant now) {
  Connection& connection = connections_[index];
  connection.state = ConnectionState::idle;
  connection.since = connection.idle_since;
  connection.check_at = now + check_interval_;
  wake_by(std::min(connection.check_at, connection.retire_at));
  std::uint32_t before = no_index;
  for (auto i = idle_.back(); i != no_index && connections_[i].since < connection.since; i = connections_[i].prev)
    before = i;
  idle_.insert_before(connections_, index, before);
}

void LeasePool::died(ConnectionHandle handle, Instant now) {
  Connection* connection = connections_.find(handle);
  if (connection == nullptr) return;
  switch (connection->state) {
    case ConnectionState::active:
      active_time_.advance(now, active_);
      --active_;
      ++failed_;
      ++connection->errors;
      connection->state = ConnectionState::failed;
      return;
    case ConnectionState::idle:
      note_server_close(*connection, now);
      idle_.erase(connections_, handle.index);
      break;
    case ConnectionState::checking: checking_.erase(connections_, handle.index); break;
    default: return;
  }
  close_unhealthy(handle.index, now);
  wake_by(now);
  pump(now);
}

void LeasePool::count_error(ConnectionHandle handle) {
  if (Connection* connection = connections_.find(handle)) ++connection->errors;
}

void LeasePool::permit_notice(PermitNotice notice, Instant now) {
  if (ledger_ == nullptr) return;
  if (notice == PermitNotice::granted) {
    return try_permit_again(now);
  }
  if (phase_ != Phase::running || !ledger_->is_short()) return;
  is_yielding_ = true;
  update_may_keep();
  if (idle_.empty() || !must_yield()) return;
  evict_oldest_idle(now);
  pump(now);
}

void LeasePool::try_permit_again(Instant now) {
  is_in_permit_line_ = false;
  pump(now);
  if (!is_in_permit_line_) ledger_->withdraw(ledger_member_);  // it was for a demand that has gone
}

void LeasePool::give_up_permits() {
  if (ledger_ == nullptr) return;
  for (std::size_t i = places_used(); i > 0; --i) ledger_->give_back(ledger_member_);
  ledger_ = nullptr;
}

void LeasePool::evict_oldest_idle(Instant now) {
  const std::uint32_t index = idle_.back();
  idle_.erase(connections_, index);
  close(index, CloseReason::evicted, now);
}

void LeasePool::drain(Instant now, Instant deadline) {
  if (phase_ == Phase::drained) return;
  drain_deadline_ = phase_ == Phase::draining ? std::min(drain_deadline_, deadline) : deadline;
  wake_by(drain_deadline_);
  if (phase_ == Phase::draining) return;
  phase_ = Phase::draining;
  update_may_keep();
  while (!waiters_.empty()) {
    ++counters_.stopped;
    reject(waiters_.front(), not_running_error());
  }
  if (size() == 0) return finish_drain(0);
  while (!connecting_.empty()) abandon_dial(connecting_.front(), now);
  while (!idle_.empty()) close(idle_.pop_front(connections_), CloseReason::drained, now);
  while (!checking_.empty()) close(checking_.pop_front(connections_), CloseReason::drained, now);
  if (ledger_ != nullptr) ledger_->withdraw(ledger_member_);
  if (phase_ == Phase::draining && now >= drain_deadline_) break_held(now);
}

// The drain's deadline has passed: what is still held is cut, and destroyed when its holder lets go.
void LeasePool::break_held(Instant now) {
  active_time_.advance(now, active_);
  std::size_t left = 0;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    Connection& connection = connections_[i];
    if (connection.id == 0) continue;
    assert(connection.state == ConnectionState::active || connection.state == ConnectionState::failed);
    connection.state = ConnectionState::closed;
    ++counters_.closed[static_cast<std::size_t>(CloseReason::drained)];
    endpoints().connection_closed(connection.attempt.endpoint);
    // Where the driver cannot cut it, its socket lasts as long as the lease.
    closing_.add(connections_.handle_of(i), Instant::max());
    actions_.push(Break{connections_.handle_of(i)});
    ++left;
  }
  active_ = failed_ = 0;
  closed_held_ = left;
  finish_drain(left);
}

void LeasePool::finish_drain(std::size_t left) {
  phase_ = Phase::drained;
  if (ledger_ != nullptr) ledger_->withdraw(ledger_member_);
  actions_.push(Drained{left});
}

Result<> LeasePool::resize(std::size_t min_size, std::size_t max_size, Instant now) {
  PoolConfig changed = config_;
  changed.min_size = min_size;
  changed.max_size = max_size;
  return reconfigure(std::move(changed), now);
}

Result<> LeasePool::reconfigure(PoolConfig config, Instant now) {
  config.keep_identity_of(config_);
  if (auto ok = config.validate(); !ok) return ok;
  active_time_.advance(now, active_);  // it is relative to max_size
  active_time_.scale(static_cast<double>(config.max_size) / static_cast<double>(config_.max_size));
  const bool has_new_times =
      config.max_lifetime != config_.max_lifetime || config.lifetime_jitter != config_.lifetime_jitter;
  take_config(config);
  stop_failback();
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    Connection& connection = connections_[i];
    if (connection.id == 0 || connection.state == ConnectionState::connecting) continue;
    if (has_new_times) connection.expires_at = lifetime_end(connection.created_at);
    watch_standby(connection, now);
    if (connection.state == ConnectionState::idle) connection.check_at = connection.since + check_interval_;
  }
  for (std::uint32_t i = 0; i < per_endpoint_.size(); ++i) apply_idle_limit(i);
  overdue_scan_at_ = config_.leak_threshold.count() > 0 && phase_ == Phase::running ? now : Instant::max();
  wake_by(now);
  shrink(now);
  update_may_keep();
  pump(now);
  return {};
}

std::size_t LeasePool::close_idle(Instant now) {
  const std::size_t count = idle_.size();
  while (!idle_.empty()) evict_oldest_idle(now);
  pump(now);
  return count;
}

void LeasePool::shrink(Instant now) {
  while (size() > config_.max_size && !connecting_.empty()) abandon_dial(connecting_.back(), now);
  while (size() > config_.max_size && !idle_.empty()) evict_oldest_idle(now);
}

// Leases that are out for too long, each once. Looked for now and then only, so that acquire and release pay nothing.
void LeasePool::report_overdue(Instant now) {
  if (now < overdue_scan_at_) return;
  overdue_scan_at_ = now + std::max<Nanoseconds>(config_.leak_threshold / 4, std::chrono::milliseconds(1));
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    Connection& connection = connections_[i];
    if (connection.state != ConnectionState::active || connection.id == 0) continue;
    if (connection.overdue_use == connection.uses || now - connection.since <= config_.leak_threshold) continue;
    connection.overdue_use = connection.uses;
    ++counters_.overdue;
    actions_.push(Overdue{connections_.handle_of(i), now - connection.since, connection.holder});
  }
}

}  // namespace marketprism::pool
