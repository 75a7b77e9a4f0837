#include "marketprism/net/websocket_connector.hpp"

#include <utility>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/deadline.hpp"

namespace marketprism::net {

WebSocketConnector::WebSocketConnector(EventLoop& loop, WebSocketConnectTarget target, WebSocketOptions options,
                                       Nanoseconds close_timeout)
    : loop_(&loop), target_(std::move(target)), options_(options), close_timeout_(close_timeout) {}

Task<Result<WebSocketConnectionPtr>> WebSocketConnector::connect(const pool::Endpoint& endpoint, Instant deadline) {
  WebSocketConnectTarget target = target_;
  const std::string target_text = endpoint.target.empty() ? "/" : endpoint.target;
  auto url = wire::parse_url((endpoint.is_tls ? "wss://" : "ws://") + endpoint.name() + target_text);
  if (!url) co_return std::unexpected(std::move(url.error()));
  target.url = std::move(*url);
  auto connection = co_await WebSocketConnection::connect(*loop_, std::move(target), deadline, options_);
  if (connection) (*connection)->watch_unused(WebSocketConnection::Unused::keep);
  co_return connection;
}

Task<Result<>> WebSocketConnector::check(WebSocketConnectionPtr& connection, Instant deadline) {
  co_return co_await connection->check_unused(deadline);
}

Task<> WebSocketConnector::watch(WebSocketConnectionPtr& connection) {
  // Shared with the callback, which may come when this task has ended.
  const auto ended = std::make_shared<async::Signal>(*loop_);
  connection->on_closed([ended] { ended->set(); });
  if (!connection->is_open()) co_return;
  co_await ended->wait();
}

Task<> WebSocketConnector::close(WebSocketConnectionPtr connection) {
  const Instant deadline = detail::deadline_after(loop_->refresh_now(), close_timeout_);
  // Whether the peer answers the goodbye changes nothing for us.
  static_cast<void>(co_await connection->close(WebSocketCloseCode::normal, "", deadline));
}

void WebSocketConnector::abort(WebSocketConnectionPtr& connection) { connection->cut(); }

}  // namespace marketprism::net
