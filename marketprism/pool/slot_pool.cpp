// The part of SlotPool that looks after streams: placing, confirming, moving, silence.
#include "marketprism/pool/slot_pool.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace marketprism::pool {

Result<StreamHandle> SlotPool::place(Instant now, Nanoseconds silence_limit) {
  if (phase_ != Phase::running) {
    return fail(ErrorCode::closed, "pool '" + config_.name + "' is not running: no stream can be placed");
  }
  const std::size_t most = std::min(slot_config_.max_streams, config_.max_size * slot_config_.streams_per_connection);
  if (streams_.size() >= most) {
    return fail(ErrorCode::exhausted,
                "pool '" + config_.name + "' carries " + std::to_string(most) +
                    " streams, as many as max_size connections of streams_per_connection (or max_streams) allow");
  }
  const StreamHandle handle = streams_.add();
  streams_[handle.index].silence_limit = silence_limit;
  if (silence_limit.count() > 0) {
    silence_scan_interval_ =
        std::clamp<Nanoseconds>(silence_limit / 4, std::chrono::milliseconds(10), silence_scan_interval_);
    silence_scan_at_ = std::min(silence_scan_at_, now + silence_scan_interval_);
    wake_by(silence_scan_at_);
  }
  await_room(handle.index, 0, now);
  wake_by(now);  // not at once: what is placed together goes into one message
  return handle;
}

void SlotPool::resubscribe(StreamHandle handle, Instant now) {
  Stream* stream = streams_.find(handle);
  if (stream == nullptr || stream->is_ending) return;
  if (stream->carrier.phase != SlotPhase::up || stream->successor.phase != SlotPhase::none) return;
  const std::uint32_t connection = stream->carrier.connection;
  leave(handle.index, stream->carrier, true, now);
  interrupt(handle.index, "asked for anew", true);
  enter(handle.index, stream->carrier, connection, now);
  wake_by(now);
}

bool SlotPool::remove(StreamHandle handle, Instant now) {
  Stream* stream = streams_.find(handle);
  if (stream == nullptr || stream->is_ending) return false;
  stream->is_ending = true;
  if (stream->carrier.phase == SlotPhase::none) std::erase(unplaced_, handle);
  if (stream->successor.phase != SlotPhase::none) leave(handle.index, stream->successor, true, now);
  if (stream->carrier.phase != SlotPhase::none) leave(handle.index, stream->carrier, true, now);
  end_if_done(handle.index);
  wake_by(now);
  return true;
}

SlotPool::Slot* SlotPool::find_slot(Stream& stream, std::uint32_t connection) {
  if (stream.carrier.phase != SlotPhase::none && stream.carrier.connection == connection) return &stream.carrier;
  if (stream.successor.phase != SlotPhase::none && stream.successor.connection == connection) return &stream.successor;
  return nullptr;
}

SlotPool::Slot& SlotPool::slot_on(Stream& stream, std::uint32_t connection) {
  Slot* slot = find_slot(stream, connection);
  assert(slot != nullptr);
  return *slot;
}

const SlotPool::Slot& SlotPool::slot_on(const Stream& stream, std::uint32_t connection) {
  return slot_on(const_cast<Stream&>(stream), connection);
}

bool SlotPool::is_usable(const Connection& connection) const {
  return connection.id != 0 && connection.is_up && !connection.is_surplus && connection.replaced_by == no_index &&
         connection.slots.size() + connection.to_drop.size() < slot_config_.streams_per_connection;
}

// The fullest connection that has room, so that as few as possible are needed.
std::uint32_t SlotPool::best_room(std::uint64_t avoid) const {
  std::uint32_t best = no_index;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    // Room on the connection that takes over another's streams is theirs.
    if (!is_usable(connection) || connection.id == avoid || connection.replaces != no_index) continue;
    if (best == no_index || connection.slots.size() > connections_[best].slots.size()) best = i;
  }
  return best;
}

void SlotPool::place_streams(Instant now) {
  waiting_for_room_ = 0;
  if (unplaced_.empty()) return;
  const bool may_open_more = connections_.size() < config_.max_size && !is_in_permit_line_;
  std::deque<StreamHandle> left;
  for (const StreamHandle handle : unplaced_) {
    Stream& stream = streams_[handle.index];
    assert(stream.id == handle.id && stream.carrier.phase == SlotPhase::none);
    if (stream.retry_at > now) {
      left.push_back(handle);
      continue;
    }
    std::uint32_t connection = best_room(stream.avoid);
    if (connection == no_index && !may_open_more) connection = best_room(0);
    if (connection == no_index) {
      ++waiting_for_room_;
      left.push_back(handle);
      continue;
    }
    stream.avoid = 0;
    enter(handle.index, stream.carrier, connection, now);
  }
  unplaced_ = std::move(left);
}

void SlotPool::enter(std::uint32_t stream, Slot& slot, std::uint32_t connection, Instant now) {
  assert(slot.phase == SlotPhase::none);
  if (connections_[connection].slots.empty()) {
    active_time_.advance(now, active_);
    ++active_;
  }
  slot = {connection, SlotPhase::queued, {}};
  connections_[connection].slots.push_back(stream);
  ++connections_[connection].queued;
}

void SlotPool::leave(std::uint32_t stream, Slot& slot, bool must_unsubscribe, Instant now) {
  assert(slot.phase != SlotPhase::none);
  Connection& connection = connections_[slot.connection];
  if (slot.phase == SlotPhase::queued) --connection.queued;
  if (slot.phase == SlotPhase::up) {
    --connection.up;
    if (&slot == &streams_[stream].carrier) --streams_up_;
  }
  if (must_unsubscribe && slot.phase != SlotPhase::queued) {
    connection.to_drop.push_back(streams_.handle_of(stream));
    ++streams_[stream].drops_pending;
    wake_by(now);
  }
  const auto at = std::find(connection.slots.begin(), connection.slots.end(), stream);
  assert(at != connection.slots.end());
  connection.slots.erase(at);
  if (connection.slots.empty()) {
    connection.unused_since = now;
    active_time_.advance(now, active_);
    --active_;
  }
  slot = Slot{};
}

void SlotPool::subscribed(SlotConnection connection, StreamHandle handle, Instant now) {
  Stream* stream = streams_.find(handle);
  if (stream == nullptr || stream->is_ending || connections_.find(connection) == nullptr) return;
  Slot* slot = find_slot(*stream, connection.index);
  if (slot != nullptr && slot->phase == SlotPhase::asked) confirm(handle.index, *slot, now);
}

void SlotPool::confirm(std::uint32_t index, Slot& slot, Instant now) {
  Stream& stream = streams_[index];
  Connection& connection = connections_[slot.connection];
  slot.phase = SlotPhase::up;
  ++connection.up;
  if (!std::exchange(connection.is_proven, true)) {
    rounds_.succeeded(connection.attempt, now);
    wake_by(now);  // the pause between dials has ended
  }
  stream.last_message = now;
  if (&slot == &stream.successor) return take_over(index, now);
  ++streams_up_;
  actions_.push(StreamUp{streams_.handle_of(index), connections_.handle_of(slot.connection), {}});
}

// The successor is up: from now on it carries the stream.
void SlotPool::take_over(std::uint32_t index, Instant now) {
  Stream& stream = streams_[index];
  const std::uint32_t from = stream.carrier.connection;
  const SlotConnection previous = connections_.handle_of(from);
  const bool is_retiring = connections_[from].replaced_by != no_index;
  leave(index, stream.carrier, true, now);  // even when retiring: the rotation may yet be given up
  stream.carrier = std::exchange(stream.successor, Slot{});
  ++streams_up_;
  ++slot_counters_.moved;
  actions_.push(StreamUp{streams_.handle_of(index), connections_.handle_of(stream.carrier.connection), previous});
  if (is_retiring && connections_[from].slots.empty()) finish_rotation(from, now);
}

void SlotPool::refused(SlotConnection connection, StreamHandle handle, Error error, Instant now) {
  Stream* stream = streams_.find(handle);
  if (stream == nullptr || stream->is_ending || connections_.find(connection) == nullptr) return;
  Slot* slot = find_slot(*stream, connection.index);
  if (slot == nullptr || slot->phase != SlotPhase::asked) return;
  const bool is_carrier = slot == &stream->carrier;
  ++connections_[slot->connection].errors;
  leave(handle.index, *slot, false, now);
  wake_by(now);  // the connection may have nothing more to do
  if (error.is_terminal) {
    ++slot_counters_.refused;
    if (stream->successor.phase != SlotPhase::none) leave(handle.index, stream->successor, true, now);
    const bool was_up = stream->carrier.phase == SlotPhase::up;
    if (stream->carrier.phase != SlotPhase::none) leave(handle.index, stream->carrier, true, now);
    interrupt(handle.index, "refused", was_up);
    stream->is_ending = true;
    stream->refusal = std::move(error);
    end_if_done(handle.index);
    return;
  }
  if (!is_carrier) return;  // it is still carried; the rotation tries again later
  if (stream->successor.phase != SlotPhase::none) {
    stream->carrier = std::exchange(stream->successor, Slot{});
    return;
  }
  await_room(handle.index, 0, now + slot_config_.subscribe_timeout);
}

void SlotPool::await_room(std::uint32_t index, std::uint64_t avoid, Instant retry_at) {
  Stream& stream = streams_[index];
  assert(stream.carrier.phase == SlotPhase::none && stream.successor.phase == SlotPhase::none);
  stream.avoid = avoid;
  stream.retry_at = retry_at;
  unplaced_.push_back(streams_.handle_of(index));
  wake_by(retry_at);
}

void SlotPool::interrupt(std::uint32_t stream, std::string_view why, bool was_up) {
  if (!was_up) return;
  ++slot_counters_.interrupted;
  actions_.push(StreamDown{streams_.handle_of(stream), why});
}

void SlotPool::end_if_done(std::uint32_t index) {
  Stream& stream = streams_[index];
  if (!stream.is_ending || stream.drops_pending > 0) return;
  actions_.push(StreamEnd{streams_.handle_of(index), std::move(stream.refusal)});
  streams_.remove(index);
}

void SlotPool::time_out_asks(Instant now) {
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id == 0 || connections_[i].up + connections_[i].queued == connections_[i].slots.size())
      continue;
    std::vector<std::uint32_t> late;
    for (const auto index : connections_[i].slots) {
      const Slot& slot = slot_on(streams_[index], i);
      if (slot.phase == SlotPhase::asked && slot.asked_at + slot_config_.subscribe_timeout <= now)
        late.push_back(index);
    }
    if (late.empty()) continue;
    slot_counters_.not_confirmed += late.size();
    if (connections_[i].up == 0) {  // it has confirmed nothing: it is the connection that does not work
      drop_connection(i, CloseReason::unhealthy, "not confirmed", now);
      continue;
    }
    for (const auto index : late) time_out_ask(index, i, now);
  }
}

void SlotPool::time_out_ask(std::uint32_t index, std::uint32_t connection, Instant now) {
  Stream& stream = streams_[index];
  Slot& slot = slot_on(stream, connection);
  const bool is_carrier = &slot == &stream.carrier;
  ++connections_[connection].errors;
  leave(index, slot, true, now);
  if (!is_carrier) return;  // still carried; a rotation or the silence limit asks again
  if (stream.successor.phase != SlotPhase::none) {
    stream.carrier = std::exchange(stream.successor, Slot{});
  } else {
    await_room(index, connections_[connection].id, now);
  }
}

void SlotPool::find_silent(Instant now) {
  if (now < silence_scan_at_) return;
  silence_scan_at_ = streams_.size() == 0 ? Instant::max() : now + silence_scan_interval_;
  std::vector<std::uint32_t> silent;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id == 0 || !connections_[i].is_up) continue;
    silent.clear();
    std::size_t limited = 0;
    for (const auto index : connections_[i].slots) {
      const Stream& stream = streams_[index];
      if (stream.silence_limit.count() == 0 || stream.carrier.connection != i || stream.carrier.phase != SlotPhase::up)
        continue;
      ++limited;
      if (now - stream.last_message > stream.silence_limit && stream.successor.phase == SlotPhase::none)
        silent.push_back(index);
    }
    slot_counters_.silent += silent.size();
    if (limited > 1 && silent.size() == limited) {  // all at once: the connection is dead
      drop_connection(i, CloseReason::unhealthy, "silent", now);
      continue;
    }
    for (const auto index : silent) move_elsewhere(index, now);
  }
}

void SlotPool::move_elsewhere(std::uint32_t index, Instant now) {
  Stream& stream = streams_[index];
  const std::uint32_t from = stream.carrier.connection;
  stream.last_message = now;
  ++connections_[from].errors;
  const std::uint32_t target = best_room(connections_[from].id);
  if (target != no_index) {
    enter(index, stream.successor, target, now);
    wake_by(now);
    return;
  }
  leave(index, stream.carrier, true, now);
  interrupt(index, "silent", true);
  await_room(index, connections_[from].id, now);
}

void SlotPool::send_messages(std::uint32_t index, Instant now) {
  while (!connections_[index].to_drop.empty() || connections_[index].queued > 0) {
    if (!connections_[index].messages.try_take(now)) {
      wake_by(connections_[index].messages.ready_at(now));
      return;
    }
    // First what ends, then what begins: a stream that comes back to its connection must not be ended by its own past.
    if (connections_[index].to_drop.empty()) {
      send_asks(index, now);
    } else {
      send_drops(index);
    }
  }
}

void SlotPool::send_drops(std::uint32_t index) {
  auto& to_drop = connections_[index].to_drop;
  const auto count = std::min(to_drop.size(), slot_config_.streams_per_message);
  std::vector<StreamHandle> batch(to_drop.begin(), to_drop.begin() + static_cast<std::ptrdiff_t>(count));
  to_drop.erase(to_drop.begin(), to_drop.begin() + static_cast<std::ptrdiff_t>(count));
  ++slot_counters_.unsubscribe_messages;
  actions_.push(Unsubscribe{connections_.handle_of(index), batch});
  for (const StreamHandle handle : batch) {
    --streams_[handle.index].drops_pending;
    end_if_done(handle.index);
  }
}

void SlotPool::send_asks(std::uint32_t index, Instant now) {
  Connection& connection = connections_[index];
  std::vector<StreamHandle> batch;
  for (const auto stream : connection.slots) {
    Slot& slot = slot_on(streams_[stream], index);
    if (slot.phase != SlotPhase::queued) continue;
    slot.phase = SlotPhase::asked;
    slot.asked_at = now;
    batch.push_back(streams_.handle_of(stream));
    if (batch.size() == slot_config_.streams_per_message) break;
  }
  connection.queued -= batch.size();
  wake_by(now + slot_config_.subscribe_timeout);
  ++slot_counters_.subscribe_messages;
  actions_.push(Subscribe{connections_.handle_of(index), std::move(batch)});
}

}  // namespace marketprism::pool
