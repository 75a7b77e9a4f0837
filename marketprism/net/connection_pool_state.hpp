#pragma once
// The inside of ConnectionPool; included by connection_pool.hpp only.
#include "marketprism/net/connection_pool.hpp"

namespace marketprism::net {

/// Carries out what the core asks for. Lives as long as the pool, a lease or a task of it.
template <class T, class Connector>
class ConnectionPool<T, Connector>::State final : public detail::LeaseOwner<T>, private async::ParkedWait {
 public:
  State(async::EventLoop& loop, pool::PoolConfig config, std::vector<pool::Endpoint> endpoints, Connector made)
      : detail::LeaseOwner<T>(loop, std::move(config), std::move(endpoints)), connector(std::move(made)) {}

  static Lease<T> try_acquire(State& self, const std::source_location& where) {
    const pool::ConnectionHandle handle = self.core().try_acquire(self.loop().now(), where);
    if (!handle) {
      self.settle();  // connections that were too old have been closed
      return {};
    }
    return Lease<T>(&self, self.nodes_[handle.index].get(), handle);
  }

  static async::Task<Result<Lease<T>>> acquire(StatePtr self, Nanoseconds timeout, std::source_location where) {
    if (Lease<T> lease = try_acquire(*self.get(), where)) co_return lease;
    const boost::asio::use_awaitable_t<async::Executor> token;
    co_return co_await wait(self, timeout, token, where);
  }

  template <class Token>
  static auto wait(StatePtr self, Nanoseconds timeout, Token&& token, std::source_location where) {
    return boost::asio::async_initiate<std::remove_reference_t<Token>, void(Result<Lease<T>>)>(
        [](auto handler, const StatePtr& state, Nanoseconds most, std::source_location from) {
          begin_wait(std::move(handler), state, most, from);
        },
        token, std::move(self), timeout, where);
  }

  static async::Task<std::size_t> drain(StatePtr self, Nanoseconds patience) {
    const Instant now = self->loop().refresh_now();
    async::Signal ended(self->loop());
    self->on_end_.push_back(&ended);
    const Instant deadline = detail::deadline_after(now, patience);
    self->core().drain(now, deadline);
    self->settle();
    self->tell_end();
    co_await ended.wait(deadline + std::chrono::seconds(1));  // a connector whose close hangs must not hang us
    std::erase(self->on_end_, &ended);
    co_return self->left_;
  }

  Result<> use_ledger(std::shared_ptr<pool::PermitLedger> ledger) {
    link_ = std::make_shared<detail::PermitLink>(this->loop(), [this](pool::PermitNotice notice) {
      const StatePtr keep(this);
      this->core().permit_notice(notice, this->loop().now());
      this->settle();
    });
    member_ = ledger->join(link_);
    if (member_ == pool::PermitLedger::no_member) {
      return fail(ErrorCode::exhausted,
                  "pool '" + this->core().config().name + "': the permit ledger has no room for it");
    }
    this->core().use_ledger(*ledger, member_);
    ledger_ = std::move(ledger);
    return {};
  }

  ~State() override {
    if (link_) link_->end();
    if (ledger_ == nullptr) return;
    nodes_.clear();  // sockets first
    this->core().give_up_permits();
    ledger_->leave(member_);
  }

  [[nodiscard]] pool::PoolStats stats() {
    pool::PoolStats stats = this->core().stats(this->loop().refresh_now());
    for (std::size_t i = 0; i < nodes_.size(); ++i) stats.connection_bytes += memory_bytes_of(i);
    return stats;
  }

  [[nodiscard]] std::vector<pool::ConnectionInfo> connections() {
    auto all = this->core().connections(this->loop().refresh_now());
    for (pool::ConnectionInfo& info : all) info.memory_bytes = memory_bytes_of(info.place);
    return all;
  }

  /// The pool is gone: who still holds a lease needs no notices, and the loop may end before it.
  void end_notices() {
    if (link_) link_->end();
  }

  Connector connector;

 private:
  static constexpr bool has_watch = requires(Connector& c, T& t) {
    { c.watch(t) } -> std::same_as<async::Task<>>;
  };
  static constexpr bool has_abort = requires(Connector& c, T& t) { c.abort(t); };

  using Completion = std::move_only_function<void(Result<Lease<T>>)>;

  struct Waiting {
    Completion complete;
    boost::asio::cancellation_slot slot;
  };

  struct Node final : detail::PooledConnection<T> {
    using detail::PooledConnection<T>::PooledConnection;
    boost::asio::cancellation_signal stop_watch;
    boost::asio::cancellation_signal stop_check;
    int tasks = 0;                   // running on the connection; it is closed when they have ended
    pool::ConnectionHandle closing;  // its handle, when it is to be closed
  };
  using NodePtr = std::shared_ptr<Node>;

  // A dial, until nothing of it is open that the pool does not have, or a close.
  struct Stoppable {
    pool::ConnectionHandle handle;
    std::shared_ptr<boost::asio::cancellation_signal> stop;
  };
  using Stoppables = std::vector<Stoppable>;

  // Hands a result to who waits for it, later, on its executor: never inside the call that brought it.
  template <class H>
  static Completion completion_of(H handler, const async::Executor& fallback) {
    const auto executor = boost::asio::get_associated_executor(handler, fallback);
    return [handler = std::move(handler), executor](Result<Lease<T>> result) mutable {
      boost::asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
      });
    };
  }

  [[nodiscard]] std::size_t memory_bytes_of(std::size_t place) const {
    if (place >= nodes_.size() || !nodes_[place]) return 0;  // connecting
    const T& connection = nodes_[place]->connection;
    if constexpr (requires { std::size_t(connection.memory_bytes()); }) {
      return connection.memory_bytes();
    } else if constexpr (requires { std::size_t(connection->memory_bytes()); }) {
      return connection->memory_bytes();
    } else {
      return 0;
    }
  }

  template <class H>
  static void begin_wait(H handler, const StatePtr& self, Nanoseconds timeout, std::source_location where) {
    auto waiter = self->core().wait(self->loop().refresh_now(), timeout, where);
    const auto slot = boost::asio::get_associated_cancellation_slot(handler);
    Completion complete = completion_of(std::move(handler), self->loop().executor());
    if (!waiter) {
      complete(std::unexpected(std::move(waiter.error())));
      return self->settle();
    }
    if (self->waiting_.size() <= waiter->index) self->waiting_.resize(waiter->index + 1);
    self->waiting_[waiter->index] = {std::move(complete), slot};
    if (!self->is_parked_) {
      self->is_parked_ = true;
      self->park(self->loop());
    }
    if (slot.is_connected()) {
      auto cancel_it = [state = self.get(), id = *waiter](boost::asio::cancellation_type) { state->cancel(id); };
      self->waiting_[waiter->index].slot.assign(cancel_it);
    }
    self->settle();
  }

  void answer(pool::WaiterHandle waiter, Result<Lease<T>> result) {
    Waiting waiting = std::exchange(waiting_[waiter.index], Waiting{});
    if (waiting.slot.is_connected()) waiting.slot.clear();
    waiting.complete(std::move(result));
  }

  void cancel(pool::WaiterHandle waiter) {
    if (!this->core().cancel(waiter, this->loop().now())) return;
    answer(waiter, fail(ErrorCode::cancelled, "pool '" + this->core().config().name + "': the acquire was cancelled"));
    this->settle();
  }

  // The loop ends while some wait: their coroutines are destroyed, perhaps this object with the last.
  void abandon() override {
    const std::vector<Waiting> waiting = std::move(waiting_);
    waiting_.clear();
  }

  void perform(pool::LeaseAction& action) override {
    std::visit([this](auto& a) { this->on(a); }, action);
  }

  void on(pool::Dial& action) {
    auto stop = std::make_shared<boost::asio::cancellation_signal>();
    dialing_.push_back({action.connection, stop});
    spawn(dial(StatePtr(this), action), stop->slot(), stop);
  }

  void on(pool::AbortDial& action) { stop(dialing_, action.connection); }

  void on(pool::Cut& action) {
    stop(dialing_, action.connection);
    stop(closing_, action.connection);
  }

  static void stop(const Stoppables& all, pool::ConnectionHandle handle) {
    for (const Stoppable& one : all) {
      if (!(one.handle == handle)) continue;
      const auto signal = one.stop;  // it may end, and leave the list, inside the call
      return signal->emit(boost::asio::cancellation_type::terminal);
    }
  }

  void on(pool::Check& action) {
    const NodePtr node = nodes_[action.connection.index];
    ++node->tasks;
    spawn(check(StatePtr(this), node, action), node->stop_check.slot(), node);
  }

  void on(pool::Close& action) {
    const NodePtr node = std::move(nodes_[action.connection.index]);
    closing_.push_back({action.connection, std::make_shared<boost::asio::cancellation_signal>()});
    node->closing = action.connection;
    // Nobody waits for the answer of what does not answer.
    if constexpr (has_abort) {
      if (action.reason == pool::CloseReason::unhealthy) connector.abort(node->connection);
    }
    ++node->tasks;  // so that it is not closed inside these calls
    node->stop_watch.emit(boost::asio::cancellation_type::terminal);
    node->stop_check.emit(boost::asio::cancellation_type::terminal);
    end_task(node);
  }

  void on(pool::Break& action) {
    if constexpr (has_abort) {
      connector.abort(nodes_[action.connection.index]->connection);
      this->core().closed(action.connection, this->loop().now());
    }
  }

  void on(pool::Grant& action) {
    answer(action.waiter, Lease<T>(this, nodes_[action.connection.index].get(), action.connection));
  }

  void on(pool::Reject& action) { answer(action.waiter, std::unexpected(std::move(action.error))); }

  void on(pool::Drained& action) {
    left_ = action.left;
    tell_end();
  }

  void on(pool::Overdue& action) { detail::log_overdue(this->core().config().name, action); }

  // `keep` owns the slot's signal, which Asio uses until the very end of the task.
  void spawn(async::Task<> task, boost::asio::cancellation_slot slot, std::shared_ptr<void> keep) {
    boost::asio::co_spawn(
        this->loop().context(), std::move(task),
        boost::asio::bind_cancellation_slot(slot, [keep = std::move(keep)](const std::exception_ptr& error) {
          if (error) std::rethrow_exception(error);
        }));
  }

  // Cancellation shows as an error of what is waited for, not as an exception.
  static async::Task<> dial(StatePtr self, pool::Dial action) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const pool::Endpoint endpoint = self->core().endpoints()[action.endpoint];  // the list may change meanwhile
    Result<T> opened = co_await self->connector.connect(endpoint, action.deadline);
    const Instant now = self->loop().refresh_now();
    if (opened && self->core().dialed(action.connection, now)) {
      self->take_in(action.connection, std::move(*opened));
    } else if (opened) {
      co_await self->connector.close(std::move(*opened));
      self->core().closed(action.connection, self->loop().refresh_now());
    } else if (!self->core().closed(action.connection, now)) {  // else it was given up
      self->core().dial_failed(action.connection, std::move(opened.error()), now);
    }
    std::erase_if(self->dialing_, [&](const Stoppable& d) { return d.handle == action.connection; });
    self->settle();
    self->tell_end();
  }

  void take_in(pool::ConnectionHandle handle, T opened) {
    auto node = std::make_shared<Node>(std::move(opened));
    if (nodes_.size() <= handle.index) nodes_.resize(handle.index + 1);
    nodes_[handle.index] = node;
    if constexpr (has_watch) {
      ++node->tasks;
      spawn(watch(StatePtr(this), node, handle), node->stop_watch.slot(), node);
    }
  }

  static async::Task<> watch(StatePtr self, NodePtr node, pool::ConnectionHandle handle) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await self->connector.watch(node->connection);
    self->core().died(handle, self->loop().refresh_now());
    self->end_task(node);
    self->settle();
  }

  static async::Task<> check(StatePtr self, NodePtr node, pool::Check action) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const Result<> healthy = co_await self->connector.check(node->connection, action.deadline);
    self->core().checked(action.connection, healthy.has_value(), self->loop().refresh_now());
    self->end_task(node);
    self->settle();
  }

  void end_task(const NodePtr& node) {
    if (--node->tasks > 0 || !node->closing) return;
    for (const Stoppable& one : closing_) {
      if (!(one.handle == node->closing)) continue;
      const auto stop = one.stop;
      return spawn(close(StatePtr(this), node), stop->slot(), stop);
    }
  }

  static async::Task<> close(StatePtr self, NodePtr node) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await self->connector.close(std::move(node->connection));
    std::erase_if(self->closing_, [&](const Stoppable& c) { return c.handle == node->closing; });
    self->core().closed(node->closing, self->loop().refresh_now());
    self->settle();
    self->tell_end();
  }

  void tell_end() {
    if (!this->core().is_drained() || !closing_.empty() || !dialing_.empty()) return;
    // Each set resumes a drain, which may take itself, or with its caller others, off the list.
    while (!on_end_.empty()) {
      async::Signal* const ended = on_end_.front();
      on_end_.erase(on_end_.begin());
      ended->set();
    }
  }

  std::vector<NodePtr> nodes_;    // by the index of their handle
  std::vector<Waiting> waiting_;  // by the index of their handle
  Stoppables dialing_;
  Stoppables closing_;
  std::vector<async::Signal*> on_end_;
  std::shared_ptr<detail::PermitLink> link_;
  std::shared_ptr<pool::PermitLedger> ledger_;
  std::uint32_t member_ = pool::PermitLedger::no_member;
  std::size_t left_ = 0;
  bool is_parked_ = false;
};

}  // namespace marketprism::net
