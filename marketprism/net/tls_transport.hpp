#pragma once
#include <string>

#include "marketprism/net/socket.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

/// Shakes hands as a client over a connected socket: SNI, chain, date and name are checked against `server_name`.
Task<Result<TransportPtr>> connect_tls(Socket socket, TlsContextPtr context, std::string server_name, Instant deadline);
/// The same as a server.
Task<Result<TransportPtr>> accept_tls(Socket socket, TlsContextPtr context, Instant deadline);

}  // namespace marketprism::net
