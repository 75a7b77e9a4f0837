// The part of SlotPool that looks after connections: dials, loss, upkeep.
#include <algorithm>
#include <cassert>
#include <utility>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {
SlotPool::SlotPool(const PoolConfig& config, const SlotConfig& slots, std::vector<Endpoint> endpoints)
    : config_(config.bounded()),
      slot_config_(slots.bounded()),
      rounds_(std::move(endpoints), config_.ejection, config_.dial_backoff, config_.seed) {
  assert(config_.validate());
}

void SlotPool::start(Instant now) {
  if (phase_ != Phase::made) return;
  phase_ = Phase::running;
  active_time_.start(now);
  wake_by(now);
}

void SlotPool::tick(Instant now) {
  closing_.cut_overdue(now, [this](SlotConnection closing) { actions_.push(SlotCut{closing}); });
  if (phase_ == Phase::running) {
    begin_permits();
    time_out_dials(now);
    time_out_asks(now);
    find_silent(now);
    retire(now);
    shed_surplus(now);
    pump(now);
  }
  const bool is_due_again = phase_ == Phase::running && settle_permits(now);
  set_wake(now);
  if (is_due_again) wake_by(now);
}

void SlotPool::pump(Instant now) {
  place_streams(now);
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id != 0 && connections_[i].is_up) send_messages(i, now);
  }
  while (dials_wanted() > 0 && may_dial(now)) start_dial(now);
}

std::size_t SlotPool::dials_wanted() const {
  const std::size_t capacity = slot_config_.streams_per_connection;
  const std::size_t needed = waiting_for_room_ / capacity + (waiting_for_room_ % capacity != 0 ? 1 : 0);
  std::size_t coming = connecting_;
  std::size_t counted = places_used();
  if (is_rotating_) {  // the one that takes over adds no room, and may come on top of max_size
    --counted;
    for (std::uint32_t i = 0; i < connections_.end(); ++i) {
      if (connections_[i].id != 0 && !connections_[i].is_up && connections_[i].replaces != no_index) --coming;
    }
  }
  if (needed <= coming || counted >= config_.max_size || connecting_ >= config_.max_connecting) return 0;
  return std::min({needed - coming, config_.max_size - counted, config_.max_connecting - connecting_});
}

// Takes what a dial needs: a place in the connect budget and a permit. One that is only `spare` waits for no permit.
bool SlotPool::may_dial(Instant now, bool is_spare) {
  if (now < rounds_.dial_after()) {
    wake_by(rounds_.dial_after());
    return false;
  }
  if (budget_ != nullptr && budget_->ready_at(now) > now) {
    wants_permit_ |= !is_spare;  // who is in line stays there
    wake_by(budget_->ready_at(now));
    return false;
  }
  if (!take_permit(is_spare)) return false;
  if (budget_ == nullptr || budget_->try_take(now)) return true;
  if (ledger_ != nullptr) ledger_->give_back(ledger_member_);  // another loop was faster
  wake_by(budget_->ready_at(now));
  return false;
}

// With `better_than`, at an endpoint of better priority than that one's.
std::uint32_t SlotPool::start_dial(Instant now, std::uint32_t better_than) {
  const auto attempt = better_than == no_index ? rounds_.start(now) : rounds_.start_better(better_than, now);
  assert(attempt);
  const SlotConnection handle = connections_.add();
  Connection& connection = connections_[handle.index];
  connection.attempt = *attempt;
  connection.created_at = now;
  connection.messages = TokenBucket(slot_config_.messages);
  const Instant deadline = now + config_.connect_timeout;
  connection.expires_at = deadline + config_.connect_timeout / 8;
  wake_by(connection.expires_at);
  ++connecting_;
  actions_.push(SlotDial{handle, attempt->endpoint, deadline});
  return handle.index;
}

bool SlotPool::dialed(SlotConnection handle, Instant now) {
  Connection* connection = connections_.find(handle);
  if (connection == nullptr || connection->is_up) return false;
  --connecting_;
  ++counters_.dials;
  ++counters_.created;
  connects_.add((now - connection->created_at).count());
  connection->is_up = true;
  connection->created_at = connection->unused_since = now;
  connection->expires_at = lifetime_end(now);
  watch_standby(*connection, now);
  if (connection->replaces != no_index) carry_over(connection->replaces, handle.index, now);
  wake_by(now);
  return true;
}

Instant SlotPool::lifetime_end(Instant now) {
  if (config_.max_lifetime.count() == 0) return Instant::max();
  const double share = 1.0 - config_.lifetime_jitter * rounds_.random().fraction();
  return now + Nanoseconds(static_cast<std::int64_t>(static_cast<double>(config_.max_lifetime.count()) * share));
}

void SlotPool::dial_failed(SlotConnection handle, Error error, Instant now) {
  const Connection* connection = connections_.find(handle);
  if (connection == nullptr || connection->is_up) return;
  fail_dial(handle.index, std::move(error), now);
  wake_by(now);
}

// One that has not ended by its deadline may have a socket open still.
void SlotPool::fail_dial(std::uint32_t index, Error error, Instant now, bool has_ended) {
  if (connections_[index].replaces != no_index) {
    // No stream has begun to move, and the rotation stays due: it is tried again as soon as dials may be.
    unlink_rotation(connections_[index].replaces);
    ++slot_counters_.rotations_failed;
  }
  ++counters_.dials;
  ++counters_.failures;
  --connecting_;
  rounds_.failed(connections_[index].attempt, std::move(error), now);
  if (has_ended) {
    forget(index);
    if (ledger_ != nullptr) ledger_->give_back(ledger_member_);
    return;
  }
  actions_.push(SlotAbortDial{connections_.handle_of(index)});
  await_close(index, now);
}

void SlotPool::abandon_dial(std::uint32_t index, Instant now) {
  const std::uint32_t old = connections_[index].replaces;
  if (old != no_index && connections_[old].replaced_by == index) unlink_rotation(old);
  ++counters_.dials;
  ++counters_.abandoned;
  --connecting_;
  actions_.push(SlotAbortDial{connections_.handle_of(index)});
  await_close(index, now);
}

void SlotPool::time_out_dials(Instant now) {
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.id == 0 || connection.is_up || connection.expires_at > now) continue;
    fail_dial(i, Error{ErrorCode::timed_out, "the dial did not end by its deadline", false, nullptr}, now, false);
  }
}

void SlotPool::lost(SlotConnection handle, Instant now) {
  const Connection* connection = connections_.find(handle);
  if (connection == nullptr || !connection->is_up) return;
  drop_connection(handle.index, CloseReason::broken, "connection lost", now);
}

// All streams of the connection lose their slot on it; one that was about to move goes on where it was to go.
void SlotPool::drop_connection(std::uint32_t index, CloseReason reason, std::string_view why, Instant now) {
  Connection& connection = connections_[index];
  const DialRounds::Attempt attempt = connection.attempt;
  const bool has_failed = has_failed_endpoint(connection, reason);
  if (connection.replaced_by != no_index) unlink_rotation(index);
  if (connection.replaces != no_index) give_up_rotation(connection.replaces, now);
  while (!connection.slots.empty()) {
    const std::uint32_t stream_index = connection.slots.back();
    Stream& stream = streams_[stream_index];
    Slot& slot = slot_on(stream, index);
    const bool is_carrier = &slot == &stream.carrier;
    const bool was_up = slot.phase == SlotPhase::up;
    leave(stream_index, slot, false, now);
    if (!is_carrier) continue;
    interrupt(stream_index, why, was_up);
    if (stream.successor.phase != SlotPhase::none) {
      stream.carrier = std::exchange(stream.successor, Slot{});
      continue;
    }
    await_room(stream_index, 0, now);
  }
  close(index, reason, now);
  if (has_failed) {
    rounds_.failed(attempt,
                   Error{ErrorCode::connection_closed,
                         endpoints()[attempt.endpoint].name() + " confirmed no stream before the connection ended",
                         false, nullptr},
                   now);
  }
  wake_by(now);
}

// It ended before it was of any use. Where streams are merely not confirmed, though other connections to the endpoint
// carry some, the streams are to blame.
bool SlotPool::has_failed_endpoint(const Connection& connection, CloseReason reason) const {
  if (connection.is_proven) return false;
  if (reason == CloseReason::broken) return true;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& other = connections_[i];
    if (other.id != 0 && other.up > 0 && other.attempt.endpoint == connection.attempt.endpoint) return false;
  }
  return true;
}

void SlotPool::close(std::uint32_t index, CloseReason reason, Instant now) {
  ++counters_.closed[static_cast<std::size_t>(reason)];
  actions_.push(SlotClose{connections_.handle_of(index), reason});
  const std::vector<StreamHandle> to_drop = std::move(connections_[index].to_drop);
  await_close(index, now);
  for (const StreamHandle handle : to_drop) {
    --streams_[handle.index].drops_pending;
    end_if_done(handle.index);
  }
}

void SlotPool::forget(std::uint32_t index) {
  rounds_.endpoints().connection_closed(connections_[index].attempt.endpoint);
  connections_.remove(index);
}

// It is gone but for its socket, which keeps its place and permit.
void SlotPool::await_close(std::uint32_t index, Instant now) {
  closing_.add(connections_.handle_of(index), now + config_.close_timeout);
  wake_by(closing_.cut_at());
  forget(index);
}

bool SlotPool::closed(SlotConnection handle, Instant now) {
  if (!closing_.remove(handle)) return false;
  if (ledger_ != nullptr) {
    ledger_->give_back(ledger_member_);
    // We are in line without having asked the others, since this permit was coming; it may have gone to one of them.
    if (is_in_permit_line_ && closing_.empty()) may_have_permit_ = true;
  }
  if (phase_ == Phase::running) wake_by(now);
  return true;
}

void SlotPool::closing(SlotConnection handle, Instant now) {
  Connection* connection = connections_.find(handle);
  if (connection == nullptr || !connection->is_up) return;
  connection->expires_at = std::min(connection->expires_at, now);
  wake_by(now);
}

void SlotPool::count_message(SlotConnection handle, Instant now) {
  if (Connection* connection = connections_.find(handle)) connection->messages.take(now);
}

// What is unused for too long goes; what is too old, or on a standby without need, is replaced, one at a time.
void SlotPool::retire(Instant now) {
  const bool may_go_back = now >= failback_at_;
  if (may_go_back) failback_at_ = Instant::max();
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.id == 0 || !connection.is_up) continue;
    if (may_go_back) watch_standby(connection, now);
    if (connection.replaced_by != no_index) {
      if (connection.slots.empty()) {  // what was left on it was removed or refused
        finish_rotation(i, now);
      } else if (connection.rotation_ends <= now) {
        give_up_rotation(i, now);
      }
      continue;
    }
    if (connection.replaces != no_index || connection.is_surplus) continue;
    const bool is_old = connection.expires_at <= now;
    if (connection.slots.empty() && connection.to_drop.empty()) {
      const bool is_unused = connection.unused_since + config_.max_idle_time <= now;
      if (is_old || is_unused) close(i, is_old ? CloseReason::lifetime : CloseReason::idle, now);
    } else if (is_old && !is_rotating_) {
      begin_rotation(i, CloseReason::lifetime, now);
    } else if (may_go_back && !is_rotating_ && endpoints().has_better(connection.attempt.endpoint, now)) {
      begin_rotation(i, CloseReason::evicted, now);
    }
  }
}

void SlotPool::set_wake(Instant now) {
  Instant wake = Instant::max();
  const auto by = [&wake](Instant when) { wake = std::min(wake, when); };
  const Instant may_dial_at =
      budget_ == nullptr ? rounds_.dial_after() : std::max(rounds_.dial_after(), budget_->ready_at(now));
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.id != 0) by(connection.is_up ? due(i, may_dial_at, now) : connection.expires_at);
  }
  for (const StreamHandle handle : unplaced_) {
    if (streams_[handle.index].retry_at > now) by(streams_[handle.index].retry_at);
  }
  if (dials_wanted() > 0 && !is_in_permit_line_) by(may_dial_at);
  if (connections_.size() > config_.max_size + (is_rotating_ ? 1 : 0)) by(now + slot_config_.overlap_timeout / 64);
  by(std::min(silence_scan_at_, failback_at_));
  wake_at_ = std::min(phase_ == Phase::running ? wake : Instant::max(), closing_.cut_at());
}

// When something is to be done next about a connection that is up.
Instant SlotPool::due(std::uint32_t index, Instant may_dial_at, Instant now) const {
  const Connection& connection = connections_[index];
  Instant wake = connection.rotation_ends;
  const auto by = [&wake](Instant when) { wake = std::min(wake, when); };
  const bool is_in_rotation = connection.replaced_by != no_index || connection.replaces != no_index;
  const bool is_waiting = is_in_permit_line_ || places_used() > config_.max_size;  // what it waits for wakes us
  if (connection.slots.empty() && connection.to_drop.empty()) {
    if (!is_in_rotation) by(std::min(connection.unused_since + config_.max_idle_time, connection.expires_at));
  } else if (!is_rotating_ && !(is_waiting && connection.expires_at <= now)) {
    by(std::max(connection.expires_at, may_dial_at));
  }
  if (!connection.to_drop.empty() || connection.queued > 0) by(connection.messages.ready_at(now));
  if (connection.up + connection.queued == connection.slots.size()) return wake;
  for (const auto stream : connection.slots) {
    const Slot& slot = slot_on(streams_[stream], index);
    if (slot.phase == SlotPhase::asked) by(slot.asked_at + slot_config_.subscribe_timeout);
  }
  return wake;
}

}  // namespace marketprism::pool
