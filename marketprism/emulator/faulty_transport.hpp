#pragma once
#include <string_view>

#include "marketprism/net/transport.hpp"

namespace marketprism::emulator {

/// A server's transport that can fail on demand: swallow everything from now on, or cut the connection in the middle of
/// the next write. Owned by its WebSocket connection; whoever commands it must know that it still lives.
class FaultyTransport final : public net::Transport {
 public:
  explicit FaultyTransport(net::TransportPtr inner)
      : Transport(inner->loop(), inner->info()), inner_(std::move(inner)) {}

  /// From now on writes succeed and nothing is sent.
  void swallow() { swallows_ = true; }
  /// The next write sends half of its bytes and ends the connection.
  void halve_next() { halves_ = true; }

  net::Task<Result<std::size_t>> read_some(std::span<std::byte> buffer) override { return inner_->read_some(buffer); }
  net::Task<Result<>> write(std::span<const std::string_view> parts) override;
  Result<std::size_t> write_now(std::string_view bytes) override;
  [[nodiscard]] bool has_unsent() const override { return !swallows_ && inner_->has_unsent(); }
  net::Task<Result<>> shutdown() override { return inner_->shutdown(); }
  void cancel() override { inner_->cancel(); }
  void close() override { inner_->close(); }
  [[nodiscard]] bool is_open() const override { return inner_->is_open(); }
  net::Task<> wait_for_end() override { return inner_->wait_for_end(); }
  [[nodiscard]] bool has_ended() override { return inner_->has_ended(); }
  [[nodiscard]] bool has_unread() override { return inner_->has_unread(); }

 private:
  net::Task<Result<>> write_half(std::span<const std::string_view> parts);
  static net::Task<Result<>> succeed() { co_return Result<>(); }
  [[nodiscard]] Error cut_error() const {
    return {ErrorCode::connection_reset, info_.peer + ": cut on purpose", false, nullptr};
  }

  net::TransportPtr inner_;
  bool swallows_ = false;
  bool halves_ = false;
};

}  // namespace marketprism::emulator
