#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/time.hpp"
#include "marketprism/net/connector.hpp"
#include "marketprism/net/transport.hpp"
#include "marketprism/wire/url.hpp"
#include "marketprism/wire/websocket_handshake.hpp"
#include "marketprism/wire/websocket_parser.hpp"

namespace marketprism::net {

using wire::WebSocketCloseCode;
using wire::WebSocketMessageKind;
using wire::WebSocketRole;

struct WebSocketOptions {
  Nanoseconds ping_interval = std::chrono::seconds(20);  ///< 0: we never ping
  Nanoseconds pong_timeout = std::chrono::seconds(10);   ///< no pong by then: `timed_out`
  Nanoseconds silence_timeout{0};                        ///< no byte at all for that long: `timed_out`; 0: never
  std::size_t write_queue_bytes_max = 8 * 1024 * 1024;   ///< more waiting to be sent: `exhausted`
  std::size_t message_bytes_max = 16 * 1024 * 1024;
  std::size_t read_bytes_start = 64 * 1024;
  std::size_t read_bytes_max = 256 * 1024;
  std::size_t compress_bytes_min = 128;  ///< shorter messages go out uncompressed
  bool check_utf8 = true;

  /// A named error for limits and times that are zero or negative where they must not be.
  [[nodiscard]] Result<> validate() const;
};

/// `unsupported` for a url that is neither ws nor wss, `invalid_argument` for wss without a TLS context.
[[nodiscard]] Result<> check_websocket_url(const wire::Url& url, const TlsContextPtr& tls);

struct WebSocketConnectTarget {
  wire::Url url;      ///< ws or wss
  TlsContextPtr tls;  ///< needed for wss
  std::vector<std::string> subprotocols;
  std::optional<wire::DeflateOptions> deflate;  ///< offer permessage-deflate
  wire::HttpHeaders headers;                    ///< User-Agent, Origin, …
  std::string connect_to;                       ///< connect to this host or address instead; name checks stay the url's
  ConnectRoute route;
};

/// A text or binary message. `data` is valid until the next `next_message` or `read_some`.
struct WebSocketReceived {
  std::string_view data;
  UnixTime receive_time{};  ///< taken right after the socket read that completed it
  WebSocketMessageKind kind = WebSocketMessageKind::text;
};

/// One WebSocket connection, client or server, on one event loop; belongs to its user. The user reads:
///   while (co_await connection.read_some()) { while (auto message = connection.next_message()) …; }
/// Pings are answered, pongs timed and close frames echoed inside `read_some` and `next_message`, so the user must keep
/// reading. Sending never waits: bytes go out at once or wait in a bounded queue.
class WebSocketConnection {
 public:
  struct Statistics {
    std::uint64_t messages_received = 0;
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_received = 0;  ///< from the socket (after TLS)
    std::uint64_t bytes_sent = 0;
    std::uint64_t reads = 0;
    std::uint64_t pings_sent = 0;
    std::uint64_t pongs_received = 0;
    Nanoseconds round_trip_last{0};  ///< of our pings; 0: none yet
    Nanoseconds round_trip_min{0};
    std::size_t write_queue_bytes_max = 0;  ///< the most that ever waited
  };

  /// Connects, shakes hands and upgrades before `deadline`. `rejected` if the server answers with another status than
  /// 101; errors of `check_websocket_url`.
  static Task<Result<std::unique_ptr<WebSocketConnection>>> connect(EventLoop& loop, WebSocketConnectTarget target,
                                                                    Instant deadline, WebSocketOptions options = {});

  /// After a handshake done elsewhere; `remainder`: what was read beyond it.
  WebSocketConnection(TransportPtr transport, WebSocketRole role, wire::WebSocketAgreement agreement,
                      WebSocketOptions options = {}, std::string_view remainder = {});
  ~WebSocketConnection();
  WebSocketConnection(const WebSocketConnection&) = delete;
  WebSocketConnection& operator=(const WebSocketConnection&) = delete;

  /// Waits for bytes, reads once, stamps the time. (The first may find bytes that came with the handshake.) An error is
  /// final: `connection_closed` after a close frame or an orderly end (`close_code()` tells more), `malformed` or
  /// `too_large` if the peer broke the protocol (it is told so), `timed_out` without pong, `connection_reset`,
  /// `cancelled` after `cancel()` or destruction.
  Task<Result<>> read_some();
  /// The next message of what was read, valid until the next call of this or `read_some`; null: `read_some` again.
  /// Never suspends.
  const WebSocketReceived* next_message();

  /// Queue a message and send what goes at once. `exhausted` if the queue is full (nothing is queued then), `closed`
  /// after a close, `malformed` for text that is not UTF-8.
  Result<> send_text(std::string_view text);
  Result<> send_binary(std::string_view data);
  Result<> send_ping(std::string_view data = {});
  /// Between these, messages are only queued; the last `uncork` sends them with one write.
  void cork();
  Result<> uncork();
  /// Waits until everything queued is with the operating system (or failed).
  Task<Result<>> flush();

  /// Closes in order: sends a close frame and waits for the peer's, until `deadline` at most; then closes the
  /// transport. Messages that come meanwhile are dropped, unless another coroutine is inside `read_some` and takes
  /// them.
  Task<Result<>> close(WebSocketCloseCode code, std::string_view reason, Instant deadline);
  /// Cuts the connection; what waits ends with `cancelled`. An answer to the peer's close that is on its way still goes
  /// out, within pong_timeout.
  void cancel();
  /// The same, at once in any case: the socket is closed when this returns.
  void cut();

  /// For pools, while nobody uses the connection: it is read in the background, so that pings are answered and its end
  /// shows at once; `on_closed` tells. The next send or read ends that and loses nothing. What a message does that
  /// comes meanwhile: `keep` it for the next user (the greeting of a new connection; up to read_bytes_max, more close
  /// it), or `close` the connection, since it was meant for the one before. False if it cannot be watched: somebody is
  /// still reading, a kept message was left unread, or it has ended.
  enum class Unused : std::uint8_t { keep, close };
  bool watch_unused(Unused what);
  /// One ping and its pong while it is watched; what else comes meanwhile is treated as ever. A connection that is not
  /// watched is from now on, with `close`.
  Task<Result<>> check_unused(Instant deadline);
  /// Called once, on the loop, when the connection ends while it is watched.
  void on_closed(std::function<void()> callback);

  [[nodiscard]] bool is_open() const;
  /// Of the close frame received; `abnormal` if the connection ended without, `none` if it is open or named no code.
  [[nodiscard]] WebSocketCloseCode close_code() const;
  [[nodiscard]] std::string_view close_reason() const;
  [[nodiscard]] const std::string& subprotocol() const;
  [[nodiscard]] bool is_compressed() const;
  /// Bytes waiting to be sent.
  [[nodiscard]] std::size_t write_queue_bytes() const;
  /// Bytes that this connection's buffers hold now.
  [[nodiscard]] std::size_t memory_bytes() const;
  /// When the last byte came (the loop's time), at first when it was opened.
  [[nodiscard]] Instant last_receive() const;
  [[nodiscard]] const Statistics& statistics() const;
  [[nodiscard]] const TransportInfo& info() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
