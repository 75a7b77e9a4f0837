#include "marketprism/net/connector.hpp"

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/dns.hpp"
#include "marketprism/net/socket.hpp"
#include "marketprism/net/tcp_transport.hpp"
#include "marketprism/net/tls_transport.hpp"

namespace marketprism::net {
namespace {

// Each address in turn, the time that is left divided among those that are left, so that one dead address does not take
// the others' time.
Task<Result<Socket>> connect_tcp(EventLoop& loop, const ConnectTarget& target, Instant deadline) {
  const std::string where = host_and_port(target.host, target.port);
  const std::string& host = target.connect_to.empty() ? target.host : target.connect_to;
  auto addresses = co_await resolve(loop, host, deadline);
  if (!addresses) co_return fail_because(std::move(addresses.error()), where + ": cannot connect");
  Error last{ErrorCode::not_found, where + ": the host name has no address", false, nullptr};
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const Instant now = loop.now();
    const std::size_t left = addresses->size() - i;
    const Instant stop =
        deadline == Instant::max() || left == 1 ? deadline : now + (deadline - now) / static_cast<std::int64_t>(left);
    Socket socket(loop, where);
    const Deadline guard(loop, stop, socket);
    const Socket::Endpoint endpoint((*addresses)[i], target.port);
    const auto connected = co_await socket.connect(endpoint, target.receive_buffer_bytes);
    if (connected) co_return std::move(socket);
    last = connected.error();
    if (guard.has_passed()) {
      last = {ErrorCode::timed_out,
              where + ": connecting to " + address_text(endpoint) +
                  " took too long; check that the host is up and no firewall is between",
              false, nullptr};
    } else if (last.code == ErrorCode::cancelled) {
      break;
    }
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace

Task<Result<TransportPtr>> connect(EventLoop& loop, ConnectTarget target, Instant deadline) {
  auto socket = co_await connect_tcp(loop, target, deadline);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  if (!target.tls) co_return make_tcp_transport(std::move(*socket));
  const std::string& name = target.tls_server_name.empty() ? target.host : target.tls_server_name;
  co_return co_await connect_tls(std::move(*socket), target.tls, name, deadline);
}

}  // namespace marketprism::net
