#include "marketprism/pool/permit_ledger.hpp"

#include <algorithm>
#include <cassert>

namespace marketprism::pool {

PermitLedger::PermitLedger(std::uint32_t permits, std::uint32_t max_members)
    : total_(permits),
      max_members_(max_members),
      members_(std::make_unique<Member[]>(max_members)),
      available_(permits) {
  assert(permits > 0 && max_members > 0);
}

std::uint32_t PermitLedger::join(std::shared_ptr<PermitListener> listener) {
  for (std::uint32_t i = 0; i < max_members_; ++i) {
    if (members_[i].is_taken.exchange(true)) continue;
    members_[i].listener.store(std::move(listener));
    std::uint32_t used = members_used_.load();
    while (used <= i && !members_used_.compare_exchange_weak(used, i + 1)) continue;
    return i;
  }
  return no_member;
}

bool PermitLedger::try_take(std::uint32_t member, bool may_ask) {
  Member& self = members_[member];
  if (take_reserved(self)) return true;
  // Nobody jumps the line: while others wait, a free permit is already on its way to one of them.
  if (!has_waiting() && decrement(available_)) {
    self.held.fetch_add(1);
    return true;
  }
  // Both in this order, so that whoever sees waiting_ > 0 finds a member that wants.
  if (self.wants.exchange(1) == 0) waiting_.fetch_add(1);
  hand_out();  // a permit may have come back between the two looks
  if (take_reserved(self)) return true;
  if (may_ask) announce_shortage(member);
  return false;
}

bool PermitLedger::try_take_spare(std::uint32_t member) {
  if (is_short() || !decrement(available_)) return false;
  members_[member].held.fetch_add(1);
  return true;
}

void PermitLedger::give_back(std::uint32_t member) {
  [[maybe_unused]] const bool had_one = decrement(members_[member].held);
  assert(had_one);
  put_back();
  hand_out();
}

void PermitLedger::resize(std::uint32_t permits) {
  assert(permits > 0);
  const std::uint32_t before = total_.exchange(permits);
  for (std::uint32_t i = before; i < permits; ++i) put_back();
  if (before > permits) surplus_.fetch_add(before - permits);
  settle_surplus();
  hand_out();
  for (std::uint32_t i = surplus_.load(); i > 0; --i) announce_shortage(no_member);
}

// Where too many are out, a permit that comes back ceases to be.
void PermitLedger::put_back() {
  if (!decrement(surplus_)) available_.fetch_add(1);
  settle_surplus();  // the ledger may have been made smaller between these two
}

void PermitLedger::settle_surplus() {
  while (surplus_.load() > 0 && decrement(available_)) {
    if (!decrement(surplus_)) available_.fetch_add(1);
  }
}

void PermitLedger::withdraw(std::uint32_t member) {
  Member& self = members_[member];
  if (self.wants.exchange(0) == 1) waiting_.fetch_sub(1);
  while (decrement(self.reserved)) put_back();
  hand_out();
}

void PermitLedger::leave(std::uint32_t member) {
  members_[member].listener.store(nullptr);
  withdraw(member);
  assert(members_[member].held.load() == 0);
  members_[member].is_taken = false;
}

bool PermitLedger::decrement(std::atomic<std::uint32_t>& value) {
  std::uint32_t seen = value.load();
  while (seen > 0) {
    if (value.compare_exchange_weak(seen, seen - 1)) return true;
  }
  return false;
}

bool PermitLedger::take_reserved(Member& member) {
  if (!decrement(member.reserved)) return false;
  member.held.fetch_add(1);
  return true;
}

// Gives free permits to those in line. After putting a permit back it looks again, since a member may have joined the
// line in between and found nothing.
void PermitLedger::hand_out() {
  while (waiting_.load() > 0 && decrement(available_)) {
    if (reserve_for_next()) continue;
    put_back();
  }
}

bool PermitLedger::reserve_for_next() {
  const std::uint32_t count = members_used_.load();
  const std::uint32_t start = cursor_.load();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t index = (start + i) % count;
    Member& member = members_[index];
    std::uint32_t one = 1;
    if (!member.wants.compare_exchange_strong(one, 0)) continue;
    waiting_.fetch_sub(1);
    cursor_.store(index + 1);
    member.reserved.fetch_add(1);
    tell(member, PermitNotice::granted);
    return true;
  }
  return false;
}

void PermitLedger::tell(Member& member, PermitNotice notice) {
  if (const auto listener = member.listener.load()) listener->permit_notice(notice);
}

void PermitLedger::announce_shortage(std::uint32_t from) {
  const std::uint32_t count = members_used_.load();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i != from && members_[i].held.load() > 0) tell(members_[i], PermitNotice::shortage);
  }
}

}  // namespace marketprism::pool
