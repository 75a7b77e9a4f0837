#pragma once
#include <cstdint>
#include <string>

#include "marketprism/net/proxy.hpp"
#include "marketprism/net/socket.hpp"

namespace marketprism::net {

/// Asks the proxy that `socket` is connected to for a tunnel to host:port, by CONNECT or SOCKS5. Afterwards the bytes
/// of the socket are the host's; the first that it may send is after ours. What a proxy answers is read within limits
/// (16 KiB) and until `deadline`. Errors say what the proxy said: `permission_denied` (user and password, or a rule of
/// the proxy), `connection_refused`, `rejected`, `timed_out`, `malformed` for what is no answer of a proxy. `proxy`
/// lives until the end.
Task<Result<>> open_tunnel(Socket& socket, const Proxy& proxy, std::string host, std::uint16_t port, Instant deadline);

}  // namespace marketprism::net
