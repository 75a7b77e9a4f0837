#pragma once
#include <cstdint>
#include <string>

#include "marketprism/net/tls_context.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

/// Where to connect to and how.
struct ConnectTarget {
  std::string host;  ///< name or IP address (IPv6 without brackets)
  std::uint16_t port = 0;
  TlsContextPtr tls;             ///< none: plain TCP
  std::string tls_server_name;   ///< for SNI and the host check; empty: `host`
  std::string connect_to;        ///< connect to this host or address instead of `host`; empty: `host`
  int receive_buffer_bytes = 0;  ///< SO_RCVBUF; 0: the system's
};

/// Resolves, connects (each address in turn) and, with TLS, shakes hands and verifies, all before `deadline`.
/// TCP_NODELAY is on. Every error names host:port and what to do: `not_found` (name), `connection_refused`,
/// `timed_out`, `tls_failed` (terminal if the certificate is wrong: name, date, unknown authority), `connection_reset`.
Task<Result<TransportPtr>> connect(EventLoop& loop, ConnectTarget target, Instant deadline);

}  // namespace marketprism::net
