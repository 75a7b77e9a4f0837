// The part of SlotPool that replaces connections without a break.
#include <algorithm>
#include <utility>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {

// A rotation may exceed max_size by one connection, and needs one permit more. When there is none, or a rotation that
// was given up has left that one connection behind, the streams go to a connection that is up already, if one has room
// for all. Else the old one carries them on until a permit comes: to close it first would be the break that the
// rotation is there to avoid. Going back to a better endpoint is not worth another's connection: it takes a permit that
// nobody needs.
void SlotPool::begin_rotation(std::uint32_t index, CloseReason why, Instant now) {
  const bool goes_back = why == CloseReason::evicted;
  const bool has_place = places_used() <= config_.max_size;
  std::uint32_t replacement = no_index;
  // Streams that nothing carries come before those that are only to be moved.
  if (ledger_ != nullptr && has_place && dials_wanted() > 0) return;
  if (!goes_back && (!has_place || lacks_permit())) replacement = room_for(index);
  if (replacement == no_index && !has_place) {
    const bool is_place_coming = connections_.size() <= config_.max_size;
    if (!goes_back && !is_place_coming) connections_[index].expires_at = now + slot_config_.overlap_timeout;
    return;
  }
  if (replacement == no_index) {
    if (!may_dial(now, goes_back)) return;
    replacement = start_dial(now, goes_back ? connections_[index].attempt.endpoint : no_index);  // may move the records
  }
  connections_[replacement].replaces = index;
  connections_[index].replaced_by = replacement;
  connections_[index].replaced_for = why;
  connections_[index].rotation_ends = now + config_.connect_timeout + slot_config_.overlap_timeout;
  wake_by(connections_[index].rotation_ends);
  is_rotating_ = true;
  if (connections_[replacement].is_up) carry_over(index, replacement, now);
}

// A connection that could take all streams of this one.
std::uint32_t SlotPool::room_for(std::uint32_t index) const {
  const std::size_t most = slot_config_.streams_per_connection - connections_[index].slots.size();
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (i != index && is_usable(connection) && connection.slots.size() + connection.to_drop.size() <= most) return i;
  }
  return no_index;
}

void SlotPool::carry_over(std::uint32_t from, std::uint32_t to, Instant now) {
  const std::vector<std::uint32_t> slots = connections_[from].slots;
  for (const auto index : slots) {
    Stream& stream = streams_[index];
    Slot& slot = slot_on(stream, from);
    const bool is_carrier = &slot == &stream.carrier;
    if (is_carrier && slot.phase == SlotPhase::up) {
      // One that is being moved elsewhere already needs no place here.
      if (stream.successor.phase == SlotPhase::none) enter(index, stream.successor, to, now);
      continue;
    }
    // Not yet up here: nothing to bridge.
    leave(index, slot, true, now);
    if (is_carrier && stream.successor.phase != SlotPhase::none) {
      stream.carrier = std::exchange(stream.successor, Slot{});
    } else if (is_carrier) {
      enter(index, slot, to, now);
    }
  }
  if (connections_[from].slots.empty()) finish_rotation(from, now);
}

void SlotPool::finish_rotation(std::uint32_t index, Instant now) {
  unlink_rotation(index);
  ++slot_counters_.rotations;
  close(index, connections_[index].replaced_for, now);
  wake_by(now);
}

// Streams that have moved stay where they are now; the others stay on the old connection, and it is tried again later.
void SlotPool::give_up_rotation(std::uint32_t index, Instant now) {
  const std::uint32_t replacement = connections_[index].replaced_by;
  unlink_rotation(index);
  ++slot_counters_.rotations_failed;
  connections_[index].expires_at = std::max(connections_[index].expires_at, now + slot_config_.overlap_timeout);
  const std::vector<std::uint32_t> slots = connections_[index].slots;
  for (const auto stream_index : slots) {
    Stream& stream = streams_[stream_index];
    if (stream.successor.phase != SlotPhase::none && stream.successor.connection == replacement) {
      leave(stream_index, stream.successor, true, now);
    }
  }
  wake_by(now);
}

void SlotPool::unlink_rotation(std::uint32_t index) {
  Connection& old = connections_[index];
  connections_[old.replaced_by].replaces = no_index;
  old.replaced_by = no_index;
  old.rotation_ends = Instant::max();
  is_rotating_ = false;
}

}  // namespace marketprism::pool
