#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/net/websocket_lease.hpp"
#include "marketprism/pool/pool_config.hpp"
#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::net {

/// The protocol spoken on the connections of a `WebSocketConnectionPool`, and where goes what they bring. All calls
/// come on the pool's loop. Connections are named by numbers that grow with time.
class WebSocketStreamHandler {
 public:
  virtual ~WebSocketStreamHandler() = default;

  /// Texts to send first on a new connection.
  virtual std::vector<std::string> greeting() { return {}; }
  /// One request for these streams. `id` should come back in its answer (see `acknowledge`, `refuse`). When it is not
  /// UTF-8, each stream is asked for by itself, and one that is not either ends with `malformed`; a connection that
  /// cannot take it is cut.
  virtual std::string subscribe_text(std::span<const std::string> streams, std::int64_t id) = 0;
  virtual std::string unsubscribe_text(std::span<const std::string> streams, std::int64_t id) = 0;

  virtual void on_open(std::uint32_t /*connection*/, const wire::Url& /*url*/) {}
  virtual void on_sent(std::uint32_t /*connection*/, std::string_view /*text*/) {}
  virtual void on_message(std::uint32_t connection, const WebSocketReceived& message) = 0;
  /// `is_ours`: the pool closed it after its streams had moved or ended; else it was lost, with what it carried, or
  /// given up as dead (silent, or confirming nothing).
  virtual void on_close(std::uint32_t /*connection*/, WebSocketCloseCode /*code*/, std::string_view /*reason*/,
                        bool /*is_ours*/) {}
  virtual void on_dial_failed(const Error& /*error*/) {}

  virtual void on_stream_up(std::string_view /*stream*/, std::uint32_t /*connection*/) {}
  virtual void on_stream_down(std::string_view /*stream*/, std::string_view /*why*/) {}
  /// The last word about a stream: unsubscribed, refused for good (`error`), or the pool was drained.
  virtual void on_stream_end(std::string_view /*stream*/, const std::optional<Error>& /*error*/) {}
};

struct WebSocketPoolOptions {
  pool::WebSocketPoolConfig config;
  std::optional<pool::PoolConfig> leases;  ///< of connections that are lent; none: as `config.connections`, min_size 0
  WebSocketOptions websocket;              ///< limits of a connection; its pings are those of `config`
  TlsContextPtr tls;                       ///< needed if an endpoint is wss
  ConnectRoute route;                      ///< DNS cache, proxies
  std::vector<std::string> subprotocols;   ///< offered, the preferred one first
  std::optional<wire::DeflateOptions> deflate;  ///< offer permessage-deflate
  wire::HttpHeaders headers;                    ///< of the handshake: User-Agent, Origin, …
  std::string ping_text;                        ///< sent when nothing came for `ping_text_after`; empty: none
  Nanoseconds ping_text_after{};
  /// The number of the next connection; none: counted from 1. Several pools may share a count.
  std::function<std::uint32_t()> next_connection;
};

/// Sums over connections; round trips are those of our pings.
struct WebSocketTraffic {
  std::uint64_t messages_received = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t pings_sent = 0;
  std::uint64_t pongs_received = 0;
  Nanoseconds round_trip_min{0};  ///< 0: none yet
  Nanoseconds round_trip_max{0};  ///< the longest of the last ones of each connection that is open

  void add(const WebSocketConnection::Statistics& one);
};

/// WebSocket connections in two ways. `subscribe` keeps subscriptions ("streams") alive over as few connections as
/// their capacity allows: places each on a connection with room, moves them when one fails or they fall silent,
/// replaces connections before the peer cuts them, and obeys the limits on messages and connects; the logic is
/// `pool::SlotPool`. `acquire` lends a connection to one user; these are connections of their own. Belongs to one event
/// loop, no lock; destroy it on that loop or when it no longer runs.
class WebSocketConnectionPool {
 public:
  /// `urls`: the places to connect to, in order of preference. `handler` must outlive the pool. `invalid_argument` for
  /// options that contradict themselves, no url, or wss without TLS; `unsupported` for urls that are neither ws nor
  /// wss.
  static Result<WebSocketConnectionPool> create(EventLoop& loop, WebSocketPoolOptions options,
                                                const std::vector<wire::Url>& urls, WebSocketStreamHandler& handler);
  WebSocketConnectionPool(WebSocketConnectionPool&&) noexcept;
  WebSocketConnectionPool& operator=(WebSocketConnectionPool&&) noexcept;
  ~WebSocketConnectionPool();

  /// Shared by all pools that dial from the same address. Before `start`.
  void use_connect_budget(pool::ConnectBudget& budget);
  /// Each connection, those that carry streams and those that are lent, also needs a permit of the ledger, which pools
  /// of other event loops may share. Connections that carry streams keep theirs as long as they do, so the ledger needs
  /// more permits than there are of them: for leases, and one for the overlap when one is replaced. The pool is two of
  /// the ledger's members. Before the first `subscribe` and `acquire`. `exhausted` when the ledger has no room for
  /// another member.
  [[nodiscard]] Result<> use_ledger(std::shared_ptr<pool::PermitLedger> ledger);
  void start();

  /// Changes limits and times of the connections that carry streams, while they run; see `pool::SlotPool::reconfigure`.
  Result<> reconfigure(pool::PoolConfig config);
  Result<> resize(std::size_t max_size);
  /// The same for those that are lent; see `pool::LeasePool::reconfigure`.
  Result<> reconfigure_leases(pool::PoolConfig config);
  /// Changes the places to connect to, in order of preference. Streams move without a break, one connection at a time;
  /// leases stay where they are until they end. Errors as those of `create`.
  Result<> set_endpoints(const std::vector<wire::Url>& urls);
  /// Closes the connections for `acquire` that nobody holds now. How many.
  std::size_t close_idle();

  /// Takes on a stream; it is up once the peer has acknowledged it. Without a message (see `on_stream_message`) for
  /// `silence_limit` (0: never) it is asked for anew on another connection. `already_exists`, `exhausted`, `closed`.
  Result<> subscribe(std::string_view stream, Nanoseconds silence_limit = Nanoseconds(0));
  /// Ends a stream. False if there is none of that name.
  bool unsubscribe(std::string_view stream);
  /// Asks the peer for the stream anew, on the connection that carries it, as the limit on messages allows: where a
  /// subscription begins with a snapshot.
  void resubscribe(std::string_view stream);

  /// What the peer answered, as the handler read it.
  void acknowledge(std::uint32_t connection, std::int64_t id);
  void acknowledge(std::uint32_t connection, std::string_view stream);
  void refuse(std::uint32_t connection, std::int64_t id, const Error& error);
  void refuse(std::uint32_t connection, std::string_view stream, const Error& error);
  /// A message of the stream came over this connection; needed for streams with a silence limit, and as good as an
  /// acknowledgement. Two look-ups by hash, no allocation.
  void on_stream_message(std::uint32_t connection, std::string_view stream);
  /// The peer announced that it will cut this connection: move its streams now.
  void announce_closing(std::uint32_t connection);
  /// Sends a text of the user's own; counted in the connection's message rate. `exhausted` when too much waits to be
  /// sent already, `malformed` for text that is not UTF-8, `closed` if the connection has gone; nothing is sent then.
  Result<> send(std::uint32_t connection, std::string_view text);

  /// A connection of one's own, from the first endpoint that works; by `timeout` (0: the config's acquire_timeout).
  Task<Result<WebSocketLease>> acquire(Nanoseconds timeout = Nanoseconds(0),
                                       std::source_location where = std::source_location::current());

  /// Ends all streams, gives dials up and closes all connections in order; what has not ended by `deadline` is cut, and
  /// nothing of the pool runs on. Leases may end until then. The number of leases that were left.
  Task<std::size_t> drain(Instant deadline);

  /// Of the connections that carry streams.
  [[nodiscard]] pool::PoolStats stats() const;
  [[nodiscard]] pool::SlotStats slot_stats() const;
  /// Of the connections that are lent; nothing before the first `acquire`.
  [[nodiscard]] std::optional<pool::PoolStats> lease_stats() const;
  /// All of both kinds. Of those that carry streams: `uses` is how many, `health_checks` our pings that were answered.
  [[nodiscard]] std::vector<pool::ConnectionInfo> connections() const;
  /// What has gone over the connections that carry streams, closed ones included.
  [[nodiscard]] WebSocketTraffic traffic() const;

 private:
  struct State;
  explicit WebSocketConnectionPool(std::shared_ptr<State> state);
  void stop_now();

  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
