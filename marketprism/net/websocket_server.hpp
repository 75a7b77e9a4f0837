#pragma once
#include <functional>

#include "marketprism/net/http_server.hpp"
#include "marketprism/net/websocket_connection.hpp"

namespace marketprism::net {

struct WebSocketServerOptions {
  wire::WebSocketPolicy policy;  ///< subprotocols, compression, headers of the answer
  WebSocketOptions connection;
};

/// Serves one connection: reads and sends until it is done with it. When its task ends the connection is closed (1000).
using WebSocketHandler = std::function<Task<>(WebSocketConnection& connection, const HttpServerRequest& request)>;

/// Makes the handler for `HttpServer::handle_upgrade`: answers the handshake (400 or 426 if it is none) and calls
/// `handler` with the connection.
HttpUpgradeHandler accept_websocket(WebSocketServerOptions options, WebSocketHandler handler);

}  // namespace marketprism::net
