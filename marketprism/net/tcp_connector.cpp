#include "marketprism/net/tcp_connector.hpp"

#include <utility>

namespace marketprism::net {

TcpConnector::TcpConnector(EventLoop& loop, TlsContextPtr tls, std::string tls_server_name, ConnectRoute route)
    : loop_(&loop), tls_(std::move(tls)), tls_server_name_(std::move(tls_server_name)), route_(std::move(route)) {}

Task<Result<TransportPtr>> TcpConnector::connect(const pool::Endpoint& endpoint, Instant deadline) {
  auto target = target_for(endpoint, tls_, tls_server_name_, route_);
  if (!target) co_return std::unexpected(std::move(target.error()));
  co_return co_await net::connect(*loop_, std::move(*target), deadline);
}

Task<Result<>> TcpConnector::check(TransportPtr& transport, Instant) {
  if (transport->has_ended()) co_return fail(ErrorCode::connection_closed, "the peer has closed the connection");
  if (transport->has_unread()) co_return fail(ErrorCode::malformed, "the peer sent what nobody asked for");
  co_return Result<>();
}

Task<> TcpConnector::close(TransportPtr transport) {
  transport->close();
  co_return;
}

Task<> TcpConnector::watch(TransportPtr& transport) { return transport->wait_for_end(); }

void TcpConnector::abort(TransportPtr& transport) { transport->close(); }

}  // namespace marketprism::net
