"""The planted bugs: each changes one place of the pools' sources, which must be there exactly once. `name` says what goes
wrong; the simulation has to notice it."""
from typing import NamedTuple


class Mutation(NamedTuple):
    name: str
    file: str  # in marketprism/pool/
    old: str
    new: str


MUTATIONS = [
    Mutation("skip a permit return", "lease_pool.cpp",
             "    ledger_->give_back(ledger_member_);\n    // We are in line", "    // We are in line"),
    Mutation("give a permit back before the socket is closed", "lease_pool.cpp",
             "  closing_.add(connections_.handle_of(index), cut_at);",
             "  if (ledger_ != nullptr) ledger_->give_back(ledger_member_);\n"
             "  else closing_.add(connections_.handle_of(index), cut_at);"),
    Mutation("dial in the place of a socket that is still open", "lease_pool.cpp",
             "if (places_used() >= config_.max_size || connecting >= config_.max_connecting) return 0;",
             "if (size() >= config_.max_size || connecting >= config_.max_connecting) return 0;"),
    Mutation("leave for a better endpoint before the socket is closed", "lease_pool_endpoints.cpp",
             "const bool has_room = places_used() <", "const bool has_room = size() <"),
    Mutation("let a close hang", "lease_pool_upkeep.cpp", "{ actions_.push(Cut{closing}); });", "{ (void)closing; });"),
    Mutation("sleep past the end of a close's time", "lease_pool_upkeep.cpp", "  by(closing_.cut_at());\n", ""),
    Mutation("give the permit of an aborted dial back at once", "lease_pool.cpp",
             "  actions_.push(AbortDial{connections_.handle_of(index)});\n  await_close(index, now);",
             "  actions_.push(AbortDial{connections_.handle_of(index)});\n"
             "  if (ledger_ != nullptr) ledger_->give_back(ledger_member_);\n  forget(index);"),
    Mutation("make permits from nothing", "permit_ledger.cpp",
             "while (decrement(self.reserved)) put_back();",
             "while (decrement(self.reserved)) available_.fetch_add(2);"),
    Mutation("hand a connection over twice", "lease_pool.cpp",
             "    grant(waiters_.front(), index, now, is_fresh);\n",
             "    grant(waiters_.front(), index, now, is_fresh);\n"
             "    if (!waiters_.empty()) grant(waiters_.front(), index, now, is_fresh);\n"),
    Mutation("serve the newest waiter first", "lease_pool.cpp",
             "    grant(waiters_.front(), index, now, is_fresh);",
             "    grant(waiters_.back(), index, now, is_fresh);"),
    Mutation("drop a waiter whose time is up", "lease_pool_upkeep.cpp",
             "    reject(index, timeout_error(waiter, now));",
             "    waiters_.erase(waiter_records_, index);\n"
             "    waiter_deadlines_.remove(waiter_records_, index);\n"
             "    waiter_records_.remove(index);"),
    Mutation("sleep past a waiter's deadline", "lease_pool.cpp", "  wake_by(waiter.deadline);\n", ""),
    Mutation("reuse the oldest connection first", "lease_pool.hpp",
             "    idle_.push_front(connections_, index);", "    idle_.push_back(connections_, index);"),
    Mutation("lend a connection past its idle time", "lease_pool.cpp",
             "    if (connection.retire_at > now) {", "    if (connection.expires_at > now) {"),
    Mutation("count a hit twice", "lease_pool.cpp",
             "  if (idle) {\n    waiter_records_", "  if (idle) {\n    ++counters_.acquired;\n    waiter_records_"),
    Mutation("forget that time was relative to the old max_size", "lease_pool_upkeep.cpp",
             "  active_time_.scale(", "  if (config.max_size == 0) active_time_.scale("),
    Mutation("forget a cancel", "lease_pool.cpp",
             "  if (waiter_records_.find(handle) == nullptr) return false;\n  waiters_.erase",
             "  if (waiter_records_.find(handle) == nullptr) return false;\n  ++counters_.cancelled;\n"
             "  if (now > Instant::min()) return true;\n  waiters_.erase"),
    Mutation("exceed max_connecting", "lease_pool.cpp",
             "if (places_used() >= config_.max_size || connecting >= config_.max_connecting) return 0;",
             "if (places_used() >= config_.max_size) return 0;"),
    Mutation("ignore max_size on resize", "lease_pool_upkeep.cpp",
             "  while (size() > config_.max_size && !idle_.empty()) evict_oldest_idle(now);\n", ""),
    Mutation("keep a broken connection", "lease_pool.cpp", "    if (is_broken) {", "    if (is_broken && now == Instant::max()) {"),
    Mutation("take a stale handle for the record in its place", "slab.hpp",
             "handle.id != 0 && record.id == handle.id ?", "handle.id != 0 && record.id != 0 ?"),
    Mutation("keep what is returned after the drain has begun", "lease_pool.cpp",
             "  if (phase_ != Phase::running) return CloseReason::drained;\n", ""),
    Mutation("leave a waiter in line when the drain begins", "lease_pool_upkeep.cpp",
             "  while (!waiters_.empty()) {\n    ++counters_.stopped;",
             "  while (waiters_.size() > 1) {\n    ++counters_.stopped;"),
    Mutation("forget when the connect budget allows the next dial", "lease_pool_upkeep.cpp",
             "  if (dials_wanted(now) > 0 && budget_ != nullptr && !is_in_permit_line_) wake_by(budget_->ready_at(now));",
             "  dials_wanted(now);"),
    Mutation("dial more than the connect budget gives", "lease_pool.cpp",
             "  if (budget_ != nullptr && budget_->ready_at(now) > now) {\n    wake_by(budget_->ready_at(now));\n"
             "    return false;\n  }\n",
             "  ConnectBudget* const budget_ = nullptr;\n"),
    Mutation("stand in line for permits to keep min_size up", "lease_pool.cpp",
             "    if (ledger_->available() == 0 || ledger_->is_short()) missing = 0;\n"
             "  }",
             "    if (!is_in_permit_line_ && !ledger_->try_take(ledger_member_)) is_in_permit_line_ = true;\n"
             "    else if (!is_in_permit_line_) ledger_->give_back(ledger_member_);\n"
             "  }"),
    Mutation("never look for a permit for min_size again", "lease_pool.cpp",
             "    wake_by(now + spare_permit_look);\n", ""),
    Mutation("give a connection up before it has served its waiter", "lease_pool.cpp",
             "const bool has_served = connection.uses > 0 && now", "const bool has_served = now"),
    Mutation("take a dial for a success before the connection is of use", "slot_pool_connections.cpp",
             "  if (connection.is_proven) return false;\n", "  if (connection.is_up) return false;\n"),
    Mutation("dial again at once when a server accepts and closes", "lease_pool.cpp",
             "  const bool has_failed = !connection.is_proven;", "  const bool has_failed = connection.id == 0;"),
    Mutation("let an acquire wait for a slow check", "lease_pool_upkeep.cpp",
             "std::max(dial, check_patience_min);", "std::max(dial, config_.health_check_timeout);"),
    Mutation("give a check up before it has taken as long as a dial", "lease_pool_upkeep.cpp",
             "connections_[i].since + std::max(dial, check_patience_min);", "connections_[i].since;"),
    Mutation("stay on the standby", "lease_pool_endpoints.cpp", "  while (dials_back_ > 0) {", "  while (dials_back_ > 64) {"),
    Mutation("deliver a stream after its end", "slot_pool.cpp",
             "if (stream == nullptr || stream->is_ending || connections_.find(connection) == nullptr) return;\n"
             "  Slot* slot = find_slot(*stream, connection.index);\n  if (slot != nullptr &&",
             "if (stream == nullptr || connections_.find(connection) == nullptr) return;\n"
             "  Slot* slot = find_slot(*stream, connection.index);\n"
             "  if (stream->is_ending) actions_.push(StreamUp{handle, connection, {}});\n  if (slot != nullptr &&"),
    Mutation("lose a subscription when its connection is lost", "slot_pool_connections.cpp",
             "      continue;\n    }\n    await_room(stream_index, 0, now);", "      continue;\n    }"),
    Mutation("wake all the time for the end of a surplus connection", "slot_pool_connections.cpp",
             "const bool is_waiting = is_in_permit_line_ || places_used() > config_.max_size;",
             "const bool is_waiting = is_in_permit_line_;"),
    Mutation("wake all the time for a rotation that waits for a permit", "slot_pool_connections.cpp",
             "const bool is_waiting = is_in_permit_line_ || places_used() > config_.max_size;",
             "const bool is_waiting = places_used() > config_.max_size;"),
    Mutation("put more streams on a connection than it carries", "slot_pool.cpp",
             "         connection.slots.size() + connection.to_drop.size() < slot_config_.streams_per_connection;",
             "         connection.slots.size() < slot_config_.streams_per_connection;"),
    Mutation("dial without a permit for slots", "slot_pool_permits.cpp",
             "  if (ledger_ == nullptr) return true;\n", "  if (ledger_ == nullptr || !is_spare) return true;\n"),
    Mutation("keep the permit of a slot connection", "slot_pool_connections.cpp",
             "    ledger_->give_back(ledger_member_);\n    // We are in line", "    // We are in line"),
    Mutation("give a slot connection's permit back before its socket is closed", "slot_pool_connections.cpp",
             "  closing_.add(connections_.handle_of(index), now + config_.close_timeout);",
             "  if (ledger_ != nullptr) ledger_->give_back(ledger_member_);\n"
             "  else closing_.add(connections_.handle_of(index), now + config_.close_timeout);"),
    Mutation("dial for slots in the place of a socket that is still open", "slot_pool_connections.cpp",
             "  std::size_t counted = places_used();", "  std::size_t counted = connections_.size();"),
    Mutation("rotate while the socket of the last rotation is still open", "slot_pool_rotation.cpp",
             "const bool has_place = places_used() <=", "const bool has_place = connections_.size() <="),
    Mutation("let a slot connection's close hang", "slot_pool_connections.cpp",
             "{ actions_.push(SlotCut{closing}); });", "{ (void)closing; });"),
    Mutation("give up a connection that carries streams", "slot_pool_permits.cpp",
             "!connection.slots.empty() || !connection.to_drop.empty()", "!connection.to_drop.empty()"),
    Mutation("stay in line for a permit that no stream needs", "slot_pool_permits.cpp",
             "if (is_in_permit_line_ ? !wants_permit_ : may_have_one) {", "if (may_have_one && !is_in_permit_line_) {"),
    Mutation("forget that a permit was granted", "slot_pool_permits.cpp",
             "  if (may_have_permit_) is_in_permit_line_ = false;\n", ""),
    Mutation("break before make", "slot_pool_rotation.cpp",
             "  if (connections_[replacement].is_up) carry_over(index, replacement, now);",
             "  if (connections_[replacement].is_up) carry_over(index, replacement, now);\n"
             "  else drop_connection(index, why, \"rotated\", now);"),
    Mutation("keep the idle connections of an endpoint whose request failed", "lease_pool_endpoints.cpp",
             "  evict_idle([&](std::uint32_t i) { return connections_[i].attempt.endpoint == endpoint; }, now);\n", ""),
    Mutation("lead a failed request elsewhere where there is nothing else", "dial_rounds.cpp",
             "  return has_other;\n", "  return true;\n"),
]
