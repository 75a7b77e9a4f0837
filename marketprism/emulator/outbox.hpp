#pragma once
#include <cstdint>
#include <string_view>

namespace marketprism::emulator {

/// Numbers the connections of one venue; never used twice.
using ClientId = std::uint64_t;

/// The way to the clients of one venue. Implemented by the shell around the sockets and by tests. Calls for a client
/// that is gone do nothing. `text` is only valid during the call.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void send_text(ClientId client, std::string_view text) = 0;
  /// In order: a close frame, then the end.
  virtual void close(ClientId client, int code, std::string_view reason) = 0;
  /// Cuts the connection without a close frame.
  virtual void abort(ClientId client) = 0;
  /// Sends the first half of the frame of `text`, then cuts the connection.
  virtual void abort_inside(ClientId client, std::string_view text) = 0;
  /// From now on nothing reaches the client any more, answers to its pings neither; the connection stays open.
  virtual void stall(ClientId client) = 0;
  /// So much is waiting to be sent to some client that no more market data should be made.
  virtual bool is_congested() const = 0;
};

}  // namespace marketprism::emulator
