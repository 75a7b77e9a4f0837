#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "marketprism/net/http_message.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

struct HttpServerOptions {
  std::string address = "127.0.0.1";   ///< an IP address of this machine; "::" or "0.0.0.0" for all
  std::uint16_t port = 0;              ///< 0: any free one
  TlsContextPtr tls;                   ///< none: plain
  std::size_t connections_max = 4096;  ///< a newcomer past it takes the place of who is idle longest; if none is, it is
                                       ///< closed at once and counted
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 16 * 1024 * 1024;
  std::size_t fields_max = 256;
  Nanoseconds handshake_timeout = std::chrono::seconds(10);  ///< of TLS
  Nanoseconds read_timeout = std::chrono::seconds(10);       ///< from the first byte of a request to its end
  Nanoseconds idle_timeout = std::chrono::seconds(75);       ///< between requests
  Nanoseconds write_timeout = std::chrono::seconds(10);      ///< of one reply
  std::string server_name = "marketprism";                   ///< header Server; empty: none
};

/// A request as a handler sees it; valid while the handler runs.
struct HttpServerRequest {
  const HttpHead& head;
  const std::string& body;
  const TransportInfo& transport;

  [[nodiscard]] std::string_view method() const { return head.method(); }
  [[nodiscard]] std::string_view path() const { return head.path(); }
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  wire::HttpHeaders headers;  ///< besides Content-Type, Content-Length, Connection, Server
  bool close = false;         ///< close the connection after it
};

using HttpHandler = std::function<Task<HttpReply>(const HttpServerRequest&)>;
/// For handlers that need not wait.
using HttpFunction = std::function<HttpReply(const HttpServerRequest&)>;
/// Takes over the connection of a request, mostly one with `Upgrade:`; `remainder` was read beyond the request. The
/// connection is the handler's; its task ends when it is done with it.
using HttpUpgradeHandler =
    std::function<Task<>(const HttpServerRequest&, TransportPtr transport, std::string remainder)>;

/// A small HTTP/1.1 server on one event loop, plain or TLS; upgrades are handed over, so that WebSocket lives on the
/// same port. Requests that break the protocol get 400, 408, 413 or 431 and a close. Owned by the program; destroy it
/// on its loop's thread or when the loop no longer runs.
class HttpServer {
 public:
  struct Statistics {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;  ///< over `connections_max`: newcomers, or idle ones that made room for them
    std::uint64_t requests = 0;
    std::uint64_t upgrades = 0;
    std::uint64_t failed = 0;  ///< connections ended by an error: TLS, protocol, limits, deadlines
    std::size_t open = 0;      ///< now, upgraded ones included
  };

  HttpServer(EventLoop& loop, HttpServerOptions options = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Before `listen`. `path`: exact, or a prefix if it ends with '*' (the longest match wins); `method`: "*" for any.
  /// Nothing matches: 404, or 405 if another method would.
  void handle(std::string_view method, std::string_view path, HttpHandler handler);
  void handle(std::string_view method, std::string_view path, HttpFunction handler);
  void handle_upgrade(std::string_view path, HttpUpgradeHandler handler);
  /// Hands over the connection of a plain request, for replies without an end (server-sent events). The handler writes
  /// the whole reply, its head too.
  void handle_stream(std::string_view method, std::string_view path, HttpUpgradeHandler handler);

  /// Binds and starts to accept; returns the port. `already_exists` if it is in use, `permission_denied`,
  /// `invalid_argument` for a bad address.
  Result<std::uint16_t> listen();
  [[nodiscard]] std::uint16_t port() const;

  /// Stops accepting and closes idle connections; requests in progress may end until `deadline`, then all is closed.
  /// Returns how many were cut, after their handlers ended (which gets half a second): then what the handlers use may
  /// be destroyed. Upgraded connections count as in progress.
  Task<std::size_t> stop(Instant deadline);
  /// Stops accepting; new connections are refused until `listen()` again. Connections stay.
  void stop_accepting();
  /// Closes all connections at once, the listening socket stays: a test's or a fault plan's network failure.
  void cut_all();

  [[nodiscard]] Statistics statistics() const;

 private:
  struct State;

  static Task<> wait_until_closed(std::shared_ptr<State> state, Instant deadline);

  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
