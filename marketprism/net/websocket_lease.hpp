#pragma once
#include <utility>

#include "marketprism/net/lease.hpp"
#include "marketprism/net/websocket_connector.hpp"

namespace marketprism::net {

/// A WebSocket connection of a pool, in one user's hands until this ends. Given back, it is read in the background, so
/// that it stays alive and its end shows; what the user left unread, or a message that comes later, closes it, since it
/// must not reach the next user. Move-only, belongs to the pool's loop.
class [[nodiscard]] WebSocketLease {
 public:
  WebSocketLease() = default;
  explicit WebSocketLease(Lease<WebSocketConnectionPtr> lease) : lease_(std::move(lease)) {}
  WebSocketLease(WebSocketLease&& other) noexcept = default;
  WebSocketLease& operator=(WebSocketLease&& other) noexcept {
    if (this != &other) {
      release();
      lease_ = std::move(other.lease_);
    }
    return *this;
  }
  ~WebSocketLease() { release(); }

  WebSocketConnection& operator*() const { return **lease_; }
  WebSocketConnection* operator->() const { return (*lease_).get(); }
  explicit operator bool() const { return static_cast<bool>(lease_); }

  /// The connection must not be used again.
  void mark_broken() { lease_.mark_broken(); }
  /// Gives it back now.
  void release() {
    if (!lease_) return;
    if (!(*lease_)->watch_unused(WebSocketConnection::Unused::close)) lease_.mark_broken();
    lease_.release();
  }

  [[nodiscard]] std::uint64_t connection_id() const { return lease_.connection_id(); }
  /// How often the connection has been lent, this time included.
  [[nodiscard]] std::uint64_t use_count() const { return lease_.use_count(); }

 private:
  Lease<WebSocketConnectionPtr> lease_;
};

}  // namespace marketprism::net
