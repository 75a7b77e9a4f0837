#pragma once
#include <cstdint>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/net/deadline.hpp"
#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::net {

namespace detail {

/// The leak alarm: one line in the log for a lease that is out for too long.
void log_overdue(std::string_view pool, const pool::Overdue& lease);

/// Where a connection lives from its dial to its close. Tasks that run on it (watch, check) keep it alive.
template <class T>
struct PooledConnection {
  explicit PooledConnection(T opened) : connection(std::move(opened)) {}
  virtual ~PooledConnection() = default;
  T connection;
};

/// The part of a pool that its leases know. Counted references, not atomic: everything happens on one loop.
template <class T>
class LeaseOwner {
 public:
  LeaseOwner(async::EventLoop& loop, pool::PoolConfig config, std::vector<pool::Endpoint> endpoints)
      : loop_(loop),
        core_(std::move(config), std::move(endpoints)),
        timer_([](void* self) { static_cast<LeaseOwner*>(self)->on_timer(); }, this) {}
  LeaseOwner(const LeaseOwner&) = delete;
  LeaseOwner& operator=(const LeaseOwner&) = delete;

  async::EventLoop& loop() { return loop_; }
  pool::LeasePool& core() { return core_; }

  void add_reference() { ++references_; }
  void drop_reference() {
    if (--references_ == 0) delete this;
  }

  /// After every call into the core.
  void settle() {
    if (core_.has_actions() || core_.wake_at() != armed_at_) [[unlikely]] {
      settle_slowly();
    }
  }

 protected:
  virtual ~LeaseOwner() = default;
  virtual void perform(pool::LeaseAction& action) = 0;

  void settle_slowly() {
    if (is_settling_) return;  // the loop below sees what is added
    is_settling_ = true;
    add_reference();
    while (auto action = core_.next_action()) perform(*action);
    is_settling_ = false;
    if (core_.wake_at() != armed_at_) {
      armed_at_ = core_.wake_at();
      if (armed_at_ == Instant::max()) {
        timer_.disarm();
      } else {
        loop_.timers().arm(timer_, armed_at_);
      }
    }
    drop_reference();
  }

 private:
  void on_timer() {
    armed_at_ = Instant::min();
    core_.tick(loop_.now());
    settle();
  }

  async::EventLoop& loop_;
  pool::LeasePool core_;
  async::Timer timer_;
  Instant armed_at_ = Instant::max();
  std::size_t references_ = 0;
  bool is_settling_ = false;
};

/// A counted reference to an owner.
template <class Owner>
class OwnerPtr {
 public:
  OwnerPtr() = default;
  explicit OwnerPtr(Owner* owner) : owner_(owner) {
    if (owner_ != nullptr) owner_->add_reference();
  }
  OwnerPtr(const OwnerPtr& other) : OwnerPtr(other.owner_) {}
  OwnerPtr(OwnerPtr&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  OwnerPtr& operator=(OwnerPtr other) noexcept {
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~OwnerPtr() {
    if (owner_ != nullptr) owner_->drop_reference();
  }
  Owner* operator->() const { return owner_; }
  Owner* get() const { return owner_; }
  explicit operator bool() const { return owner_ != nullptr; }

 private:
  Owner* owner_ = nullptr;
};

}  // namespace detail

template <class T, class Connector>
class ConnectionPool;

/// The right to use one connection of a pool, alone. Goes back to the pool when it is destroyed; a connection in doubt
/// (an error, a request cut short) is marked broken first, the pool then closes it. A type of connection that can tell
/// (`is_reusable`) is asked, too. Belongs to the pool's loop; may outlive the pool.
template <class T>
class [[nodiscard]] Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        node_(other.node_),
        handle_(other.handle_),
        is_broken_(other.is_broken_) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      release();
      owner_ = std::exchange(other.owner_, nullptr);
      node_ = other.node_;
      handle_ = other.handle_;
      is_broken_ = other.is_broken_;
    }
    return *this;
  }
  ~Lease() { release(); }

  explicit operator bool() const { return owner_ != nullptr; }
  T& operator*() const { return node_->connection; }
  /// Members of the connection; when T is a smart pointer, of what it points to.
  auto operator->() const {
    if constexpr (requires(T& t) { t.operator->(); }) {
      return node_->connection.operator->();
    } else {
      return &node_->connection;
    }
  }

  /// The connection must not be used again.
  void mark_broken() { is_broken_ = true; }

  /// Gives it back now.
  void release() {
    auto* owner = std::exchange(owner_, nullptr);
    if (owner == nullptr) return;
    if (!owner->loop().is_ending()) [[likely]] {
      if (is_broken_ || !is_reusable()) [[unlikely]] {
        owner->core().release_broken(handle_, owner->loop().now());
      } else {
        owner->core().release(handle_, owner->loop().now());
      }
      owner->settle();
    }
    owner->drop_reference();
  }

  /// Never given to another connection of the pool.
  [[nodiscard]] std::uint64_t connection_id() const { return handle_.id; }
  /// How often the connection has been lent, this time included.
  [[nodiscard]] std::uint64_t use_count() const { return owner_->core().use_count(handle_); }
  /// Index of its endpoint in the pool's list.
  [[nodiscard]] std::uint32_t endpoint() const { return owner_->core().endpoint_of(handle_); }

 private:
  template <class U, class Connector>
  friend class ConnectionPool;

  using Node = detail::PooledConnection<T>;
  Lease(detail::LeaseOwner<T>* owner, Node* node, pool::ConnectionHandle handle)
      : owner_(owner), node_(node), handle_(handle) {
    owner_->add_reference();
  }

  [[nodiscard]] bool is_reusable() const {
    if constexpr (requires(T& t) { t->is_reusable(); }) {
      return node_->connection->is_reusable();
    } else {
      return true;
    }
  }

  detail::LeaseOwner<T>* owner_ = nullptr;
  Node* node_ = nullptr;
  pool::ConnectionHandle handle_;
  bool is_broken_ = false;
};

}  // namespace marketprism::net
