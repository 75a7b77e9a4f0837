#include "marketprism/net/socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>

#include "marketprism/net/io_error.hpp"

namespace marketprism::net {

namespace asio = boost::asio;
using boost::system::error_code;

Socket::Socket(EventLoop& loop, std::string peer)
    : loop_(&loop), peer_(std::move(peer)), native_(loop.context().get_executor()) {}

Socket::Socket(EventLoop& loop, std::string peer, Native native)
    : loop_(&loop), peer_(std::move(peer)), native_(std::move(native)) {}

void Socket::set_options() {
  error_code ignored;  // a connection without them works, only slower
  native_.set_option(asio::ip::tcp::no_delay(true), ignored);
  native_.non_blocking(true, ignored);
}

Task<Result<>> Socket::connect(Endpoint endpoint, int receive_buffer_bytes) {
  error_code error;
  native_.open(endpoint.protocol(), error);
  if (error) co_return std::unexpected(io_error(error, peer_));
  if (receive_buffer_bytes > 0) {
    native_.set_option(asio::socket_base::receive_buffer_size(receive_buffer_bytes), error);
  }
  const auto [failure] = co_await native_.async_connect(endpoint, asio::as_tuple(asio::deferred));
  loop_->refresh_now();
  if (failure) {
    close();
    co_return std::unexpected(io_error(failure, peer_));
  }
  set_options();
  co_return Result<>();
}

Task<Result<std::size_t>> Socket::read_some(std::span<std::byte> buffer) {
  const auto [error, count] =
      co_await native_.async_read_some(asio::buffer(buffer.data(), buffer.size()), asio::as_tuple(asio::deferred));
  loop_->refresh_now();
  if (error) co_return std::unexpected(io_error(error, peer_));
  co_return count;
}

Result<std::size_t> Socket::send_now(std::span<const std::string_view> parts) {
  std::array<iovec, 16> pieces;  // filled as far as it is used
  std::size_t used = 0;
  for (const std::string_view part : parts.first(std::min(parts.size(), pieces.size()))) {
    if (part.empty()) continue;
    pieces[used++] = {const_cast<char*>(part.data()), part.size()};  // sendmsg does not write to it
  }
  if (used == 0) return std::size_t{0};
  if (!native_.is_open()) return std::unexpected(io_error(ECANCELED, peer_));
  constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = used;
  ssize_t sent = 0;
  do {  // one piece, the usual case, costs the system less by `send`
    sent = used == 1 ? ::send(native_.native_handle(), pieces[0].iov_base, pieces[0].iov_len, flags)
                     : ::sendmsg(native_.native_handle(), &message, flags);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
  return std::unexpected(io_error(errno, peer_));
}

Task<Result<>> Socket::wait_writable() {
  const auto [error] = co_await native_.async_wait(asio::socket_base::wait_write, asio::as_tuple(asio::deferred));
  if (error) co_return std::unexpected(io_error(error, peer_));
  co_return Result<>();
}

namespace {

short poll_now(int descriptor, short events) {
  pollfd file{.fd = descriptor, .events = events, .revents = 0};
  return ::poll(&file, 1, 0) > 0 ? file.revents : static_cast<short>(0);
}

}  // namespace

bool Socket::has_ended() {
  if (!native_.is_open()) return true;
  return (poll_now(native_.native_handle(), POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool Socket::has_unread() {
  if (!native_.is_open()) return false;
  return (poll_now(native_.native_handle(), POLLIN) & POLLIN) != 0;
}

Task<> Socket::wait_for_end() {
  constexpr Nanoseconds first_pause = std::chrono::milliseconds(20), longest_pause = std::chrono::seconds(1);
  Nanoseconds pause = first_pause;
  while (!has_ended()) {
    if (has_unread()) {
      // Somebody will read it, or nobody; a wait for readiness would come back at once.
      co_await loop_->sleep_for(pause);
      pause = std::min(pause * 2, longest_pause);
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
      continue;
    }
    pause = first_pause;
    const auto [error] = co_await native_.async_wait(asio::socket_base::wait_read, asio::as_tuple(asio::deferred));
    if (error) co_return;
  }
}

void Socket::shutdown_send() {
  error_code ignored;
  native_.shutdown(asio::socket_base::shutdown_send, ignored);
}

void Socket::cancel() {
  error_code ignored;
  native_.cancel(ignored);
}

void Socket::close() {
  error_code ignored;
  native_.close(ignored);
}

std::string Socket::remote_address() const {
  error_code error;
  const auto endpoint = native_.remote_endpoint(error);
  return error ? std::string() : address_text(endpoint);
}

std::string Socket::local_address() const {
  error_code error;
  const auto endpoint = native_.local_endpoint(error);
  return error ? std::string() : address_text(endpoint);
}

std::string host_and_port(std::string_view host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return (is_ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

std::string address_text(const Socket::Endpoint& endpoint) {
  return host_and_port(endpoint.address().to_string(), endpoint.port());
}

}  // namespace marketprism::net
