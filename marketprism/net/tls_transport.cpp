#include "marketprism/net/tls_transport.hpp"

#include <memory>
#include <utility>

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/tls_engine.hpp"

namespace marketprism::net {
namespace {

class TlsTransport final : public Transport {
 public:
  TlsTransport(Socket socket, std::unique_ptr<TlsEngine> engine)
      : Transport(socket.loop(), {}), socket_(std::move(socket)), engine_(std::move(engine)) {}

  Task<Result<>> shake_hands();
  Task<Result<std::size_t>> read_some(std::span<std::byte> buffer) override;
  Task<Result<>> write(std::span<const std::string_view> parts) override;
  Result<std::size_t> write_now(std::string_view bytes) override;
  [[nodiscard]] bool has_unsent() const override { return !engine_->outgoing().empty(); }
  Task<Result<>> shutdown() override;
  void cancel() override { socket_.cancel(); }
  void close() override;
  [[nodiscard]] bool is_open() const override { return socket_.is_open(); }
  Task<> wait_for_end() override { return socket_.wait_for_end(); }
  [[nodiscard]] bool has_ended() override { return socket_.has_ended(); }
  [[nodiscard]] bool has_unread() override { return false; }

 private:
  Result<> send_outgoing_now();
  Task<Result<>> send_outgoing();
  Task<Result<>> feed();

  Socket socket_;
  std::unique_ptr<TlsEngine> engine_;
  bool is_sending_ = false;
};

Result<> TlsTransport::send_outgoing_now() {
  std::string& outgoing = engine_->outgoing();
  while (!outgoing.empty()) {
    const std::string_view bytes = outgoing;
    const auto sent = socket_.send_now(std::span(&bytes, 1));
    if (!sent) return std::unexpected(sent.error());
    if (*sent == 0) break;
    outgoing.erase(0, *sent);
  }
  return {};
}

Task<Result<>> TlsTransport::send_outgoing() {
  is_sending_ = true;
  Result<> result;
  while (true) {
    result = send_outgoing_now();
    if (!result || engine_->outgoing().empty()) break;
    result = co_await socket_.wait_writable();
    if (!result) break;
  }
  is_sending_ = false;
  co_return result;
}

// One read from the network into the engine.
Task<Result<>> TlsTransport::feed() {
  const auto count = co_await socket_.read_some(engine_->prepare());
  if (count) {
    engine_->commit(*count);
  } else if (count.error().code == ErrorCode::connection_closed) {
    engine_->end_of_stream();
  } else {
    co_return std::unexpected(count.error());
  }
  co_return Result<>();
}

Task<Result<>> TlsTransport::shake_hands() {
  while (true) {
    const auto progress = engine_->shake_hands();
    // Sent in any case: the alert that tells the peer what was wrong is among it.
    const auto sent = co_await send_outgoing();
    if (!progress) co_return std::unexpected(progress.error());
    if (*progress == TlsEngine::Progress::done) break;
    Result<> fed = sent;
    if (sent) fed = co_await feed();  // no conditional expression: GCC 12 destroys its result twice
    if (!fed && fed.error().code == ErrorCode::connection_reset) {
      co_return fail(
          ErrorCode::connection_reset,
          socket_.peer() + ": the peer reset the connection in the TLS handshake; check that this port speaks TLS");
    }
    if (!fed) co_return fed;
  }
  info_ = {socket_.peer(),     socket_.remote_address(), socket_.local_address(),
           engine_->version(), engine_->cipher(),        engine_->was_resumed()};
  co_return Result<>();
}

Task<Result<std::size_t>> TlsTransport::read_some(std::span<std::byte> buffer) {
  while (true) {
    const auto count = engine_->read(buffer);
    // Reading may answer (a key update); if a write is waiting it takes that along.
    if (!is_sending_ && !engine_->outgoing().empty()) static_cast<void>(send_outgoing_now());
    if (!count || *count > 0) co_return count;
    const auto fed = co_await feed();
    if (!fed) co_return std::unexpected(fed.error());
  }
}

Task<Result<>> TlsTransport::write(std::span<const std::string_view> parts) {
  constexpr std::size_t encrypted_at_once_bytes = 256 * 1024;
  std::string joined;  // small parts share a record
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string_view part = parts[i];
    if (parts.size() > 1 && part.size() < 4096) {
      joined += part;
      if (i + 1 < parts.size() && joined.size() < 16 * 1024) continue;
      part = joined;
    } else if (!joined.empty()) {
      if (auto encrypted = engine_->write(joined); !encrypted) co_return encrypted;
      joined.clear();
    }
    while (!part.empty()) {
      if (auto encrypted = engine_->write(part.substr(0, encrypted_at_once_bytes)); !encrypted) co_return encrypted;
      part.remove_prefix(std::min(part.size(), encrypted_at_once_bytes));
      auto sent = co_await send_outgoing();
      if (!sent) co_return sent;
    }
    joined.clear();
  }
  co_return co_await send_outgoing();
}

Result<std::size_t> TlsTransport::write_now(std::string_view bytes) {
  constexpr std::size_t record_bytes = 16 * 1024;
  std::size_t taken = 0;
  if (auto sent = send_outgoing_now(); !sent) return std::unexpected(sent.error());
  // Encrypted bytes cannot be taken back, so no more is encrypted than one record beyond what the socket takes.
  while (taken < bytes.size() && engine_->outgoing().empty()) {
    const std::string_view record = bytes.substr(taken, record_bytes);
    auto done = engine_->write(record);
    if (done) done = send_outgoing_now();
    // Records before this one are out: the caller must know, and the next write fails again.
    if (!done && taken > 0) return taken;
    if (!done) return std::unexpected(done.error());
    taken += record.size();
  }
  return taken;
}

Task<Result<>> TlsTransport::shutdown() {
  engine_->say_goodbye();
  auto sent = co_await send_outgoing();
  socket_.shutdown_send();
  co_return sent;
}

void TlsTransport::close() {
  if (!socket_.is_open()) return;
  // The goodbye is tried, not waited for: without it the peer takes the end for an attack.
  if (!is_sending_ && engine_->outgoing().empty()) {
    engine_->say_goodbye();
    static_cast<void>(send_outgoing_now());
  }
  socket_.close();
}

Task<Result<TransportPtr>> shake_hands(Socket socket, std::unique_ptr<TlsEngine> engine, Instant deadline) {
  EventLoop& loop = socket.loop();
  const std::string peer = socket.peer();
  auto transport = std::make_unique<TlsTransport>(std::move(socket), std::move(engine));
  const Deadline guard(loop, deadline, *transport);
  auto done = co_await transport->shake_hands();
  if (done) co_return TransportPtr(std::move(transport));
  if (guard.has_passed()) {
    co_return fail(ErrorCode::timed_out, peer + ": the TLS handshake took too long; check that this port speaks TLS");
  }
  co_return std::unexpected(std::move(done.error()));
}

}  // namespace

Task<Result<TransportPtr>> connect_tls(Socket socket, TlsContextPtr context, std::string server_name,
                                       Instant deadline) {
  auto engine = std::make_unique<TlsEngine>(std::move(context), server_name, socket.peer());
  co_return co_await shake_hands(std::move(socket), std::move(engine), deadline);
}

Task<Result<TransportPtr>> accept_tls(Socket socket, TlsContextPtr context, Instant deadline) {
  auto engine = std::make_unique<TlsEngine>(std::move(context), "", socket.peer());
  co_return co_await shake_hands(std::move(socket), std::move(engine), deadline);
}

}  // namespace marketprism::net
