#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace marketprism::net {

using HttpConnectionPtr = std::unique_ptr<HttpConnection>;

/// How HTTP connections are pooled; see `ConnectorOf`. An idle connection keeps a read armed, so its check is a look at
/// a flag. Owned by its pool, on the pool's loop.
class HttpConnector {
 public:
  /// `tls` is needed for endpoints that ask for TLS. `tls_server_name`: whom the certificates must name; empty: the
  /// endpoint's host.
  HttpConnector(EventLoop& loop, TlsContextPtr tls, HttpConnectionOptions options = {},
                std::string tls_server_name = {}, ConnectRoute route = {});

  /// See `HttpConnection::on_fault`; for the connections from now on.
  void on_fault(std::function<void(const Error&)> callback) { fault_callback_ = std::move(callback); }

  Task<Result<HttpConnectionPtr>> connect(const pool::Endpoint& endpoint, Instant deadline);
  Task<Result<>> check(HttpConnectionPtr& connection, Instant deadline);
  Task<> close(HttpConnectionPtr connection);
  Task<> watch(HttpConnectionPtr& connection);
  void abort(HttpConnectionPtr& connection);

 private:
  EventLoop* loop_;
  TlsContextPtr tls_;
  HttpConnectionOptions options_;
  std::string tls_server_name_;
  ConnectRoute route_;
  std::function<void(const Error&)> fault_callback_;
};

}  // namespace marketprism::net
