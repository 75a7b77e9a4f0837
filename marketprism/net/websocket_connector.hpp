#pragma once
#include <memory>

#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace marketprism::net {

using WebSocketConnectionPtr = std::unique_ptr<WebSocketConnection>;

/// How WebSocket connections are pooled to be lent to one user at a time; see `ConnectorOf`. (For subscriptions that
/// share connections there is WebSocketConnectionPool.) A check is one ping and its pong. A connection is watched until
/// its first use, afterwards when its holder says `watch_unused` before giving it back (WebSocketLease does), or from
/// the first check on. Owned by its pool, on the pool's loop.
class WebSocketConnector {
 public:
  /// `target`: headers, subprotocols, compression and TLS of every connection; host, port and path come from the
  /// endpoint.
  WebSocketConnector(EventLoop& loop, WebSocketConnectTarget target, WebSocketOptions options = {},
                     Nanoseconds close_timeout = std::chrono::seconds(10));

  Task<Result<WebSocketConnectionPtr>> connect(const pool::Endpoint& endpoint, Instant deadline);
  Task<Result<>> check(WebSocketConnectionPtr& connection, Instant deadline);
  Task<> close(WebSocketConnectionPtr connection);
  Task<> watch(WebSocketConnectionPtr& connection);
  void abort(WebSocketConnectionPtr& connection);

 private:
  EventLoop* loop_;
  WebSocketConnectTarget target_;
  WebSocketOptions options_;
  Nanoseconds close_timeout_;
};

}  // namespace marketprism::net
