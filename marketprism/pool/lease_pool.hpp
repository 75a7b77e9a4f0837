#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/action_queue.hpp"
#include "marketprism/pool/closing_connections.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/pool/connection_state.hpp"
#include "marketprism/pool/deadline_heap.hpp"
#include "marketprism/pool/dial_rounds.hpp"
#include "marketprism/pool/keep_alive_estimator.hpp"
#include "marketprism/pool/lease_actions.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "marketprism/pool/pool_config.hpp"
#include "marketprism/pool/pool_stats.hpp"
#include "marketprism/pool/slab.hpp"

namespace marketprism::pool {

/// The state machine of a pool of connections that are lent to one holder at a time. It knows connections by handle
/// only; a driver owns the sockets, reports what happens to them and carries out the actions. After each call the
/// driver takes all actions (`next_action`) and sees to it that `tick` is called at `wake_at` (or somewhat later).
///
/// A connection keeps its place, and its permit, until the driver says that it is closed; one whose close takes longer
/// than close_timeout is cut.
///
/// Times are one loop's monotonic clock and may be cached; a `now` a little older than the last one does no harm.
/// Owned by one event loop, no lock. The path of an idle connection (`try_acquire`, `release`) reads no clock and
/// allocates nothing.
class LeasePool {
 public:
  /// `config` must be valid, `endpoints` not empty.
  LeasePool(const PoolConfig& config, std::vector<Endpoint> endpoints);
  LeasePool(const LeasePool&) = delete;
  LeasePool& operator=(const LeasePool&) = delete;
  /// Each connection also needs a permit of the ledger; `member` is this pool's number in it. Before `start`.
  void use_ledger(PermitLedger& ledger, std::uint32_t member);
  /// Dials are begun only as this allows. Before `start`.
  void use_connect_budget(ConnectBudget& budget) { budget_ = &budget; }

  /// Begins to keep min_size connections up and to serve acquires.
  void start(Instant now);

  /// An idle connection, the one used last; or none. Then use `wait`; a miss is not counted as an acquire.
  ConnectionHandle try_acquire(Instant now, std::source_location where = std::source_location::current()) {
    const std::uint32_t index = idle_.front();
    if (index == no_index) return {};
    Connection& connection = connections_[index];
    if (connection.retire_at <= now) [[unlikely]]
      return try_acquire_after_retiring(now, where);
    if (now - connection.since >= KeepAliveEstimator::shortest) [[unlikely]]
      note_reuse(connection, now);
    idle_.pop_front(connections_);
    lend(connection, now, where);
    return {connection.id, index};
  }

  /// Joins the line of waiters for at most `timeout`. A Grant or Reject with this handle follows, exactly one, unless
  /// `cancel` succeeds. Errors at once: `closed` when not running, `exhausted` when max_waiters wait.
  Result<WaiterHandle> wait(Instant now, Nanoseconds timeout,
                            std::source_location where = std::source_location::current());
  Result<WaiterHandle> wait(Instant now, std::source_location where = std::source_location::current()) {
    return wait(now, config_.acquire_timeout, where);
  }

  /// Takes a waiter out of the line. False when it has been answered (a granted connection must then be released).
  bool cancel(WaiterHandle waiter, Instant now);

  /// The holder gives a connection back. It goes to the longest waiter, or becomes idle, or is closed. False for a
  /// stale handle.
  bool release(ConnectionHandle handle, Instant now) {
    Connection* connection = connections_.find(handle);
    if (connection == nullptr) return false;
    if (connection->state != ConnectionState::active || !may_keep_ || !waiters_.empty() ||
        connection->expires_at <= now) [[unlikely]] {
      return release_slowly(handle.index, now, false);
    }
    end_hold(*connection, now);
    make_idle(handle.index, now);
    return true;
  }

  /// The holder gives back a connection that must not be used again.
  bool release_broken(ConnectionHandle handle, Instant now);

  /// Answers to Dial and Check. `dialed` is false when the connection is not wanted any more: the driver destroys it.
  [[nodiscard]] bool dialed(ConnectionHandle handle, Instant now);
  void dial_failed(ConnectionHandle handle, Error error, Instant now);
  /// Answer to Close, AbortDial and Break: no socket of the connection is open any more. False when it was not owed.
  bool closed(ConnectionHandle handle, Instant now);
  void checked(ConnectionHandle handle, bool is_healthy, Instant now);

  /// The peer has cut or spoilt a connection: if nobody holds it, it is closed; else it will be when its holder returns
  /// it.
  void died(ConnectionHandle handle, Instant now);

  /// Something went wrong on a connection in use that does not end it; only counted.
  void count_error(ConnectionHandle handle);

  /// The outcome of a request over a connection to this endpoint, for the choice of endpoints. After a failure the next
  /// attempt leads elsewhere, if there is another usable endpoint (then true): this one's idle connections are closed,
  /// and the next dial passes it over. Not for a kept connection that the server had closed.
  void report_success(std::uint32_t endpoint, Instant now) { endpoints().request_succeeded(endpoint, now); }
  bool report_failure(std::uint32_t endpoint, Instant now);

  /// Times out waiters, dials and checks, retires and checks idle connections, dials again after a pause.
  void tick(Instant now);
  /// When `tick` is due next. Never later than it must be; may move to an earlier time with any call.
  [[nodiscard]] Instant wake_at() const { return wake_at_; }

  /// The permit ledger's notices, brought to this pool's loop by the driver.
  void permit_notice(PermitNotice notice, Instant now);

  /// Gives back the permits of all connections there are, those being closed included: for a driver that destroys them
  /// and the pool together.
  void give_up_permits();

  /// Stops: waiters are rejected, idle connections closed, dials abandoned; leases may end until `deadline`. Drained
  /// follows.
  void drain(Instant now, Instant deadline);

  /// Changes the limits of a running pool. Surplus idle connections are closed now, surplus active ones when returned.
  [[nodiscard]] Result<> resize(std::size_t min_size, std::size_t max_size, Instant now);

  /// Closes the connections that are idle now: before a fork, after a change of networks, to make room. How many.
  std::size_t close_idle(Instant now);

  /// Changes everything but name, type, seed, dial_backoff and ejection of a running pool, like `resize`. Dials and
  /// waiters keep the deadlines they have; the times of open connections are reckoned anew.
  [[nodiscard]] Result<> reconfigure(PoolConfig config, Instant now);

  /// Changes the endpoints of a running pool (names that resolve to other addresses, say). Dials and idle connections
  /// to those that are gone are ended now, active ones when returned. `invalid_argument` when there is none.
  [[nodiscard]] Result<> set_endpoints(std::vector<Endpoint> endpoints, Instant now);

  /// The server announced that it closes idle connections after this time (`Keep-Alive: timeout`). Connections to this
  /// endpoint are not idle for longer than min(max_idle_time, hint − 2 s, what was learned from its closes).
  void set_keep_alive_hint(std::uint32_t endpoint, Nanoseconds hint);
  /// Sets the second of these limits itself.
  void set_idle_limit(std::uint32_t endpoint, Nanoseconds limit);
  /// The least of these limits.
  [[nodiscard]] Nanoseconds idle_limit(std::uint32_t endpoint) const {
    return std::min(config_.max_idle_time, per_endpoint_[endpoint].idle_limit);
  }

  [[nodiscard]] std::optional<LeaseAction> next_action() { return actions_.pop(); }
  [[nodiscard]] bool has_actions() const { return !actions_.empty(); }

  [[nodiscard]] PoolStats stats(Instant now) const;
  [[nodiscard]] PoolGauges gauges() const;
  [[nodiscard]] std::vector<ConnectionInfo> connections(Instant now) const;
  [[nodiscard]] std::optional<ConnectionInfo> connection(ConnectionHandle handle, Instant now) const;
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] const PoolConfig& config() const { return config_; }
  [[nodiscard]] EndpointSet& endpoints() { return rounds_.endpoints(); }
  [[nodiscard]] const EndpointSet& endpoints() const { return rounds_.endpoints(); }
  [[nodiscard]] std::uint32_t endpoint_of(ConnectionHandle handle) const;
  [[nodiscard]] std::uint64_t use_count(ConnectionHandle handle) const;
  [[nodiscard]] bool is_running() const { return phase_ == Phase::running; }
  [[nodiscard]] bool is_drained() const { return phase_ == Phase::drained; }
  [[nodiscard]] std::size_t size() const { return connections_.size() - closed_held_; }
  /// What counts against max_size, and holds a permit: also what is being closed.
  [[nodiscard]] std::size_t places_used() const { return size() + closing_.size(); }
  [[nodiscard]] std::size_t bytes() const;

 private:
  enum class Phase : std::uint8_t { made, running, draining, drained };

  /// A connection that ends unused before this age counts as a failed dial.
  static constexpr Nanoseconds proving_time = std::chrono::seconds(1);

  struct Connection : SlabLinks {
    ConnectionState state = ConnectionState::connecting;
    DialRounds::Attempt attempt;
    Instant retire_at{};   // idle: when it must go
    Instant expires_at{};  // end of its life; until it is up, its dial is given up then
    Instant since{};       // lent, idle or checking since
    std::uint64_t uses = 0;
    std::source_location holder;
    Instant check_at{};  // next health check; while checking, when the check is given up
    Instant created_at{};
    Instant idle_since{};
    std::uint64_t health_checks = 0;
    std::uint64_t errors = 0;
    std::uint64_t overdue_use = 0;  // the use that was reported as overdue
    bool is_proven = false;         // was lent, checked or open for `proving_time`: the dial counts as a success
    bool is_failback = false;       // dialled to go back to a better endpoint …
    bool frees_another = false;     // … and when it is up, a connection to a worse one goes
  };

  struct Waiter : SlabLinks {
    Instant since{};
    Instant deadline{};
    std::uint32_t heap_place = 0;
    std::uint64_t rounds_seen = 0;  // failed rounds when it joined
    std::source_location where;
  };

  struct PerEndpoint {
    std::int64_t mean_connect_ns = 0;
    std::int64_t connect_ns = 0;
    std::int64_t connects = 0;
    Nanoseconds idle_limit = Nanoseconds::max();       // the lesser of the announced and the learned
    Nanoseconds announced_limit = Nanoseconds::max();  // by the server, less a margin
  };

  using Connections = Slab<Connection, ConnectionTag>;
  using Waiters = Slab<Waiter, WaiterTag>;

  void lend(Connection& connection, Instant now, const std::source_location& where) {
    active_time_.advance(now, active_);
    connection.state = ConnectionState::active;
    connection.since = now;
    connection.holder = where;
    ++active_;
    ++counters_.acquired;
    if (connection.uses++ != 0) {
      ++counters_.reused;
      time_saved_ns_ += per_endpoint_[connection.attempt.endpoint].mean_connect_ns;
    } else if (!connection.is_proven) {
      prove(connection, now);
    }
  }

  void end_hold(Connection& connection, Instant now) {
    active_time_.advance(now, active_);
    --active_;
    ++counters_.returned;
    if (now > connection.since) holds_.add((now - connection.since).count());  // zeros: returned - holds_.count()
  }

  void make_idle(std::uint32_t index, Instant now) {
    Connection& connection = connections_[index];
    connection.state = ConnectionState::idle;
    connection.since = connection.idle_since = now;
    connection.check_at = now + check_interval_;
    set_retire_at(connection);
    wake_by(std::min(connection.check_at, connection.retire_at));
    idle_.push_front(connections_, index);
  }

  void set_retire_at(Connection& connection) {
    connection.retire_at =
        std::min(connection.expires_at, connection.idle_since + idle_limit(connection.attempt.endpoint));
  }

  void wake_by(Instant when) {
    if (when < wake_at_) wake_at_ = when;
  }

  ConnectionHandle try_acquire_after_retiring(Instant now, const std::source_location& where);
  bool release_slowly(std::uint32_t index, Instant now, bool is_broken);
  void settle(std::uint32_t index, Instant now, bool is_fresh);
  void put_back_in_order(std::uint32_t index, Instant now);
  std::optional<CloseReason> reason_to_go(const Connection& connection, Instant now) const;
  void close(std::uint32_t index, CloseReason reason, Instant now);
  bool must_yield() const;
  void close_unhealthy(std::uint32_t index, Instant now);
  void prove(Connection& connection, Instant now);
  void await_close(std::uint32_t index, Instant now);
  void forget(std::uint32_t index);
  void evict_oldest_idle(Instant now);
  void try_permit_again(Instant now);

  void pump(Instant now);
  std::size_t dials_wanted(Instant now);
  bool start_dial(Instant now, std::uint32_t better_than = no_index);
  bool take_permit(bool is_awaited);
  void abandon_dial(std::uint32_t index, Instant now);
  void fail_dial(std::uint32_t index, Error error, Instant now, bool has_ended = true);
  void reject_hopeless(Instant now);

  void grant(std::uint32_t waiter, std::uint32_t index, Instant now, bool is_fresh);
  void reject(std::uint32_t waiter, Error error);
  void time_out_waiters(Instant now);
  void time_out_work(Instant now);
  void retire_and_check_idle(Instant now);
  Instant check_due(const Connection& connection) const;
  std::uint32_t slowest_check(Instant& ends_at) const;
  Instant check_ends_at(Instant now) const;
  bool give_up_check(Instant now);
  void start_check(std::uint32_t index, Instant now);
  void shrink(Instant now);
  void finish_check(std::uint32_t index, bool is_healthy, Instant now);
  void break_held(Instant now);
  void finish_drain(std::size_t left);
  void update_may_keep();
  void do_what_is_due(Instant now);
  void set_wake(Instant now);
  void report_overdue(Instant now);
  void take_config(const PoolConfig& config);
  Instant lifetime_end(Instant from);

  // lease_pool_endpoints.cpp
  void watch_standby(const Connection& connection, Instant now);
  void plan_failback(Instant now);
  void stop_failback();
  void dial_back(Instant now);
  bool close_idle_standby(Instant now);
  void free_one_standby(Instant now);
  bool leave_standby(std::uint32_t index, Instant now);
  void note_reuse(const Connection& connection, Instant now);
  void note_server_close(const Connection& connection, Instant now);
  void note_retirement(const Connection& connection, Instant now);
  void apply_idle_limit(std::uint32_t endpoint);
  template <class Predicate>
  void evict_idle(const Predicate& is_to_go, Instant now);

  Error timeout_error(const Waiter& waiter, Instant now) const;
  Error dial_error(const Waiter& waiter, Instant now) const;
  Error not_running_error() const;
  std::string describe_gauges() const;
  std::string describe_holders(Instant now) const;
  ConnectionInfo info_of(const Connection& connection, Instant now) const;

  // What the fast path touches comes first.
  Connections connections_;
  IndexList idle_;     // most recently used first
  IndexList waiters_;  // longest waiting first
  std::vector<PerEndpoint> per_endpoint_;
  std::size_t active_ = 0;
  TimeWeightedMean active_time_;
  PoolCounters counters_;
  std::int64_t time_saved_ns_ = 0;
  bool may_keep_ = false;  // running and within max_size, and no other loop may need our permits
  Instant wake_at_ = Instant::max();
  Nanoseconds check_interval_{};
  PoolConfig config_;

  IndexList connecting_;
  IndexList checking_;
  std::size_t failed_ = 0;
  std::size_t closed_held_ = 0;
  ClosingConnections<ConnectionHandle> closing_;
  Waiters waiter_records_;
  DeadlineHeap<Waiters> waiter_deadlines_;
  ActionQueue<LeaseAction> actions_;
  Histogram connects_;
  Histogram waits_;  // zeros: acquired - waits_.count()
  Histogram holds_;
  Histogram checks_;

  DialRounds rounds_;
  std::vector<KeepAliveEstimator> keep_alives_;  // one an endpoint
  Instant failback_at_ = Instant::max();         // while connections to a standby are open
  std::uint32_t failback_from_ = 0;              // the worst of these endpoints
  std::size_t dials_back_ = 0;                   // to better endpoints, to be begun now
  std::size_t leaving_ = 0;                      // connections to a standby that go when they are returned
  std::size_t places_freed_ = 0;                 // by some that went before the dial that replaces them
  bool has_removed_ = false;                     // connections to endpoints that were taken out of the set
  Instant overdue_scan_at_ = Instant::max();
  ConnectBudget* budget_ = nullptr;
  PermitLedger* ledger_ = nullptr;
  std::uint32_t ledger_member_ = PermitLedger::no_member;
  bool is_in_permit_line_ = false;
  bool is_yielding_ = false;  // another loop has asked for a permit, and one is still wanted

  Phase phase_ = Phase::made;
  Instant drain_deadline_ = Instant::max();
};

}  // namespace marketprism::pool
