#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "marketprism/net/connector.hpp"
#include "marketprism/net/http_body_source.hpp"
#include "marketprism/net/http_message.hpp"
#include "marketprism/net/transport.hpp"
#include "marketprism/wire/url.hpp"

namespace marketprism::net {

struct HttpConnectionOptions {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 64 * 1024 * 1024;  ///< after decompression
  std::size_t fields_max = 256;
  std::size_t stream_bytes = 256 * 1024;  ///< of a streamed body held for its reader; then the peer has to wait
  /// until the request is with the operating system; if its body comes from a source, for each 64 KiB
  Nanoseconds write_timeout = std::chrono::seconds(10);
  Nanoseconds head_timeout = std::chrono::seconds(10);  ///< then until the response's head is there
  Nanoseconds read_timeout = std::chrono::seconds(10);  ///< then between two reads of the body
};

/// How far a failed request came: only what never left us, or is idempotent, may be sent again.
enum class HttpProgress : std::uint8_t {
  nothing_written,
  written,
  response_begun,
  complete,
  source_failed  ///< the request's own source of its body failed, or gave nothing until the deadline
};

/// One HTTP/1.1 connection, keep-alive, one request at a time. A read is always armed: the end of an idle connection is
/// noticed at once and shows in `is_reusable()` and `on_closed`. Owned by its user, belongs to the transport's loop.
/// Destroying it closes it; a waiting `send` then ends with `cancelled`.
class HttpConnection {
 public:
  static Task<Result<std::unique_ptr<HttpConnection>>> connect(EventLoop& loop, ConnectTarget target, Instant deadline,
                                                               HttpConnectionOptions options = {});

  explicit HttpConnection(TransportPtr transport, HttpConnectionOptions options = {});
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  struct SendOptions {
    Instant deadline = Instant::max();  ///< of the whole exchange, besides the timeouts by phase
    bool is_head = false;               ///< the method is HEAD: the response has no body
    bool is_streamed = false;           ///< `send` ends with the head; the body comes by `read_body`
    std::uint64_t body_bytes_max = 0;   ///< of a streamed body, decompressed: `too_large` beyond; 0: no limit
    /// The request's body, if it has a source: what is sent after `request`, which then is a head only.
    HttpBodySourcePtr body;
  };

  /// Sends what `make_http_request` made, which must live until the end, and waits for the whole response, which stays
  /// in the connection until the next `send`. Any error leaves the connection closed; `progress()` tells how far it
  /// came.
  ///
  /// With a source of the body: errors of the source come with its code; `invalid_argument` if it gives more or less
  /// than its `size`, and the server never gets a whole request then. A response that is whole before the request is
  /// counts, and so does one of status 300 and above that has begun: no more is sent, and the connection is closed
  /// after it. A streamed response is given when the request is out.
  Task<Result<HttpResponse*>> send(std::string_view request, SendOptions options);
  Task<Result<HttpResponse*>> send(std::string_view request);

  /// This connection leads to an HTTP proxy. Requests from the next on, written as for `origin` itself, go out in
  /// absolute-form, and the proxy forwards them; `credentials` is the value of Proxy-Authorization, empty: none.
  void forward_to(const wire::Url& origin, std::string_view credentials);

  /// The next piece of a streamed body, decompressed, valid until the next call; empty at the end. What the reader does
  /// not take waits, up to stream_bytes; then nothing more is read, and no timeout but the deadline runs.
  Task<Result<std::string_view>> read_body();

  [[nodiscard]] HttpProgress progress() const;
  /// The source of the last request's body was asked for a piece: to send the request again it must be rewound.
  [[nodiscard]] bool has_read_source() const;
  /// Open, idle, and the peer neither asked to close nor sent a stray byte.
  [[nodiscard]] bool is_reusable() const;
  [[nodiscard]] bool is_open() const;
  /// Called once, on the loop, when the connection ends: while idle (the peer closed it, or sent stray bytes), with a
  /// request that failed, or after a response that was to be the last. Who sent the request learns of it later.
  void on_closed(std::function<void()> callback);
  /// Called, on the loop, when the server breaks the protocol where no request is there to fail: it sent bytes while
  /// the connection was unused, or more after a response. The connection is then closed.
  void on_fault(std::function<void(const Error&)> callback);
  /// From a `Keep-Alive: timeout=N` header of the last response; zero if none.
  [[nodiscard]] std::chrono::seconds keep_alive_hint() const;
  /// Bytes that this connection's buffers hold now.
  [[nodiscard]] std::size_t memory_bytes() const;

  void close();
  [[nodiscard]] const TransportInfo& info() const;

 private:
  struct State;

  static Task<> read_loop(std::shared_ptr<State> state);
  static Task<Result<std::string_view>> read_piece(std::shared_ptr<State> state);
  static Task<Result<HttpResponse*>> exchange(std::shared_ptr<State> state, std::string_view request,
                                              SendOptions options);
  static Task<Result<HttpResponse*>> exchange_with_body(std::shared_ptr<State> state, std::string_view head,
                                                        SendOptions options);
  static Task<> send_body(std::shared_ptr<State> state, std::string_view head, HttpBodySourcePtr source);

  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
