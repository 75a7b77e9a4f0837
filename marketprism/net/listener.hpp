#pragma once
#include <cstdint>
#include <string>

#include <boost/asio/basic_socket_acceptor.hpp>

#include "marketprism/net/socket.hpp"

namespace marketprism::net {

/// A listening TCP socket on one loop. Internal to net: servers are made of it.
class Listener {
 public:
  explicit Listener(EventLoop& loop) : loop_(loop), acceptor_(loop.context().get_executor()) {}

  /// Binds and listens; returns the port. The errors of `HttpServer::listen`.
  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
  /// The next connection. `cancelled` after `close`; other errors pass (too many open files: try again later).
  Task<Result<Socket>> accept();
  void close();
  [[nodiscard]] bool is_open() const { return acceptor_.is_open(); }

 private:
  EventLoop& loop_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, async::Executor> acceptor_;
};

}  // namespace marketprism::net
