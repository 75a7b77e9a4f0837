// The part of SlotPool that shares a limit on connections with other pools, by the permits of a ledger.
#include <cassert>
#include <utility>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {

void SlotPool::use_ledger(PermitLedger& ledger, std::uint32_t member) {
  assert(connections_.size() == 0 && streams_.size() == 0 && member != PermitLedger::no_member);
  ledger_ = &ledger;
  ledger_member_ = member;
}

void SlotPool::permit_notice(PermitNotice notice, Instant now) {
  if (ledger_ == nullptr) return;
  if (phase_ != Phase::running) return ledger_->withdraw(ledger_member_);
  if (notice == PermitNotice::granted) {
    may_have_permit_ = true;
  } else {
    is_yielding_ = true;
  }
  wake_by(now);
}

void SlotPool::give_up_permits() {
  if (ledger_ == nullptr) return;
  for (std::size_t i = places_used(); i > 0; --i) ledger_->give_back(ledger_member_);
  ledger_->withdraw(ledger_member_);
  ledger_ = nullptr;
}

bool SlotPool::take_permit(bool is_spare) {
  if (ledger_ == nullptr) return true;
  if (is_spare) return ledger_->try_take_spare(ledger_member_);
  wants_permit_ = true;
  if (is_in_permit_line_) return false;
  // The permit of what is being closed comes soon: for it nobody else need give up a connection.
  if (ledger_->try_take(ledger_member_, closing_.empty())) return true;
  is_in_permit_line_ = true;
  is_yielding_ = true;  // what is of no use to the one who waits is given up by ourselves first
  return false;
}

bool SlotPool::lacks_permit() const { return ledger_ != nullptr && !may_have_permit_ && ledger_->available() == 0; }

// A tick begins: whoever still needs a permit says so while it lasts.
void SlotPool::begin_permits() {
  wants_permit_ = false;
  if (may_have_permit_) is_in_permit_line_ = false;
}

// A tick ends. True when something is left for another one at once.
bool SlotPool::settle_permits(Instant now) {
  if (ledger_ == nullptr) return false;
  const bool may_have_one = std::exchange(may_have_permit_, false);
  if (is_in_permit_line_ ? !wants_permit_ : may_have_one) {  // it is, or was, for a demand that has gone
    is_in_permit_line_ = false;
    ledger_->withdraw(ledger_member_);
  }
  const bool has_given_up = give_up_unused(now);
  // Streams that were kept off a connection now go there all the same.
  return has_given_up || (is_in_permit_line_ && waiting_for_room_ > 0 && best_room(0) != no_index);
}

// A connection that carries streams is never given up for others.
bool SlotPool::give_up_unused(Instant now) {
  is_yielding_ = is_yielding_ && ledger_->is_short();
  bool has_given_up = false;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    // What is being closed already is as good as given up.
    if (!is_yielding_ || ledger_->shortage() <= closing_.size()) break;
    const Connection& connection = connections_[i];
    if (connection.id == 0 || !connection.is_up || !connection.slots.empty() || !connection.to_drop.empty()) continue;
    if (connection.replaced_by != no_index || connection.replaces != no_index) continue;
    close(i, CloseReason::evicted, now);
    has_given_up = true;
  }
  return has_given_up;
}

}  // namespace marketprism::pool
