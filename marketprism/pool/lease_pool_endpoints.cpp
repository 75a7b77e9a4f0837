// The part of LeasePool that deals with endpoints: going back to better ones, changes of the set, their keep-alive
// times.
#include <algorithm>
#include <utility>

#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::pool {
namespace {

// How long before a server's announced keep-alive ends a connection is no longer used.
constexpr Nanoseconds keep_alive_margin = std::chrono::seconds(2);

}  // namespace

// Going back: a standby is left bit by bit. In each failback_interval a few dials to a better endpoint are begun (one,
// as long as it is not known to be well), and for each that succeeds one connection to the standby goes: the one unused
// longest, or the next that is returned. In a full pool one has to go before the dial.

void LeasePool::watch_standby(const Connection& connection, Instant now) {
  if (config_.failback_interval.count() == 0 || !endpoints().is_standby(connection.attempt.endpoint)) return;
  failback_at_ = std::min(failback_at_, now + config_.failback_interval);
  wake_by(failback_at_);
}

// Until it is planned anew.
void LeasePool::stop_failback() {
  failback_at_ = Instant::max();
  leaving_ = dials_back_ = places_freed_ = 0;
}

void LeasePool::plan_failback(Instant now) {
  if (now < failback_at_) return;
  std::size_t on_standby = 0;
  std::size_t may_leave = 0;
  bool is_dialling_back = false;
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    const Connection& connection = connections_[i];
    const std::uint32_t endpoint = connection.attempt.endpoint;
    if (connection.id == 0) continue;
    if (connection.state == ConnectionState::connecting) {
      is_dialling_back |= connection.is_failback;
    } else if (endpoints().is_standby(endpoint)) {
      ++on_standby;
      if (!endpoints().has_better(endpoint, now)) continue;
      if (may_leave++ == 0 || endpoints()[endpoint].priority > endpoints()[failback_from_].priority) {
        failback_from_ = endpoint;
      }
    }
  }
  stop_failback();
  if (on_standby > 0) failback_at_ = now + config_.failback_interval;
  if (may_leave > 0 && !is_dialling_back) {
    dials_back_ = endpoints().has_proven_better(failback_from_, now) ? std::max<std::size_t>(1, may_leave / 8) : 1;
  }
  update_may_keep();
}

void LeasePool::dial_back(Instant now) {
  while (dials_back_ > 0) {
    if (connecting_.size() >= config_.max_connecting || now < rounds_.dial_after()) return;
    if (budget_ != nullptr && budget_->ready_at(now) > now) return;  // nothing is closed to make room for no dial
    const bool is_needed = places_freed_ > 0 || endpoints().load(failback_from_) > 0;
    if (!is_needed || !endpoints().has_better(failback_from_, now)) {
      dials_back_ = 0;
      return;
    }
    const bool has_room = places_used() < config_.max_size && (ledger_ == nullptr || ledger_->available() > 0);
    if (!has_room) {
      if (places_freed_ == 0) {
        if (!close_idle_standby(now)) {
          leaving_ = 1;  // the next that is returned makes room
          return update_may_keep();
        }
        ++places_freed_;
      }
      // The place comes when the socket is closed, unless another loop takes the permit.
      if (closing_.empty()) dials_back_ = places_freed_ = 0;
      return;
    }
    if (!start_dial(now, failback_from_)) {
      dials_back_ = 0;
      return;
    }
    --dials_back_;
    Connection& dialled = connections_[connecting_.back()];
    dialled.is_failback = true;
    dialled.frees_another = places_freed_ == 0;
    if (places_freed_ > 0) --places_freed_;
  }
}

bool LeasePool::close_idle_standby(Instant now) {
  for (auto i = idle_.back(); i != no_index; i = connections_[i].prev) {
    if (!endpoints().has_better(connections_[i].attempt.endpoint, now)) continue;
    idle_.erase(connections_, i);
    close(i, CloseReason::evicted, now);
    return true;
  }
  return false;
}

void LeasePool::free_one_standby(Instant now) {
  if (close_idle_standby(now)) return;
  ++leaving_;
  update_may_keep();
}

// True when the connection, which nobody holds, has gone because it leads to a worse endpoint than need be.
bool LeasePool::leave_standby(std::uint32_t index, Instant now) {
  if (leaving_ == 0 || !endpoints().has_better(connections_[index].attempt.endpoint, now)) return false;
  --leaving_;
  if (dials_back_ > 0) ++places_freed_;
  close(index, CloseReason::evicted, now);
  return true;
}

bool LeasePool::report_failure(std::uint32_t endpoint, Instant now) {
  if (!rounds_.request_failed(endpoint, now)) return false;
  evict_idle([&](std::uint32_t i) { return connections_[i].attempt.endpoint == endpoint; }, now);
  pump(now);
  return true;
}

template <class Predicate>
void LeasePool::evict_idle(const Predicate& is_to_go, Instant now) {
  for (auto i = idle_.front(); i != no_index;) {
    const std::uint32_t next = connections_[i].next;
    if (is_to_go(i)) {
      idle_.erase(connections_, i);
      close(i, CloseReason::evicted, now);
    }
    i = next;
  }
}

Result<> LeasePool::set_endpoints(std::vector<Endpoint> endpoints, Instant now) {
  if (endpoints.empty()) {
    return fail(ErrorCode::invalid_argument, "pool '" + config_.name + "': no endpoint to connect to", true);
  }
  for (const std::uint32_t added : rounds_.replace_endpoints(std::move(endpoints))) {
    per_endpoint_.resize(std::max<std::size_t>(per_endpoint_.size(), added + 1));
    keep_alives_.resize(per_endpoint_.size());
    per_endpoint_[added] = {};
    keep_alives_[added] = {};
  }
  const auto is_gone = [this](std::uint32_t i) {
    return this->endpoints().is_removed(connections_[i].attempt.endpoint);
  };
  for (auto i = connecting_.front(); i != no_index;) {
    const std::uint32_t next = connections_[i].next;
    if (is_gone(i)) abandon_dial(i, now);
    i = next;
  }
  evict_idle(is_gone, now);
  stop_failback();
  for (std::uint32_t i = 0; i < connections_.end(); ++i) {
    if (connections_[i].id != 0) watch_standby(connections_[i], now);
  }
  has_removed_ = true;
  update_may_keep();
  pump(now);
  return {};
}

void LeasePool::set_keep_alive_hint(std::uint32_t endpoint, Nanoseconds hint) {
  set_idle_limit(endpoint, hint > keep_alive_margin ? hint - keep_alive_margin : hint / 2);
}

void LeasePool::set_idle_limit(std::uint32_t endpoint, Nanoseconds limit) {
  per_endpoint_[endpoint].announced_limit = limit;
  apply_idle_limit(endpoint);
}

// What is idle or being checked obeys a new limit, too.
void LeasePool::apply_idle_limit(std::uint32_t endpoint) {
  PerEndpoint& per = per_endpoint_[endpoint];
  const Nanoseconds learned = config_.learn_keep_alive ? keep_alives_[endpoint].limit() : Nanoseconds::max();
  per.idle_limit = std::min(per.announced_limit, learned);
  for (const IndexList* list : {&idle_, &checking_}) {
    for (auto i = list->front(); i != no_index; i = connections_[i].next) {
      Connection& connection = connections_[i];
      if (connection.attempt.endpoint != endpoint) continue;
      set_retire_at(connection);
      wake_by(connection.retire_at);
    }
  }
}

void LeasePool::note_reuse(const Connection& connection, Instant now) {
  keep_alives_[connection.attempt.endpoint].survived(now - connection.since);
}

void LeasePool::note_server_close(const Connection& connection, Instant now) {
  KeepAliveEstimator& keep_alive = keep_alives_[connection.attempt.endpoint];
  const Nanoseconds before = keep_alive.limit();
  keep_alive.closed(now - connection.since, now);
  if (keep_alive.limit() != before) apply_idle_limit(connection.attempt.endpoint);
}

void LeasePool::note_retirement(const Connection& connection, Instant now) {
  KeepAliveEstimator& keep_alive = keep_alives_[connection.attempt.endpoint];
  const Nanoseconds before = keep_alive.limit();
  keep_alive.retired(now - connection.since);
  if (keep_alive.limit() != before) apply_idle_limit(connection.attempt.endpoint);
}

}  // namespace marketprism::pool
