#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "marketprism/net/dns_cache.hpp"
#include "marketprism/net/proxy.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/net/transport.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace marketprism::net {

/// How connections get to their hosts. One may serve all pools of a loop; every part may be left out.
struct ConnectRoute {
  DnsCachePtr dns;                                             ///< none: the system is asked at each connect
  ProxySettingsPtr proxies;                                    ///< none: no proxy
  Nanoseconds attempt_delay = std::chrono::milliseconds(250);  ///< before the next address joins the race (RFC 8305)
};

/// Where to connect to and how.
struct ConnectTarget {
  std::string host;  ///< name or IP address (IPv6 without brackets)
  std::uint16_t port = 0;
  TlsContextPtr tls;             ///< none: plain TCP
  std::string tls_server_name;   ///< for SNI and the host check; empty: `host`
  std::string connect_to;        ///< connect to this host or address instead of `host`; empty: `host`
  int receive_buffer_bytes = 0;  ///< SO_RCVBUF; 0: the system's
  ConnectRoute route;
};

/// The target that an endpoint of a pool means. `invalid_argument`, terminal, if it asks for TLS and there is no
/// context.
Result<ConnectTarget> target_for(const pool::Endpoint& endpoint, const TlsContextPtr& tls, std::string tls_server_name,
                                 ConnectRoute route);

/// Resolves, connects (the addresses race), asks the proxy if there is one (which then resolves the name) and, with
/// TLS, shakes hands and verifies, all before `deadline`. TCP_NODELAY is on. Every error names host:port and what to
/// do: `not_found` (name), `connection_refused`, `timed_out`, `tls_failed` (terminal if the certificate is wrong: name,
/// date, unknown authority), `connection_reset`.
Task<Result<TransportPtr>> connect(EventLoop& loop, ConnectTarget target, Instant deadline);

}  // namespace marketprism::net
