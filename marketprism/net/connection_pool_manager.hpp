#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/net/connection_pool.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/websocket_connection_pool.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/pool/pool_stats.hpp"

namespace marketprism::net {

struct ConnectionPoolManagerOptions {
  pool::RateConfig connects;  ///< connections that all pools together may begin from this address; count 0: no limit
};

/// Creates pools by name, starts them under one connect budget, reports on one or all, drains and removes them. Owns
/// its pools: references to them hold until `remove`. One event loop, no lock.
class ConnectionPoolManager {
 public:
  explicit ConnectionPoolManager(EventLoop& loop, ConnectionPoolManagerOptions options = {});
  ~ConnectionPoolManager();
  ConnectionPoolManager(const ConnectionPoolManager&) = delete;
  ConnectionPoolManager& operator=(const ConnectionPoolManager&) = delete;

  /// Adds a pool of any type of connection and starts it. Its name is the config's. Errors: `already_exists`, `closed`
  /// after `drain`, and those of the config.
  template <class T, class Connector>
  Result<ConnectionPool<T, Connector>*> add(pool::PoolConfig config, std::vector<pool::Endpoint> endpoints,
                                            Connector connector) {
    if (auto ok = check_name(config.name); !ok) return std::unexpected(std::move(ok.error()));
    const std::string name = config.name;
    auto made =
        ConnectionPool<T, Connector>::create(loop_, std::move(config), std::move(endpoints), std::move(connector));
    if (!made) return std::unexpected(std::move(made.error()));
    made->use_connect_budget(*budget_);
    made->start();
    auto entry = std::make_unique<Leased<T, Connector>>(name, std::move(*made));
    auto* pool = &entry->pool;
    entries_.push_back(std::move(entry));
    return pool;
  }
  Result<HttpConnectionPool*> add_http(HttpPoolOptions options);
  /// `handler` outlives the pool. Errors also those of `WebSocketConnectionPool::create`.
  Result<WebSocketConnectionPool*> add_websocket(WebSocketPoolOptions options, const std::vector<wire::Url>& urls,
                                                 WebSocketStreamHandler& handler);

  /// Drains a pool and forgets it. The number of leases that were left at the end of `patience`. `not_found`. Nothing
  /// of the pool runs on afterwards.
  Task<Result<std::size_t>> remove(std::string name, Nanoseconds patience);
  /// Drains all pools at once; none can be added afterwards. The number of leases that were left. If the caller is
  /// cancelled the pools go on draining, until the end of `patience` at most.
  Task<std::size_t> drain(Nanoseconds patience);

  [[nodiscard]] std::vector<std::string> names() const;
  /// Of one pool; an HTTP pool has one entry a host. Empty if there is none of that name.
  [[nodiscard]] std::vector<pool::PoolStats> stats(std::string_view name) const;
  /// Of all pools.
  [[nodiscard]] std::vector<pool::PoolStats> stats() const;
  /// All pools as one, weighted by use.
  [[nodiscard]] pool::PoolSummary summary() const;
  [[nodiscard]] pool::ConnectBudget& connect_budget() { return *budget_; }

 private:
  struct Entry {
    explicit Entry(std::string pool_name) : name(std::move(pool_name)) {}
    virtual ~Entry() = default;
    virtual Task<std::size_t> drain(Nanoseconds patience) = 0;
    virtual void add_stats(std::vector<pool::PoolStats>& all) const = 0;
    std::string name;
  };

  template <class T, class Connector>
  struct Leased final : Entry {
    Leased(std::string pool_name, ConnectionPool<T, Connector> made)
        : Entry(std::move(pool_name)), pool(std::move(made)) {}
    Task<std::size_t> drain(Nanoseconds patience) override { return pool.drain(patience); }
    void add_stats(std::vector<pool::PoolStats>& all) const override { all.push_back(pool.stats()); }
    ConnectionPool<T, Connector> pool;
  };
  struct Http;
  struct WebSocket;
  struct Draining;

  Result<> check_name(std::string_view name) const;

  EventLoop& loop_;
  std::shared_ptr<pool::ConnectBudget> budget_;
  std::vector<std::unique_ptr<Entry>> entries_;
  bool is_drained_ = false;
};

}  // namespace marketprism::net
