#pragma once
#include "marketprism/net/socket.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

/// A transport over a connected socket, without TLS. `peer` of the info is the socket's.
TransportPtr make_tcp_transport(Socket socket);

}  // namespace marketprism::net
