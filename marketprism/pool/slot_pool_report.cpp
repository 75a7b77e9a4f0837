// What SlotPool tells about itself, and its end.
#include <algorithm>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {

void SlotPool::drain(Instant now) {
  if (phase_ == Phase::drained) return;
  phase_ = Phase::drained;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id == 0) continue;
    const std::vector<std::uint32_t> slots = connections_[i].slots;
    for (const auto stream : slots) leave(stream, slot_on(streams_[stream], i), false, now);
    if (connections_[i].is_up) {
      close(i, CloseReason::drained, now);
      continue;
    }
    abandon_dial(i, now);
  }
  for (std::uint32_t i = 0; i < streams_.end(); ++i) {
    if (streams_[i].id == 0) continue;
    streams_[i].is_ending = true;
    end_if_done(i);
  }
  unplaced_.clear();
  wake_at_ = closing_.cut_at();
  if (ledger_ != nullptr) ledger_->withdraw(ledger_member_);
  actions_.push(SlotsDrained{});
}

PoolStats SlotPool::stats(Instant now) const {
  PoolStats stats;
  stats.name = config_.name;
  stats.type = config_.type;
  stats.max_size = config_.max_size;
  stats.counters = counters_;
  stats.gauges.size = connections_.size();
  stats.gauges.connecting = connecting_;
  stats.gauges.active = active_;
  stats.gauges.idle = connections_.size() - connecting_ - active_;
  stats.utilization_mean = std::min(1.0, active_time_.mean(now, active_) / static_cast<double>(config_.max_size));
  stats.gauges.waiters = unplaced_.size();
  stats.gauges.closing = closing_.size();
  stats.connect = summary_of(connects_);
  stats.memory_bytes = sizeof(*this) + connections_.bytes() + streams_.bytes() + actions_.bytes() + closing_.bytes();
  return stats;
}

SlotStats SlotPool::slot_stats() const {
  SlotStats stats = slot_counters_;
  stats.streams = streams_.size();
  stats.up = streams_up_;
  stats.unplaced = unplaced_.size();
  stats.connections = connections_.size();
  stats.capacity = (connections_.size() - connecting_) * slot_config_.streams_per_connection;
  return stats;
}

std::vector<ConnectionInfo> SlotPool::connections(Instant now) const {
  std::vector<ConnectionInfo> all;
  all.reserve(connections_.size());
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.id == 0) continue;
    ConnectionInfo info;
    info.id = connection.id;
    info.place = i;
    info.type = config_.type;
    info.endpoint = connection.attempt.endpoint;
    info.endpoint_name = endpoints()[connection.attempt.endpoint].name();
    info.age = now - connection.created_at;
    info.uses = connection.slots.size();
    info.errors = connection.errors;
    if (!connection.is_up) {
      info.state = ConnectionState::connecting;
    } else if (connection.slots.empty()) {
      info.state = ConnectionState::idle;
      info.idle = now - connection.unused_since;
    } else {
      info.state = ConnectionState::active;
    }
    all.push_back(std::move(info));
  }
  return all;
}

SlotConnection SlotPool::carrier_of(StreamHandle stream) const {
  const Stream* record = streams_.find(stream);
  if (record == nullptr || record->carrier.phase != SlotPhase::up) return {};
  return connections_.handle_of(record->carrier.connection);
}

std::size_t SlotPool::used_slots(SlotConnection connection) const {
  const Connection* record = connections_.find(connection);
  if (record == nullptr) return 0;
  // One that is asked for anew is to be dropped first, but takes one place.
  const auto only_leaves = [&](StreamHandle stream) {
    return std::ranges::find(record->slots, stream.index) == record->slots.end();
  };
  return record->slots.size() + static_cast<std::size_t>(std::ranges::count_if(record->to_drop, only_leaves));
}

}  // namespace marketprism::pool
