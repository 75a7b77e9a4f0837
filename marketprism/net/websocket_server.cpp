#include "marketprism/net/websocket_server.hpp"

#include <utility>

#include "marketprism/net/deadline.hpp"

namespace marketprism::net {
namespace {

Task<> serve(const WebSocketServerOptions& options, const WebSocketHandler& handler, const HttpServerRequest& request,
             TransportPtr transport, std::string remainder) {
  EventLoop& loop = transport->loop();
  const wire::WebSocketAnswer answer = wire::answer_websocket_request(request.head.to_request_head(), options.policy);
  {
    const Deadline deadline(loop, loop.now() + options.connection.pong_timeout, *transport);
    const auto sent = co_await transport->write(answer.response);
    if (!sent) co_return;
  }
  if (!answer.is_accepted()) {
    co_await transport->shutdown();
    co_return;
  }
  WebSocketConnection connection(std::move(transport), WebSocketRole::server, answer.agreement, options.connection,
                                 remainder);
  co_await handler(connection, request);
  const Instant deadline = loop.now() + options.connection.pong_timeout;
  if (connection.is_open()) co_await connection.close(WebSocketCloseCode::normal, "", deadline);
}

}  // namespace

HttpUpgradeHandler accept_websocket(WebSocketServerOptions options, WebSocketHandler handler) {
  return [options = std::move(options), handler = std::move(handler)](
             const HttpServerRequest& request, TransportPtr transport, std::string remainder) -> Task<> {
    return serve(options, handler, request, std::move(transport), std::move(remainder));
  };
}

}  // namespace marketprism::net
