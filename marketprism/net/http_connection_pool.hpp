#pragma once
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "marketprism/net/http_connector.hpp"
#include "marketprism/net/http_message.hpp"
#include "marketprism/net/lease.hpp"
#include "marketprism/pool/pool_config.hpp"
#include "marketprism/pool/pool_stats.hpp"
#include "marketprism/wire/url.hpp"

namespace marketprism::net {

using HttpLease = Lease<HttpConnectionPtr>;

struct HttpPoolOptions {
  pool::HttpPoolConfig config;
  TlsContextPtr tls;                 ///< needed for https
  HttpConnectionOptions connection;  ///< limits on sizes, time-outs by phase
  ConnectRoute route;                ///< parts left out are made from config.dns_ttl and config.proxy
  std::size_t hosts_max = 64;  ///< 1 … 100,000 hosts (scheme, name, port) at once; one more replaces one that has no
                               ///< connection and was not set up by set_endpoints or keep_warm
};

struct HttpRequestOptions {
  Nanoseconds timeout{0};  ///< of the whole; 0: the config's total_timeout
  std::optional<bool>
      is_idempotent;  ///< may be sent twice; none: by the method (GET, HEAD, PUT, DELETE, OPTIONS, TRACE)
  std::uint64_t body_bytes_max = 0;  ///< of a body that is streamed; 0: no limit
  unsigned redirects_max = 0;        ///< 301, 302, 303, 307 and 308 are followed so often; 0: given to the caller
};

/// A response together with the connection it came on: nothing is copied. It keeps the connection busy until it is
/// destroyed or taken, so do either soon. Belongs to the pool's loop.
class [[nodiscard]] PooledResponse {
 public:
  PooledResponse(HttpLease lease, HttpResponse& response) : lease_(std::move(lease)), response_(&response) {}

  HttpResponse& operator*() const { return *response_; }
  HttpResponse* operator->() const { return response_; }
  /// Moves the response out and gives the connection back.
  HttpResponse take() {
    HttpResponse response = std::move(*response_);
    lease_.release();
    return response;
  }

 private:
  friend class StreamedResponse;
  HttpLease lease_;
  HttpResponse* response_;
};

/// A response whose head is there and whose body is read piece by piece: nothing of it is held but the piece, so it may
/// be larger than the memory. Keeps the connection busy until it is destroyed; if that comes before the end of the
/// body, the connection is closed. Belongs to the pool's loop.
class [[nodiscard]] StreamedResponse {
 public:
  explicit StreamedResponse(PooledResponse response) : response_(std::move(response)) {}

  [[nodiscard]] const HttpHead& head() const { return response_->head; }
  [[nodiscard]] int status() const { return response_->status(); }
  /// The next piece, decompressed, valid until the next call; empty at the end. The request's deadline holds; what
  /// fails now is not tried again, since a part was given away.
  Task<Result<std::string_view>> read() { return connection().read_body(); }

 private:
  [[nodiscard]] HttpConnection& connection() const { return **response_.lease_; }
  PooledResponse response_;
};

/// HTTP/1.1 connections kept alive, lent to one request at a time, with limits per host and over all hosts. On top of
/// leases, `request` sends again what a dying connection lost, when that is safe: nothing of it was written, or it is
/// idempotent; and a body's source that was read from can be rewound. Redirects are followed if the request's options
/// say so. One event loop, no lock; destroying it drains it at once.
class HttpConnectionPool {
 public:
  /// A named error for a config that contradicts itself or asks for what this build cannot do.
  static Result<HttpConnectionPool> create(EventLoop& loop, HttpPoolOptions options);
  HttpConnectionPool(HttpConnectionPool&&) noexcept;
  HttpConnectionPool& operator=(HttpConnectionPool&&) noexcept;
  ~HttpConnectionPool();

  /// Dials are begun only as the budget allows. Before the first request; the budget outlives the pool.
  void use_connect_budget(pool::ConnectBudget& budget);

  /// max_size then holds over all pools that share the ledger, on whatever event loop each runs; it is the ledger's
  /// total, and max_size only bounds this pool's own part. The ledger needs room for one member a host and pool. Before
  /// the first request.
  Result<> use_ledger(std::shared_ptr<pool::PermitLedger> ledger);

  /// Where the connections for the origin of `url` lead, instead of its own host and port: replicas and standbys, by
  /// priority and weight. The request's Host header and the certificate's name stay the url's, and so does TLS: with
  /// https all endpoints have it, and with http one that asks for it is refused. Any time: connections to places that
  /// are gone are closed now if idle, else when their request ends.
  Result<> set_endpoints(const wire::Url& url, std::vector<pool::Endpoint> endpoints);
  /// Changes sizes and times of a running pool, `config.connections` as `pool::LeasePool::reconfigure` does it;
  /// dns_ttl, read_timeout and proxy stay as they are. Requests under way keep their deadlines.
  Result<> reconfigure(const pool::HttpPoolConfig& config);
  /// Changes how many connections there may be over all hosts and to one host (0: half of them).
  Result<> resize(std::size_t max_size, std::size_t max_per_host = 0);
  /// Closes the connections that are idle now, to all hosts. How many.
  std::size_t close_idle();

  /// Opens min_size connections to the origin of `url` now and keeps them up.
  Result<> keep_warm(const wire::Url& url);

  /// A GET of `url`, "https://host/path?query"; else like `request`. `invalid_argument` for what is no URL.
  Task<Result<PooledResponse>> get(std::string url, HttpRequestOptions options = {},
                                   std::source_location where = std::source_location::current());

  /// Sends and waits for the whole response, whatever its status. `request.target` is replaced by the url's. Redirects,
  /// if followed, see `take_redirect`; `too_large` when there are more than redirects_max.
  Task<Result<PooledResponse>> request(wire::Url url, HttpRequest request, HttpRequestOptions options = {},
                                       std::source_location where = std::source_location::current());
  /// The same for a request made once by `make_http_request` and sent many times: nothing is allocated once warm.
  /// `text` lives until the end; `is_idempotent` and `is_head` are the caller's word.
  struct Prepared {
    std::string_view text;
    bool is_idempotent = true;
    bool is_head = false;
    Nanoseconds timeout{0};            ///< 0: the config's total_timeout
    bool is_streamed = false;          ///< used by `stream`
    std::uint64_t body_bytes_max = 0;  ///< of a streamed body; 0: no limit
    HttpBodySourcePtr body_source;     ///< what comes after `text`, which then is a head
  };
  Task<Result<PooledResponse>> request(const wire::Url& url, Prepared prepared,
                                       std::source_location where = std::source_location::current());

  /// Like `request`, but gives the response when its head is there; see StreamedResponse.
  Task<Result<StreamedResponse>> stream(wire::Url url, HttpRequest request, HttpRequestOptions options = {},
                                        std::source_location where = std::source_location::current());

  /// A connection of one's own for several requests.
  Task<Result<HttpLease>> acquire(const wire::Url& url, Nanoseconds timeout = Nanoseconds(0),
                                  std::source_location where = std::source_location::current());

  /// Stops: no request is let in; running ones may end for `patience`. The number of leases that were left.
  Task<std::size_t> drain(Nanoseconds patience);

  struct RequestCounters {
    std::uint64_t requests = 0;
    std::uint64_t succeeded = 0;  ///< a response came, whatever its status
    std::uint64_t failed = 0;
    std::uint64_t refused = 0;          ///< of these, at once, by an open circuit breaker
    std::uint64_t retried = 0;          ///< sent again
    std::uint64_t retries_delayed = 0;  ///< … after waiting for a place in the retry budget
    std::uint64_t faults = 0;  ///< connections closed because the server sent what nobody had asked for: bytes while
                               ///< they were unused, or more after a response
  };
  [[nodiscard]] RequestCounters request_counters() const;
  /// The last of the faults. No request fails by them; each is logged as well.
  [[nodiscard]] const std::optional<Error>& last_fault() const;
  /// One entry a host, and one for all that were replaced under hosts_max.
  [[nodiscard]] std::vector<pool::PoolStats> stats() const;
  /// All hosts as one pool of max_size.
  [[nodiscard]] pool::PoolSummary summary() const;
  [[nodiscard]] std::vector<pool::ConnectionInfo> connections() const;
  [[nodiscard]] const std::string& name() const;

 private:
  struct State;
  static Prepared prepare(std::string_view text, const HttpRequest& request, const HttpRequestOptions& options);
  explicit HttpConnectionPool(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
