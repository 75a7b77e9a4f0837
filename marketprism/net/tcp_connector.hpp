#pragma once
#include <string>

#include "marketprism/net/connection_pool.hpp"
#include "marketprism/net/connector.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace marketprism::net {

/// How TCP and TLS connections are pooled for a protocol of the user's own; see `ConnectorOf`. The peer's end is
/// noticed at once, whether a connection is lent or idle; one on which the peer sent something that nobody asked for
/// fails its check. Whoever leaves half of an exchange behind marks the lease broken. Owned by its pool, on the pool's
/// loop.
///
///   auto pool = TcpConnectionPool::create(loop, config, {{.host = "127.0.0.1", .port = 6379}}, TcpConnector(loop));
class TcpConnector {
 public:
  /// `tls` is needed for endpoints that ask for TLS. `tls_server_name`: whom the certificates must name; empty: the
  /// endpoint's host.
  explicit TcpConnector(EventLoop& loop, TlsContextPtr tls = nullptr, std::string tls_server_name = {},
                        ConnectRoute route = {});

  Task<Result<TransportPtr>> connect(const pool::Endpoint& endpoint, Instant deadline);
  Task<Result<>> check(TransportPtr& transport, Instant deadline);
  Task<> close(TransportPtr transport);
  Task<> watch(TransportPtr& transport);
  void abort(TransportPtr& transport);

 private:
  EventLoop* loop_;
  TlsContextPtr tls_;
  std::string tls_server_name_;
  ConnectRoute route_;
};

using TcpConnectionPool = ConnectionPool<TransportPtr, TcpConnector>;

}  // namespace marketprism::net
