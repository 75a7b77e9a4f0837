#pragma once
// The inside of HttpConnectionPool; included by its .cpp only.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/connection_pool.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/pool/circuit_breaker.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "marketprism/pool/retry_budget.hpp"

namespace marketprism::net {

/// The hosts of a pool and what limits all of them. Shared by the pool and its requests, whichever live longest.
struct HttpConnectionPool::State : std::enable_shared_from_this<State> {
  using Pool = ConnectionPool<HttpConnectionPtr, HttpConnector>;

  struct Host {
    Host(const wire::Url& url, Pool made) : scheme(url.scheme), name(url.host), port(url.port), pool(std::move(made)) {}
    [[nodiscard]] bool serves(const wire::Url& url) const {
      return port == url.port && name == url.host && scheme == url.scheme;
    }

    std::string scheme;
    std::string name;
    std::uint16_t port;
    Pool pool;
    std::vector<std::chrono::seconds> hints;  // the keep-alive time last announced, by endpoint
    std::size_t users = 0;                    // requests in progress
    bool is_started = false;
    bool is_warm = false;
    bool is_configured = false;    // by set_endpoints or keep_warm
    const Proxy* proxy = nullptr;  // the pool leads to this one, which forwards requests for many
    std::string proxy_credentials;
    pool::CircuitBreaker breaker;  // asked only if the options have one
    std::string last_failure;      // that the breaker was told of
  };

  State(EventLoop& event_loop, HttpPoolOptions pool_options)
      : loop(event_loop),
        options(std::move(pool_options)),
        permits(std::make_shared<pool::PermitLedger>(static_cast<std::uint32_t>(options.config.connections.max_size),
                                                     static_cast<std::uint32_t>(options.hosts_max * 2))),
        budget(options.config.retry_budget) {}

  static std::string name_of(const wire::Url& url) { return url.scheme + "://" + url.host_and_port(); }
  [[nodiscard]] Host* find_host(const wire::Url& url) const {
    const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const auto& host) { return host->serves(url); });
    return found == hosts.end() ? nullptr : found->get();
  }

  Result<Host*> host_for(const wire::Url& url);
  [[nodiscard]] const Proxy* forwarder_for(const wire::Url& url) const;
  Result<Host*> forwarding_host(const Proxy& proxy);
  [[nodiscard]] pool::PoolConfig host_config(bool is_warm) const;
  Result<Host*> add_host(const wire::Url& url, std::vector<pool::Endpoint> endpoints);
  bool remove_unused_host();
  void note_fault(const Error& error);
  void learn(Host& host, HttpLease& lease) const;
  [[nodiscard]] pool::CircuitBreakerConfig breaker_config() const {
    return options.config.circuit_breaker.value_or(pool::CircuitBreakerConfig{});
  }
  std::unexpected<Error> refused_by_breaker(const Host& host);
  static std::unexpected<Error> told(const Host& host, const wire::Url& url, Error error);
  static Task<Result<PooledResponse>> get(std::shared_ptr<State> self, std::string url, HttpRequestOptions options,
                                          std::source_location where);
  static Task<Result<PooledResponse>> request_whole(std::shared_ptr<State> self, wire::Url url, HttpRequest request,
                                                    HttpRequestOptions options, bool is_streamed,
                                                    std::source_location where);
  static Task<Result<PooledResponse>> request(std::shared_ptr<State> self, const wire::Url& url, Prepared prepared,
                                              std::source_location where);
  // What the breaker of a host is told about one request: nothing was learned, unless it ends with a response or
  // failed().
  class BreakerCall {
   public:
    BreakerCall(const State& state, Host& host) : state_(state), host_(host) {}
    ~BreakerCall() {
      if (call_) host_.breaker.abandoned(*call_);
    }
    BreakerCall(const BreakerCall&) = delete;
    BreakerCall& operator=(const BreakerCall&) = delete;
    /// False while it is open.
    bool begin();
    void answered(int status) {
      if (call_) tell(status < 500 || status > 599 ? std::string() : "status " + std::to_string(status));
    }
    void failed(const Error& error) {
      if (call_) tell(error.to_string());
    }

   private:
    void tell(std::string failure);
    const State& state_;
    Host& host_;
    std::optional<pool::CircuitBreaker::Call> call_;
  };
  // A place in the retry budget: given back when it goes, in whatever way its request ends.
  struct RetryPlace {
    explicit RetryPlace(State& pool_state) : state(pool_state) {}
    ~RetryPlace() { give_back(); }
    RetryPlace(const RetryPlace&) = delete;
    RetryPlace& operator=(const RetryPlace&) = delete;
    void give_back();
    State& state;
    bool is_taken = false;
  };
  // One that waits for its place.
  struct WaitingRetry {
    WaitingRetry(State& pool_state, RetryPlace& its_place)
        : state(pool_state), place(its_place), turn(pool_state.loop) {
      state.waiting_retries.push_back(this);
    }
    ~WaitingRetry() { std::erase(state.waiting_retries, this); }
    WaitingRetry(const WaitingRetry&) = delete;
    WaitingRetry& operator=(const WaitingRetry&) = delete;
    State& state;
    RetryPlace& place;
    async::Signal turn;
  };
  static Task<bool> may_retry(std::shared_ptr<State> self, RetryPlace& place, Instant deadline);
  /// Whenever there may be room in the retry budget: after a retry, for more requests, or by a new config.
  void wake_retries();
  void stop(Nanoseconds patience);

  // Counts a request as long as it runs.
  struct InProgress {
    InProgress(State& pool_state, Host& its_host) : state(pool_state), host(its_host) {
      ++state.active;
      ++host.users;
      if (!state.waiting_retries.empty()) state.wake_retries();
    }
    ~InProgress() {
      --host.users;
      --state.active;
    }
    InProgress(const InProgress&) = delete;
    InProgress& operator=(const InProgress&) = delete;
    State& state;
    Host& host;
  };

  EventLoop& loop;
  HttpPoolOptions options;
  std::shared_ptr<pool::PermitLedger> permits;  // max_size over all hosts
  bool has_own_permits = true;                  // else they are shared with other pools
  pool::RetryBudget budget;
  pool::ConnectBudget* connect_budget = nullptr;
  std::vector<std::unique_ptr<Host>> hosts;  // few: looked through faster than hashed
  std::deque<WaitingRetry*> waiting_retries;
  RequestCounters counters;
  std::optional<Error> last_fault;
  pool::PoolStats past;  // of hosts that were replaced
  bool has_past = false;
  std::size_t active = 0;
  bool is_stopped = false;
};

}  // namespace marketprism::net
