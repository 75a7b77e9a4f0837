#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::net {

using async::EventLoop;
using async::Task;

/// Where a transport leads and what it runs on; for messages, statistics and logs.
struct TransportInfo {
  std::string peer;            ///< "host:port" as the caller named it; on a server the remote address
  std::string remote_address;  ///< "192.0.2.1:443"
  std::string local_address;
  std::string tls_version;   ///< "TLSv1.3", empty without TLS
  std::string tls_cipher;    ///< empty without TLS
  bool tls_resumed = false;  ///< the handshake took up an earlier session
};

/// A connected stream of bytes, TCP or TLS over TCP. Belongs to one event loop; at most one read and one write (or
/// shutdown) wait at a time. Errors name the peer: `connection_closed` the orderly end, `connection_reset` a cut,
/// `cancelled` after `cancel()` or `close()`, `tls_failed` bytes that are no TLS.
class Transport {
 public:
  virtual ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Waits for bytes and reads as many as there are, at least one. Sets the loop's cached time right after the read.
  virtual Task<Result<std::size_t>> read_some(std::span<std::byte> buffer) = 0;

  /// Writes all parts, in order, or fails.
  virtual Task<Result<>> write(std::span<const std::string_view> parts) = 0;
  Task<Result<>> write(std::string_view bytes);

  /// Writes what goes without waiting and tells how much was taken; 0 if the socket is full. Not while a `write` waits.
  virtual Result<std::size_t> write_now(std::string_view bytes) = 0;
  /// TLS may hold encrypted bytes that did not go out with the last `write_now`: a `write`, of nothing too, sends them.
  [[nodiscard]] virtual bool has_unsent() const = 0;

  /// Says goodbye: TLS close_notify, then FIN. The peer may go on sending.
  virtual Task<Result<>> shutdown() = 0;
  /// What waits ends with `cancelled`. The bytes of a cancelled write may be half sent: only `close` makes sense then.
  virtual void cancel() = 0;
  /// Closes at once; what waits ends with `cancelled`.
  virtual void close() = 0;
  [[nodiscard]] virtual bool is_open() const = 0;

  /// Completes when the peer has closed or cut the connection, whether or not what it sent before was read; or after
  /// `cancel` or `close`. Beside reads and writes.
  virtual Task<> wait_for_end() = 0;
  /// Whether the peer has closed or cut, by a look that does not wait.
  [[nodiscard]] virtual bool has_ended() = 0;
  /// Whether the peer has sent something that nobody asked for; of TLS, which talks of its own, never.
  [[nodiscard]] virtual bool has_unread() = 0;

  /// Called once, by the destructor. For owners of lists of open connections.
  void on_destroyed(std::function<void()> callback) { on_destroyed_ = std::move(callback); }

  [[nodiscard]] const TransportInfo& info() const { return info_; }
  [[nodiscard]] EventLoop& loop() const { return loop_; }

 protected:
  Transport(EventLoop& loop, TransportInfo info) : loop_(loop), info_(std::move(info)) {}

  EventLoop& loop_;
  TransportInfo info_;

 private:
  std::function<void()> on_destroyed_;
};

using TransportPtr = std::unique_ptr<Transport>;

}  // namespace marketprism::net
