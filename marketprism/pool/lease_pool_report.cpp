// What LeasePool tells about itself: statistics and errors.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::pool {
namespace {

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

bool is_held(ConnectionState state) {
  return state == ConnectionState::active || state == ConnectionState::failed || state == ConnectionState::closed;
}

}  // namespace

PoolGauges LeasePool::gauges() const {
  return {size(),  active_,         idle_.size(),   checking_.size(), connecting_.size(),
          failed_, waiters_.size(), closing_.size()};
}

PoolStats LeasePool::stats(Instant now) const {
  PoolStats stats;
  stats.name = config_.name;
  stats.type = config_.type;
  stats.max_size = config_.max_size;
  stats.counters = counters_;
  stats.gauges = gauges();
  stats.connect = summary_of(connects_);
  stats.wait = summary_of(waits_, counters_.acquired - waits_.count());
  stats.hold = summary_of(holds_, counters_.returned - holds_.count());
  stats.check = summary_of(checks_);
  stats.utilization_mean = std::min(1.0, active_time_.mean(now, active_) / static_cast<double>(config_.max_size));
  stats.time_saved = Nanoseconds(time_saved_ns_);
  stats.memory_bytes = bytes();
  return stats;
}

std::size_t LeasePool::bytes() const {
  return sizeof(*this) + connections_.bytes() + waiter_records_.bytes() + waiter_deadlines_.bytes() + actions_.bytes() +
         per_endpoint_.capacity() * sizeof(PerEndpoint) + closing_.bytes();
}

ConnectionInfo LeasePool::info_of(const Connection& connection, Instant now) const {
  ConnectionInfo info;
  info.id = connection.id;
  info.type = config_.type;
  info.endpoint = connection.attempt.endpoint;
  info.endpoint_name = endpoints()[connection.attempt.endpoint].name();
  info.state = connection.state;
  info.age = now - connection.created_at;
  const bool is_unused = connection.state == ConnectionState::idle || connection.state == ConnectionState::checking;
  if (is_unused) info.idle = now - connection.idle_since;
  if (is_held(connection.state)) {
    info.held = now - connection.since;
    info.holder = connection.holder;
  }
  info.uses = connection.uses;
  info.health_checks = connection.health_checks;
  info.errors = connection.errors;
  return info;
}

std::vector<ConnectionInfo> LeasePool::connections(Instant now) const {
  std::vector<ConnectionInfo> all;
  all.reserve(connections_.size());
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id == 0) continue;
    all.push_back(info_of(connections_[i], now));
    all.back().place = i;
  }
  return all;
}

std::optional<ConnectionInfo> LeasePool::connection(ConnectionHandle handle, Instant now) const {
  const Connection* connection = connections_.find(handle);
  if (connection == nullptr) return std::nullopt;
  ConnectionInfo info = info_of(*connection, now);
  info.place = handle.index;
  return info;
}

std::uint32_t LeasePool::endpoint_of(ConnectionHandle handle) const {
  const Connection* connection = connections_.find(handle);
  return connection == nullptr ? no_index : connection->attempt.endpoint;
}

std::uint64_t LeasePool::use_count(ConnectionHandle handle) const {
  const Connection* connection = connections_.find(handle);
  return connection == nullptr ? 0 : connection->uses;
}

std::string LeasePool::describe_gauges() const {
  const PoolGauges g = gauges();
  return fmt::format(
      "{} of {} connections: {} active, {} idle, {} checking, {} connecting, {} failed, {} being closed; {} waiting",
      g.size, config_.max_size, g.active, g.idle, g.checking, g.connecting, g.failed, g.closing, g.waiters);
}

// The three that have held a connection longest.
std::string LeasePool::describe_holders(Instant now) const {
  std::vector<const Connection*> held;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id != 0 && is_held(connections_[i].state)) held.push_back(&connections_[i]);
  }
  if (held.empty()) return "";
  const auto shown = std::min<std::size_t>(held.size(), 3);
  std::partial_sort(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(shown), held.end(),
                    [](const Connection* a, const Connection* b) { return a->since < b->since; });
  std::string text = "; held longest by ";
  for (std::size_t i = 0; i < shown; ++i) {
    const Connection& connection = *held[i];
    text += fmt::format("{}{}:{} for {:.3f} s", i == 0 ? "" : ", ", connection.holder.file_name(),
                        connection.holder.line(), seconds(now - connection.since));
  }
  return text;
}

Error LeasePool::timeout_error(const Waiter& waiter, Instant now) const {
  std::string text = fmt::format("pool '{}': no connection after {:.3f} s (acquire at {}:{}): {}{}", config_.name,
                                 seconds(now - waiter.since), waiter.where.file_name(), waiter.where.line(),
                                 describe_gauges(), describe_holders(now));
  if (!rounds_.last_error().message.empty()) text += "; last dial error: " + rounds_.last_error().to_string();
  return {ErrorCode::timed_out, std::move(text), false, nullptr};
}

Error LeasePool::dial_error(const Waiter& waiter, Instant now) const {
  const auto rounds = rounds_.failed_rounds() - waiter.rounds_seen;
  return {rounds_.last_error().code,
          fmt::format("pool '{}': no connection: {} round{} of dials failed in {:.3f} s", config_.name, rounds,
                      rounds == 1 ? "" : "s", seconds(now - waiter.since)),
          rounds_.last_error().is_terminal, std::make_shared<const Error>(rounds_.last_error())};
}

Error LeasePool::not_running_error() const {
  const std::string_view why = phase_ == Phase::made ? "it has not been started" : "it has been stopped";
  return {ErrorCode::closed, fmt::format("pool '{}': {}", config_.name, why), phase_ != Phase::made, nullptr};
}

}  // namespace marketprism::pool
