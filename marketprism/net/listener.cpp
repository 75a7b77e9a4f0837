#include "marketprism/net/listener.hpp"

#include <cerrno>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>

#include "marketprism/net/io_error.hpp"

namespace marketprism::net {

namespace asio = boost::asio;

Result<std::uint16_t> Listener::listen(const std::string& address, std::uint16_t port) {
  const std::string where = host_and_port(address, port);
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) {
    return fail(ErrorCode::invalid_argument,
                "'" + address + "' is not an IP address to listen on; use e.g. 127.0.0.1, 0.0.0.0 or ::", true);
  }
  const Socket::Endpoint endpoint(ip, port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  const auto bound = error ? endpoint : acceptor_.local_endpoint(error);
  if (!error) return bound.port();
  close();
  switch (error.value()) {
    case EADDRINUSE:
      return fail(ErrorCode::already_exists,
                  where + ": the port is in use; stop the program that has it or choose another port", true);
    case EACCES:
      return fail(ErrorCode::permission_denied,
                  where + ": not allowed to listen there; ports below 1024 need privileges, choose another port", true);
    case EADDRNOTAVAIL:
      return fail(ErrorCode::invalid_argument, where + ": this machine does not have that address", true);
    default: return std::unexpected(io_error(error, where));
  }
}

Task<Result<Socket>> Listener::accept() {
  Socket::Native native(loop_.context().get_executor());
  const auto [error] = co_await acceptor_.async_accept(native, asio::as_tuple(asio::deferred));
  loop_.refresh_now();
  if (error) co_return std::unexpected(io_error(error, "accept"));
  boost::system::error_code gone;
  const auto remote = native.remote_endpoint(gone);
  Socket socket(loop_, gone ? std::string("a client that left") : address_text(remote), std::move(native));
  socket.set_options();
  co_return std::move(socket);
}

void Listener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
}

}  // namespace marketprism::net
