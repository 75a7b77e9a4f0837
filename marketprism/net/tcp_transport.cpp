#include "marketprism/net/tcp_transport.hpp"

namespace marketprism::net {
namespace {

class TcpTransport final : public Transport {
 public:
  TcpTransport(Socket socket, TransportInfo info)
      : Transport(socket.loop(), std::move(info)), socket_(std::move(socket)) {}

  Task<Result<std::size_t>> read_some(std::span<std::byte> buffer) override { return socket_.read_some(buffer); }

  Task<Result<>> write(std::span<const std::string_view> parts) override {
    std::string_view head;  // what is left of the part that was sent in part
    while (true) {
      const auto sent = head.empty() ? socket_.send_now(parts) : socket_.send_now(std::span(&head, 1));
      if (!sent) co_return std::unexpected(sent.error());
      std::size_t count = *sent;
      if (!head.empty()) {
        head.remove_prefix(count);
      } else {
        while (!parts.empty() && count >= parts.front().size()) {
          count -= parts.front().size();
          parts = parts.subspan(1);
        }
        if (count > 0) {
          head = parts.front().substr(count);
          parts = parts.subspan(1);
        }
      }
      if (head.empty() && parts.empty()) co_return Result<>();
      if (*sent > 0) continue;
      auto writable = co_await socket_.wait_writable();
      if (!writable) co_return writable;
    }
  }

  Result<std::size_t> write_now(std::string_view bytes) override { return socket_.send_now(std::span(&bytes, 1)); }
  [[nodiscard]] bool has_unsent() const override { return false; }

  Task<Result<>> shutdown() override {
    socket_.shutdown_send();
    co_return Result<>();
  }
  void cancel() override { socket_.cancel(); }
  void close() override { socket_.close(); }
  [[nodiscard]] bool is_open() const override { return socket_.is_open(); }
  Task<> wait_for_end() override { return socket_.wait_for_end(); }
  [[nodiscard]] bool has_ended() override { return socket_.has_ended(); }
  [[nodiscard]] bool has_unread() override { return socket_.has_unread(); }

 private:
  Socket socket_;
};

}  // namespace

Transport::~Transport() {
  if (on_destroyed_) on_destroyed_();
}

Task<Result<>> Transport::write(std::string_view bytes) {
  const std::span<const std::string_view> one(&bytes, 1);
  co_return co_await write(one);
}

TransportPtr make_tcp_transport(Socket socket) {
  TransportInfo info;
  info.peer = socket.peer();
  info.remote_address = socket.remote_address();
  info.local_address = socket.local_address();
  return std::make_unique<TcpTransport>(std::move(socket), std::move(info));
}

}  // namespace marketprism::net
