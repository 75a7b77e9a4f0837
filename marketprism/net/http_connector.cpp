#include "marketprism/net/http_connector.hpp"

#include <utility>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {

HttpConnector::HttpConnector(EventLoop& loop, TlsContextPtr tls, HttpConnectionOptions options,
                             std::string tls_server_name, ConnectRoute route)
    : loop_(&loop),
      tls_(std::move(tls)),
      options_(options),
      tls_server_name_(std::move(tls_server_name)),
      route_(std::move(route)) {}

Task<Result<HttpConnectionPtr>> HttpConnector::connect(const pool::Endpoint& endpoint, Instant deadline) {
  auto target = target_for(endpoint, tls_, tls_server_name_, route_);
  if (!target) co_return std::unexpected(std::move(target.error()));
  auto connection = co_await HttpConnection::connect(*loop_, std::move(*target), deadline, options_);
  if (connection) (*connection)->on_fault(fault_callback_);
  co_return connection;
}

Task<Result<>> HttpConnector::check(HttpConnectionPtr& connection, Instant) {
  if (!connection->is_reusable()) co_return fail(ErrorCode::connection_closed, "the peer has closed the connection");
  co_return Result<>();
}

Task<> HttpConnector::close(HttpConnectionPtr connection) {
  connection->close();
  co_return;
}

Task<> HttpConnector::watch(HttpConnectionPtr& connection) {
  // Shared with the callback, which may come when this task has ended.
  const auto ended = std::make_shared<async::Signal>(*loop_);
  connection->on_closed([ended] { ended->set(); });
  if (!connection->is_open()) co_return;
  co_await ended->wait();
}

void HttpConnector::abort(HttpConnectionPtr& connection) { connection->close(); }

}  // namespace marketprism::net
