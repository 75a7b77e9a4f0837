#include "marketprism/net/connector.hpp"

#include "marketprism/net/address_race.hpp"
#include "marketprism/net/proxy_tunnel.hpp"
#include "marketprism/net/socket.hpp"
#include "marketprism/net/tcp_transport.hpp"
#include "marketprism/net/tls_transport.hpp"

namespace marketprism::net {
namespace {

Task<Result<Socket>> connect_tcp(EventLoop& loop, const ConnectRoute& route, std::string where, std::string host,
                                 std::uint16_t port, Instant deadline, AddressRaceOptions options) {
  Result<Addresses> addresses;
  if (route.dns) {
    addresses = co_await route.dns->resolve(host, deadline);
  } else {
    addresses = co_await resolve(loop, host, deadline);
  }
  if (!addresses) co_return fail_because(std::move(addresses.error()), where + ": cannot connect");
  auto socket = co_await race_addresses(loop, std::move(where), std::move(*addresses), port, deadline, options);
  const bool is_unreachable = !socket && socket.error().code != ErrorCode::cancelled;
  if (is_unreachable && route.dns) route.dns->doubt(host);
  co_return socket;
}

Task<Result<Socket>> connect_socket(EventLoop& loop, const ConnectTarget& target, Instant deadline) {
  const std::string where = host_and_port(target.host, target.port);
  const std::string& host = target.connect_to.empty() ? target.host : target.connect_to;
  const ConnectRoute& route = target.route;
  const Proxy* proxy = route.proxies ? route.proxies->find(host, target.port, target.tls != nullptr) : nullptr;
  AddressRaceOptions options;
  options.attempt_delay = route.attempt_delay;
  options.receive_buffer_bytes = target.receive_buffer_bytes;
  if (proxy == nullptr) {
    auto direct = co_await connect_tcp(loop, route, where, host, target.port, deadline, options);
    co_return direct;
  }
  auto socket = co_await connect_tcp(loop, route, where, proxy->host, proxy->port, deadline, options);
  if (!socket) {
    co_return fail_because(std::move(socket.error()), where + ": the proxy " + proxy->name() + " cannot be reached");
  }
  auto opened = co_await open_tunnel(*socket, *proxy, host, target.port, deadline);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  co_return socket;
}

}  // namespace

Result<ConnectTarget> target_for(const pool::Endpoint& endpoint, const TlsContextPtr& tls, std::string tls_server_name,
                                 ConnectRoute route) {
  if (endpoint.is_tls && !tls) {
    return fail(ErrorCode::invalid_argument, endpoint.name() + ": TLS is asked for, but the pool has no TLS context",
                true);
  }
  ConnectTarget target;
  target.host = endpoint.host;
  target.port = endpoint.port;
  if (endpoint.is_tls) target.tls = tls;
  target.tls_server_name = std::move(tls_server_name);
  target.route = std::move(route);
  return target;
}

Task<Result<TransportPtr>> connect(EventLoop& loop, ConnectTarget target, Instant deadline) {
  auto socket = co_await connect_socket(loop, target, deadline);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  if (!target.tls) co_return make_tcp_transport(std::move(*socket));
  const std::string& name = target.tls_server_name.empty() ? target.host : target.tls_server_name;
  co_return co_await connect_tls(std::move(*socket), target.tls, name, deadline);
}

}  // namespace marketprism::net
