#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/backoff.hpp"
#include "marketprism/pool/circuit_breaker.hpp"
#include "marketprism/pool/connection_state.hpp"
#include "marketprism/pool/endpoint_set.hpp"
#include "marketprism/pool/rate_limiter.hpp"
#include "marketprism/pool/retry_budget.hpp"

namespace marketprism::pool {

/// As good as never. A longer time means the same.
constexpr Nanoseconds longest_time = std::chrono::hours(24 * 365 * 30);

/// What every pool of connections can be told. The defaults are good for tens of connections to a server some
/// milliseconds away.
struct PoolConfig {
  std::string name = "pool";      ///< appears in errors, logs and metrics
  PoolType type = PoolType::tcp;  ///< appears in statistics

  std::size_t max_size = 50;         ///< connections at most, those being dialled included
  std::size_t min_size = 5;          ///< kept up even when nobody needs them
  std::size_t max_connecting = 10;   ///< dials at once
  std::size_t max_checking = 4;      ///< health checks at once
  std::size_t max_waiters = 10'000;  ///< acquires that may wait at once; one more fails with `exhausted`

  Nanoseconds max_idle_time = std::chrono::seconds(300);  ///< an unused connection is closed after this
  Nanoseconds max_lifetime = std::chrono::seconds(3600);  ///< a connection is not used after this; 0: no limit
  double lifetime_jitter = 0.025;  ///< 0…0.25: lifetimes are shorter by a random share up to this
  Nanoseconds acquire_timeout = std::chrono::seconds(10);  ///< default for acquires that name none
  Nanoseconds connect_timeout = std::chrono::seconds(10);  ///< for one dial, name lookup and handshakes included
  Nanoseconds health_check_interval =
      std::chrono::seconds(60);  ///< idle connections not used for this are checked; 0: never
  Nanoseconds health_check_timeout = std::chrono::seconds(5);  ///< a check without an answer by then has failed

  Nanoseconds close_timeout = std::chrono::seconds(5);  ///< a connection keeps its place in the pool until its socket
                                                        ///< is closed; a close that takes longer than this is cut short

  unsigned retry_attempts = 3;  ///< dial rounds after the first failed one before waiters get the dial's error
  BackoffConfig dial_backoff;   ///< pause between failed rounds; a round tries every endpoint once
  EjectionConfig ejection;      ///< when an endpoint that fails is left alone, and for how long
  Nanoseconds failback_interval = std::chrono::seconds(1);  ///< while an endpoint of better priority is usable again,
                                                            ///< an eighth of the connections to worse ones is replaced
                                                            ///< in each such time; 0: never
  bool learn_keep_alive = true;   ///< retire idle connections before the age at which the server was seen closing them
  Nanoseconds leak_threshold{0};  ///< a lease held longer is reported once, with the place that took it; 0: never
  Nanoseconds permit_tenure = std::chrono::milliseconds(100);  ///< with a ledger: a busy connection is given up for a
                                                               ///< starving loop only when it is older than this
  std::uint64_t seed = 0;                                      ///< of jitter and endpoint choice

  /// A named error for sizes and times that are zero, negative or contradict each other.
  [[nodiscard]] Result<> validate() const;
  /// The same with no time over `longest_time`, so that none added to a time overflows.
  [[nodiscard]] PoolConfig bounded() const;
  /// Takes over what does not change while a pool runs: name, type and seed.
  void keep_identity_of(const PoolConfig& running);
};

/// `HttpConnectionPool`: one such set of options for all hosts.
struct HttpPoolConfig {
  HttpPoolConfig();

  PoolConfig connections;        ///< limits over all hosts together
  std::size_t max_per_host = 0;  ///< 0: half of max_size, at least 1
  Nanoseconds total_timeout =
      std::chrono::seconds(30);  ///< for a request, waiting for a connection and retries included
  Nanoseconds read_timeout = std::chrono::seconds(10);  ///< between two reads of a response
  Nanoseconds dns_ttl = std::chrono::seconds(300);      ///< addresses are looked up again after this
  Nanoseconds keep_alive =
      std::chrono::seconds(30);  ///< idle connections are closed after this (or max_idle_time if shorter)
  RetryBudgetConfig retry_budget;
  /// Of each host: after so many requests in a row without an answer, or with a status of 500 to 599, those that follow
  /// fail at once for a while (`rate_limited`). None: off. Plain requests by a forwarding proxy have none.
  std::optional<CircuitBreakerConfig> circuit_breaker;
  std::string
      proxy;  ///< "http://host:port", "socks5://host:port", "" for none, "environment" for http(s)_proxy and no_proxy

  [[nodiscard]] std::size_t per_host() const;
  [[nodiscard]] Result<> validate() const;
};

/// Shared capacity: how subscriptions are spread over connections.
struct SlotConfig {
  std::size_t streams_per_connection = 200;            ///< a venue's limit, or less
  std::size_t streams_per_message = 50;                ///< subscriptions asked for in one message
  RateConfig messages{5, std::chrono::seconds(1), 5};  ///< control messages a connection may send
  Nanoseconds subscribe_timeout =
      std::chrono::seconds(10);  ///< a subscription not confirmed by then is asked for again elsewhere
  Nanoseconds overlap_timeout =
      std::chrono::seconds(60);       ///< a rotation not finished by then is given up and tried again
  std::size_t max_streams = 100'000;  ///< one more is refused with `exhausted`

  /// The same with no time over `longest_time`, and no more streams on a connection than can be counted with.
  [[nodiscard]] SlotConfig bounded() const;
  /// A named error for limits and times that are zero or negative; `pool` is the name it appears under.
  [[nodiscard]] Result<> validate(const std::string& pool) const;
};

/// `WebSocketConnectionPool`.
struct WebSocketPoolConfig {
  WebSocketPoolConfig();

  PoolConfig connections;
  SlotConfig slots;
  Nanoseconds ping_interval = std::chrono::seconds(20);  ///< of our pings; 0: never
  Nanoseconds pong_timeout = std::chrono::seconds(10);   ///< a connection without an answer by then is dead
  Nanoseconds close_timeout = std::chrono::seconds(10);  ///< for the goodbye; takes the place of that of `connections`

  [[nodiscard]] Result<> validate() const;
};

}  // namespace marketprism::pool
