#pragma once
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/signal.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"
#include "marketprism/net/lease.hpp"
#include "marketprism/net/permit_link.hpp"
#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::net {

/// What a type of connection needs to be pooled. All run on the pool's loop.
///   connect  opens a connection by the deadline, or says why not; if it fails or is cancelled, nothing stays open
///   check    tells whether an idle connection still works, by the deadline
///   close    ends a connection (it may say goodbye) and destroys it: when it completes, the socket is closed. It is
///            cancelled after the config's close_timeout, and must end then
///   watch    (optional) runs from dial to close, and completes when the connection has died; it must end when
///            cancelled
///   abort    (optional) closes the socket at once, while a lease still holds the connection (its holder's operations
///            fail then) or when it is known to be dead
template <class C, class T>
concept ConnectorOf = requires(C& connector, T& connection, const pool::Endpoint& endpoint, Instant deadline) {
  { connector.connect(endpoint, deadline) } -> std::same_as<async::Task<Result<T>>>;
  { connector.check(connection, deadline) } -> std::same_as<async::Task<Result<>>>;
  { connector.close(std::move(connection)) } -> std::same_as<async::Task<>>;
};

/// A pool of connections of any type, each lent to one user at a time: the driver of pool::LeasePool, which says what
/// is done when. One event loop, no lock; destroying it drains it at once (leases that are out stay valid until they
/// end).
///
///   auto pool = TcpConnectionPool::create(loop, config, endpoints, TcpConnector(loop));  // see tcp_connector.hpp
///   pool->start();
///   auto lease = co_await pool->acquire();
///   if (!lease) co_return lease.error();
///   co_await (**lease)->write(…);
template <class T, class Connector>
class ConnectionPool {
 public:
  static_assert(ConnectorOf<Connector, T>);

  /// An error for a config that contradicts itself, or without endpoints. The loop outlives the pool.
  static Result<ConnectionPool> create(async::EventLoop& loop, pool::PoolConfig config,
                                       std::vector<pool::Endpoint> endpoints, Connector connector) {
    if (auto ok = config.validate(); !ok) return std::unexpected(std::move(ok.error()));
    if (endpoints.empty()) {
      return fail(ErrorCode::invalid_argument, "pool '" + config.name + "' has no endpoint to connect to", true);
    }
    return ConnectionPool(new State(loop, std::move(config), std::move(endpoints), std::move(connector)));
  }
  ConnectionPool(ConnectionPool&&) noexcept = default;
  ConnectionPool& operator=(ConnectionPool&& other) noexcept {
    if (this != &other) {
      stop_now();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~ConnectionPool() { stop_now(); }

  /// Dials are begun only as the budget allows. Before `start`; the budget outlives the pool.
  void use_connect_budget(pool::ConnectBudget& budget) { core().use_connect_budget(budget); }

  /// Each connection also needs a permit of the ledger, which pools of other loops may share. Before `start`; the
  /// ledger outlives the pool. `exhausted` when the ledger has no room for another member.
  Result<> use_ledger(std::shared_ptr<pool::PermitLedger> ledger) { return state_->use_ledger(std::move(ledger)); }

  /// Opens min_size connections and lets acquires in.
  void start() {
    core().start(loop().refresh_now());
    state_->settle();
  }

  /// An idle connection, or an empty lease. Never waits, allocates nothing.
  Lease<T> try_acquire(std::source_location where = std::source_location::current()) {
    return State::try_acquire(*state_.get(), where);
  }

  /// A connection, by `timeout` (default: the config's acquire_timeout). The error of a time-out tells the state of the
  /// pool.
  async::Task<Result<Lease<T>>> acquire(std::source_location where = std::source_location::current()) {
    return State::acquire(state_, core().config().acquire_timeout, where);
  }
  async::Task<Result<Lease<T>>> acquire(Nanoseconds timeout,
                                        std::source_location where = std::source_location::current()) {
    return State::acquire(state_, timeout, where);
  }
  /// The same with any completion token for `void(Result<Lease<T>>)`. Cancellation takes the waiter out of the line; a
  /// connection that was on its way already goes to the next.
  template <class Token>
    requires(!std::convertible_to<Token, std::source_location> && !std::convertible_to<Token, Nanoseconds>)
  auto acquire(Nanoseconds timeout, Token&& token, std::source_location where = std::source_location::current()) {
    return State::wait(state_, timeout, std::forward<Token>(token), where);
  }

  /// Stops: no acquire is let in, waiters fail, idle connections are closed. Leases may end for `patience`; what is
  /// left is cut. Completes when all is closed; the number of leases that were left.
  async::Task<std::size_t> drain(Nanoseconds patience) { return State::drain(state_, patience); }

  /// Stops like `drain`, without waiting for the end; a `drain` that follows does.
  void begin_drain(Nanoseconds patience) {
    const Instant now = loop().refresh_now();
    core().drain(now, detail::deadline_after(now, patience));
    state_->settle();
  }

  [[nodiscard]] Result<> resize(std::size_t min_size, std::size_t max_size) {
    auto result = core().resize(min_size, max_size, loop().refresh_now());
    state_->settle();
    return result;
  }

  /// Changes limits and times of a running pool; see `pool::LeasePool::reconfigure`.
  [[nodiscard]] Result<> reconfigure(pool::PoolConfig config) {
    auto result = core().reconfigure(std::move(config), loop().refresh_now());
    state_->settle();
    return result;
  }

  /// Changes where a running pool connects to; see `pool::LeasePool::set_endpoints`.
  [[nodiscard]] Result<> set_endpoints(std::vector<pool::Endpoint> endpoints) {
    auto result = core().set_endpoints(std::move(endpoints), loop().refresh_now());
    state_->settle();
    return result;
  }

  /// Closes the connections that are idle now; see `pool::LeasePool::close_idle`.
  std::size_t close_idle() {
    const std::size_t count = core().close_idle(loop().refresh_now());
    state_->settle();
    return count;
  }

  [[nodiscard]] pool::PoolStats stats() const { return state_->stats(); }
  [[nodiscard]] pool::PoolGauges gauges() const { return state_->core().gauges(); }
  /// Those of a T with `memory_bytes()` (its own or of what it points to) tell their memory, too.
  [[nodiscard]] std::vector<pool::ConnectionInfo> connections() const { return state_->connections(); }
  [[nodiscard]] const pool::PoolConfig& config() const { return state_->core().config(); }
  [[nodiscard]] async::EventLoop& loop() { return state_->loop(); }
  /// For users that know more about endpoints than dials tell (a failed request, a keep-alive hint).
  [[nodiscard]] pool::LeasePool& core() { return state_->core(); }
  [[nodiscard]] Connector& connector() { return state_->connector; }

 private:
  class State;
  using StatePtr = detail::OwnerPtr<State>;
  explicit ConnectionPool(State* state) : state_(state) {}

  void stop_now() {
    if (!state_) return;
    state_->end_notices();
    if (state_->loop().is_ending()) return;
    const Instant now = state_->loop().now();
    state_->core().drain(now, now);
    state_->settle();
  }

  StatePtr state_;
};

}  // namespace marketprism::net

#include "marketprism/net/connection_pool_state.hpp"
