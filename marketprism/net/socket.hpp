#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::net {

using async::EventLoop;
using async::Task;

/// A TCP socket on one loop; errors name `peer()`. Internal to net: transports are made of it.
class Socket {
 public:
  using Native = boost::asio::basic_stream_socket<boost::asio::ip::tcp, async::Executor>;
  using Endpoint = boost::asio::ip::tcp::endpoint;

  Socket(EventLoop& loop, std::string peer);
  Socket(EventLoop& loop, std::string peer, Native native);

  /// Connects; sets TCP_NODELAY. `receive_buffer_bytes` 0: the system's.
  Task<Result<>> connect(Endpoint endpoint, int receive_buffer_bytes);
  /// After an accept.
  void set_options();

  Task<Result<std::size_t>> read_some(std::span<std::byte> buffer);
  /// Sends what goes without waiting.
  Result<std::size_t> send_now(std::span<const std::string_view> parts);
  Task<Result<>> wait_writable();
  /// Completes when the peer has closed or cut, beside whoever reads; or when the socket is closed or cancelled.
  Task<> wait_for_end();
  /// Whether the peer has closed or cut, or sent something that nobody has read.
  [[nodiscard]] bool has_ended();
  [[nodiscard]] bool has_unread();
  void shutdown_send();
  void cancel();
  void close();

  [[nodiscard]] bool is_open() const { return native_.is_open(); }
  [[nodiscard]] EventLoop& loop() const { return *loop_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] std::string remote_address() const;
  [[nodiscard]] std::string local_address() const;

 private:
  EventLoop* loop_;
  std::string peer_;
  Native native_;
};

/// "192.0.2.1:443", "[::1]:443".
std::string address_text(const Socket::Endpoint& endpoint);
/// "host:port", with brackets around an IPv6 address.
std::string host_and_port(std::string_view host, std::uint16_t port);

}  // namespace marketprism::net
