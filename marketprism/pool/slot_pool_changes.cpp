// The part of SlotPool that changes it while it runs: limits, endpoints, and what follows for its connections.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {

Result<> SlotPool::resize(std::size_t max_size, Instant now) {
  PoolConfig changed = config_;
  changed.max_size = max_size;
  changed.min_size = std::min(changed.min_size, max_size);
  return reconfigure(std::move(changed), now);
}

Result<> SlotPool::reconfigure(PoolConfig config, Instant now) {
  config.keep_identity_of(config_);
  if (auto ok = config.validate(); !ok) return ok;
  const std::size_t most = config.max_size * slot_config_.streams_per_connection;
  if (streams_.size() > most) {
    return fail(ErrorCode::exhausted,
                fmt::format("pool '{}': {} streams do not fit on max_size {} connections of {}; remove some first",
                            config_.name, streams_.size(), config.max_size, slot_config_.streams_per_connection));
  }
  active_time_.advance(now, active_);  // it is relative to max_size
  active_time_.scale(static_cast<double>(config.max_size) / static_cast<double>(config_.max_size));
  const bool has_new_lifetime = config.max_lifetime != config_.max_lifetime;
  config_ = config.bounded();
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    Connection& connection = connections_[i];
    if (connection.id == 0 || !connection.is_up) continue;
    if (has_new_lifetime) connection.expires_at = lifetime_end(connection.created_at);
    watch_standby(connection, now);
  }
  wake_by(now);
  return {};
}

Result<> SlotPool::set_endpoints(std::vector<Endpoint> endpoints, Instant now) {
  if (endpoints.empty()) {
    return fail(ErrorCode::invalid_argument, "pool '" + config_.name + "': no endpoint to connect to", true);
  }
  rounds_.replace_endpoints(std::move(endpoints));
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    Connection& connection = connections_[i];
    if (connection.id == 0) continue;
    if (!rounds_.endpoints().is_removed(connection.attempt.endpoint)) {
      if (connection.is_up) watch_standby(connection, now);
    } else if (connection.is_up) {
      connection.expires_at = std::min(connection.expires_at, now);
    } else {
      abandon_dial(i, now);
    }
  }
  wake_by(now);
  return {};
}

void SlotPool::watch_standby(const Connection& connection, Instant now) {
  if (config_.failback_interval.count() == 0 || !endpoints().is_standby(connection.attempt.endpoint)) return;
  failback_at_ = std::min(failback_at_, now + config_.failback_interval);
  wake_by(failback_at_);
}

// After a shrink: dials are given up first, then the connection with the fewest streams hands them on, one connection
// at a time. Their total fits (see `reconfigure`), if not at once: what finds no room waits for the next tick.
void SlotPool::shed_surplus(Instant now) {
  const auto allowed = config_.max_size + (is_rotating_ ? 1 : 0);
  for (std::uint32_t i = 0; i < connections_.end() && connections_.size() > allowed; ++i) {
    if (connections_[i].id != 0 && !connections_[i].is_up && connections_[i].replaces == no_index) abandon_dial(i, now);
  }
  std::uint32_t surplus = no_index;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id == 0 || !connections_[i].is_surplus) continue;
    if (connections_.size() <= allowed)
      connections_[i].is_surplus = false;
    else
      surplus = i;
  }
  if (connections_.size() <= allowed) return;
  if (surplus == no_index) surplus = least_used();
  if (surplus == no_index) return;
  connections_[surplus].is_surplus = true;
  move_away(surplus, now);
  if (connections_[surplus].slots.empty() && connections_[surplus].to_drop.empty()) {
    close(surplus, CloseReason::evicted, now);
    wake_by(now);
  }
}

// Of the connections that take no part in a rotation.
std::uint32_t SlotPool::least_used() const {
  std::uint32_t least = no_index;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.id == 0 || !connection.is_up) continue;
    if (connection.replaced_by != no_index || connection.replaces != no_index) continue;
    if (least == no_index || connection.slots.size() < connections_[least].slots.size()) least = i;
  }
  return least;
}

void SlotPool::move_away(std::uint32_t index, Instant now) {
  const std::vector<std::uint32_t> slots = connections_[index].slots;
  for (const auto stream_index : slots) {
    Stream& stream = streams_[stream_index];
    Slot& slot = slot_on(stream, index);
    const bool is_carrier = &slot == &stream.carrier;
    if (is_carrier && slot.phase == SlotPhase::up) {
      if (stream.successor.phase != SlotPhase::none) continue;
      const std::uint32_t target = best_room(connections_[index].id);
      if (target != no_index) enter(stream_index, stream.successor, target, now);
      continue;
    }
    leave(stream_index, slot, true, now);  // not up here yet: nothing to bridge
    if (!is_carrier) continue;
    if (stream.successor.phase != SlotPhase::none) {
      stream.carrier = std::exchange(stream.successor, Slot{});
    } else {
      await_room(stream_index, connections_[index].id, now);
    }
  }
}

}  // namespace marketprism::pool
