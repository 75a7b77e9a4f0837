#include "marketprism/pool/lease_pool.hpp"

#include <cassert>
#include <utility>

namespace marketprism::pool {
namespace {

// The ledger tells nobody of a permit that nobody is in line for, so a pool below min_size looks after this time.
constexpr Nanoseconds spare_permit_look = std::chrono::seconds(1);

}  // namespace

LeasePool::LeasePool(const PoolConfig& config, std::vector<Endpoint> endpoints)
    : per_endpoint_(endpoints.size()),
      config_(config.bounded()),
      rounds_(std::move(endpoints), config_.ejection, config_.dial_backoff, config_.seed),
      keep_alives_(per_endpoint_.size()) {
  assert(config_.validate());
  take_config(config_);
  connections_.reserve(config_.max_size);
}

void LeasePool::take_config(const PoolConfig& config) {
  config_ = config.bounded();
  check_interval_ = config_.health_check_interval.count() > 0 ? config_.health_check_interval : longest_time;
}

void LeasePool::use_ledger(PermitLedger& ledger, std::uint32_t member) {
  assert(phase_ == Phase::made && member != PermitLedger::no_member);
  ledger_ = &ledger;
  ledger_member_ = member;
}

void LeasePool::start(Instant now) {
  if (phase_ != Phase::made) return;
  phase_ = Phase::running;
  active_time_.start(now);
  if (config_.leak_threshold.count() > 0) {
    overdue_scan_at_ = now;
    wake_by(now);
  }
  update_may_keep();
  pump(now);
}

ConnectionHandle LeasePool::try_acquire_after_retiring(Instant now, const std::source_location& where) {
  while (!idle_.empty()) {
    const std::uint32_t index = idle_.pop_front(connections_);
    Connection& connection = connections_[index];
    if (connection.retire_at > now) {
      note_reuse(connection, now);
      lend(connection, now, where);
      pump(now);  // may move the records
      return connections_.handle_of(index);
    }
    note_retirement(connection, now);
    close(index, connection.expires_at <= now ? CloseReason::lifetime : CloseReason::idle, now);
  }
  pump(now);
  return {};
}

Result<WaiterHandle> LeasePool::wait(Instant now, Nanoseconds timeout, std::source_location where) {
  if (phase_ != Phase::running) {
    ++counters_.stopped;
    return std::unexpected(not_running_error());
  }
  // Looked at first even if the caller has done so: nobody may wait while a connection is idle.
  const ConnectionHandle idle = try_acquire(now, where);
  if (!idle && waiters_.size() >= config_.max_waiters) {
    ++counters_.refused;
    return fail(
        ErrorCode::exhausted,
        "pool '" + config_.name + "': as many acquires as max_waiters allows are waiting: " + describe_gauges());
  }
  const WaiterHandle handle = waiter_records_.add();
  if (idle) {
    waiter_records_.remove(handle.index);
    actions_.push(Grant{handle, idle});
    return handle;
  }
  Waiter& waiter = waiter_records_[handle.index];
  waiter.since = now;
  waiter.deadline = now + std::clamp(timeout, Nanoseconds(0), longest_time);
  waiter.rounds_seen = rounds_.failed_rounds();
  waiter.where = where;
  wake_by(waiter.deadline);
  waiters_.push_back(waiter_records_, handle.index);
  waiter_deadlines_.add(waiter_records_, handle.index);
  pump(now);
  return handle;
}

bool LeasePool::cancel(WaiterHandle handle, Instant now) {
  if (waiter_records_.find(handle) == nullptr) return false;
  waiters_.erase(waiter_records_, handle.index);
  waiter_deadlines_.remove(waiter_records_, handle.index);
  waiter_records_.remove(handle.index);
  ++counters_.cancelled;
  pump(now);  // may leave the line for permits
  return true;
}

void LeasePool::grant(std::uint32_t waiter_index, std::uint32_t index, Instant now, bool is_fresh) {
  const Waiter& waiter = waiter_records_[waiter_index];
  if (now > waiter.since) waits_.add((now - waiter.since).count());
  if (is_fresh) ++counters_.dial_served;
  lend(connections_[index], now, waiter.where);
  actions_.push(Grant{waiter_records_.handle_of(waiter_index), connections_.handle_of(index)});
  waiters_.erase(waiter_records_, waiter_index);
  waiter_deadlines_.remove(waiter_records_, waiter_index);
  waiter_records_.remove(waiter_index);
}

void LeasePool::reject(std::uint32_t waiter_index, Error error) {
  actions_.push(Reject{waiter_records_.handle_of(waiter_index), std::move(error)});
  waiters_.erase(waiter_records_, waiter_index);
  waiter_deadlines_.remove(waiter_records_, waiter_index);
  waiter_records_.remove(waiter_index);
}

bool LeasePool::release_broken(ConnectionHandle handle, Instant now) {
  if (connections_.find(handle) == nullptr) return false;
  return release_slowly(handle.index, now, true);
}

bool LeasePool::release_slowly(std::uint32_t index, Instant now, bool is_broken) {
  Connection& connection = connections_[index];
  if (connection.state == ConnectionState::active) {
    end_hold(connection, now);
    if (is_broken) {
      ++connection.errors;
      close(index, CloseReason::broken, now);
    } else {
      settle(index, now, false);
    }
    pump(now);
    return true;
  }
  if (connection.state != ConnectionState::failed && connection.state != ConnectionState::closed) return false;
  ++counters_.returned;
  if (now > connection.since) holds_.add((now - connection.since).count());
  if (connection.state == ConnectionState::failed) {
    --failed_;
    close(index, CloseReason::broken, now);
    pump(now);
    return true;
  }
  --closed_held_;
  actions_.push(Close{connections_.handle_of(index), CloseReason::drained});
  connections_.remove(index);
  return true;
}

// A connection that is up and in nobody's hands: to the longest waiter, into the idle list or out of the pool.
void LeasePool::settle(std::uint32_t index, Instant now, bool is_fresh) {
  if (const auto reason = reason_to_go(connections_[index], now)) {
    close(index, *reason, now);
  } else if (!is_fresh && leave_standby(index, now)) {
    return;
  } else if (!waiters_.empty()) {
    grant(waiters_.front(), index, now, is_fresh);
  } else {
    make_idle(index, now);
  }
}

std::optional<CloseReason> LeasePool::reason_to_go(const Connection& connection, Instant now) const {
  if (phase_ != Phase::running) return CloseReason::drained;
  if (size() > config_.max_size) return CloseReason::evicted;
  if (connection.expires_at <= now) return CloseReason::lifetime;
  if (endpoints().is_removed(connection.attempt.endpoint)) return CloseReason::evicted;
  if (must_yield()) {
    // A new one serves once before it goes, or pools that all have waiters would dial in turn and serve none.
    const bool has_served = connection.uses > 0 && now - connection.created_at >= config_.permit_tenure;
    if (waiters_.empty() || has_served) return CloseReason::evicted;
  }
  return std::nullopt;
}

// What is being closed already is as good as given up.
bool LeasePool::must_yield() const { return is_yielding_ && ledger_->shortage() > closing_.size(); }

// A dial alone proves nothing: there are servers, and proxies before them, that accept and close.
void LeasePool::prove(Connection& connection, Instant now) {
  connection.is_proven = true;
  rounds_.succeeded(connection.attempt, now);
}

// The peer, or a check, has ended a connection that nobody holds.
void LeasePool::close_unhealthy(std::uint32_t index, Instant now) {
  Connection& connection = connections_[index];
  if (!connection.is_proven && now - connection.created_at >= proving_time) prove(connection, now);
  const DialRounds::Attempt attempt = connection.attempt;
  const bool has_failed = !connection.is_proven;
  close(index, CloseReason::unhealthy, now);
  if (!has_failed) return;
  const std::string name = endpoints()[attempt.endpoint].name();
  if (rounds_.failed(
          attempt,
          Error{ErrorCode::connection_closed, name + " accepted the connection and ended it unused", false, nullptr},
          now)) {
    reject_hopeless(now);
  }
}

// The connection must be out of every list and gauge.
void LeasePool::close(std::uint32_t index, CloseReason reason, Instant now) {
  ++counters_.closed[static_cast<std::size_t>(reason)];
  actions_.push(Close{connections_.handle_of(index), reason});
  await_close(index, now);
}

// It is gone but for its socket, which keeps its place and permit.
void LeasePool::await_close(std::uint32_t index, Instant now) {
  const Instant cut_at = now + config_.close_timeout;
  closing_.add(connections_.handle_of(index), cut_at);
  wake_by(cut_at);
  forget(index);
}

void LeasePool::forget(std::uint32_t index) {
  endpoints().connection_closed(connections_[index].attempt.endpoint);
  connections_.remove(index);
  update_may_keep();
  if (phase_ == Phase::draining && size() == 0) finish_drain(0);
}

bool LeasePool::closed(ConnectionHandle handle, Instant now) {
  if (!closing_.remove(handle)) return false;
  if (ledger_ != nullptr) {
    ledger_->give_back(ledger_member_);
    // We are in line without having asked the others, since this permit was coming; it may have gone to one of them.
    if (is_in_permit_line_ && closing_.empty()) try_permit_again(now);
    if (must_yield() && !idle_.empty()) evict_oldest_idle(now);
  }
  pump(now);
  return true;
}

void LeasePool::update_may_keep() {
  if (is_yielding_ && !ledger_->is_short()) is_yielding_ = false;
  if (has_removed_) has_removed_ = endpoints().has_removed_in_use();
  may_keep_ = phase_ == Phase::running && size() <= config_.max_size && !is_yielding_ && leaving_ == 0 && !has_removed_;
}

// Starts the dials that are wanted now. Called after everything that can change the demand.
void LeasePool::pump(Instant now) {
  if (is_yielding_) update_may_keep();
  if (phase_ != Phase::running) return;
  if (is_in_permit_line_) {
    if (dials_wanted(now) > 0) return;
    is_in_permit_line_ = false;
    ledger_->withdraw(ledger_member_);
  }
  if (dials_back_ > 0) dial_back(now);
  do {
    while (dials_wanted(now) > 0) {
      if (!start_dial(now)) return;
    }
  } while (give_up_check(now));
}

std::size_t LeasePool::dials_wanted(Instant now) {
  const std::size_t connecting = connecting_.size();
  if (places_used() >= config_.max_size || connecting >= config_.max_connecting) return 0;
  const std::size_t waiting = waiters_.size() > connecting ? waiters_.size() - connecting : 0;
  std::size_t missing = config_.min_size > size() ? config_.min_size - size() : 0;
  if (missing > 0 && ledger_ != nullptr) {
    // What is only kept up takes no permit that somebody needs: pools that ask each other to give up what each of them
    // is to keep would do so for ever.
    wake_by(now + spare_permit_look);
    if (ledger_->available() == 0 || ledger_->is_short()) missing = 0;
  }
  const std::size_t wanted =
      std::min({std::max(waiting, missing), config_.max_size - places_used(), config_.max_connecting - connecting});
  if (wanted > 0 && now < rounds_.dial_after()) {
    wake_by(rounds_.dial_after());
    return 0;
  }
  return wanted;
}

bool LeasePool::take_permit(bool is_awaited) {
  if (!is_awaited) return ledger_->try_take_spare(ledger_member_);
  // The permit of what is being closed comes soon: for it nobody else need give up a connection.
  if (ledger_->try_take(ledger_member_, closing_.empty())) return true;
  is_in_permit_line_ = true;
  return false;
}

// With `better_than`, at an endpoint of better priority than that one's.
bool LeasePool::start_dial(Instant now, std::uint32_t better_than) {
  if (budget_ != nullptr && budget_->ready_at(now) > now) {
    wake_by(budget_->ready_at(now));
    return false;
  }
  if (ledger_ != nullptr) {
    const bool is_awaited = better_than == no_index && waiters_.size() > connecting_.size();
    if (!take_permit(is_awaited)) return false;
  }
  if (budget_ != nullptr && !budget_->try_take(now)) {  // another loop was faster
    if (ledger_ != nullptr) ledger_->give_back(ledger_member_);
    wake_by(budget_->ready_at(now));
    return false;
  }
  const auto attempt = better_than == no_index ? rounds_.start(now) : rounds_.start_better(better_than, now);
  assert(attempt);
  const ConnectionHandle handle = connections_.add();
  Connection& connection = connections_[handle.index];
  connection.attempt = *attempt;
  connection.created_at = now;
  const Instant deadline = now + config_.connect_timeout;
  connection.expires_at = deadline + config_.connect_timeout / 8;  // the connector's own, better error comes first
  wake_by(connection.expires_at);
  connecting_.push_back(connections_, handle.index);
  actions_.push(Dial{handle, attempt->endpoint, deadline});
  if (ledger_ != nullptr && ledger_->has_waiting()) {
    // Who came in line before the permit was ours has not told us: without this it could starve.
    is_yielding_ = true;
    update_may_keep();
  }
  return true;
}

bool LeasePool::dialed(ConnectionHandle handle, Instant now) {
  Connection* connection = connections_.find(handle);
  if (connection == nullptr || connection->state != ConnectionState::connecting) return false;
  connecting_.erase(connections_, handle.index);
  ++counters_.dials;
  ++counters_.created;
  const std::int64_t took_ns = std::max<std::int64_t>((now - connection->created_at).count(), 0);
  connects_.add(took_ns);
  PerEndpoint& measured = per_endpoint_[connection->attempt.endpoint];
  measured.connect_ns += took_ns;
  measured.mean_connect_ns = measured.connect_ns / ++measured.connects;

  connection->created_at = now;
  wake_by(now + proving_time);
  connection->expires_at = lifetime_end(now);
  watch_standby(*connection, now);
  const bool frees_another = connection->frees_another;
  settle(handle.index, now, true);
  if (frees_another) free_one_standby(now);
  pump(now);
  return true;
}

Instant LeasePool::lifetime_end(Instant from) {
  if (config_.max_lifetime.count() == 0) return from + longest_time;
  const double share = 1.0 - config_.lifetime_jitter * rounds_.random().fraction();
  return from + Nanoseconds(static_cast<std::int64_t>(static_cast<double>(config_.max_lifetime.count()) * share));
}

void LeasePool::dial_failed(ConnectionHandle handle, Error error, Instant now) {
  const Connection* connection = connections_.find(handle);
  if (connection == nullptr || connection->state != ConnectionState::connecting) return;
  fail_dial(handle.index, std::move(error), now);
  pump(now);
}

// One that has not ended by its deadline may have a socket open still.
void LeasePool::fail_dial(std::uint32_t index, Error error, Instant now, bool has_ended) {
  const DialRounds::Attempt attempt = connections_[index].attempt;
  connecting_.erase(connections_, index);
  if (has_ended) {
    forget(index);
    if (ledger_ != nullptr) ledger_->give_back(ledger_member_);
  } else {
    actions_.push(AbortDial{connections_.handle_of(index)});
    await_close(index, now);
  }
  ++counters_.dials;
  ++counters_.failures;
  if (rounds_.failed(attempt, std::move(error), now)) reject_hopeless(now);
}

// Waiters get the dials' error when enough rounds have failed since they came. As long as some connection is up, they
// wait for its return instead.
void LeasePool::reject_hopeless(Instant now) {
  if (size() > connecting_.size()) return;
  while (!waiters_.empty()) {
    const Waiter& waiter = waiter_records_[waiters_.front()];
    if (!rounds_.last_error().is_terminal && rounds_.failed_rounds() - waiter.rounds_seen <= config_.retry_attempts)
      return;
    ++counters_.dial_errors;
    reject(waiters_.front(), dial_error(waiter, now));
  }
}

void LeasePool::abandon_dial(std::uint32_t index, Instant now) {
  ++counters_.dials;
  ++counters_.abandoned;
  connecting_.erase(connections_, index);
  actions_.push(AbortDial{connections_.handle_of(index)});
  await_close(index, now);
}

}  // namespace marketprism::pool
