#pragma once
#include <memory>
#include <optional>
#include <source_location>
#include <vector>

#include "marketprism/net/websocket_lease.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "marketprism/pool/pool_config.hpp"

namespace marketprism::net {

/// The connections that a WebSocketConnectionPool lends out, made at the first acquire. Internal to net.
class WebSocketLeases {
 public:
  WebSocketLeases(EventLoop& loop, pool::PoolConfig config, std::vector<pool::Endpoint> endpoints,
                  WebSocketConnector connector);
  ~WebSocketLeases();

  /// Before the first acquire.
  void use_connect_budget(pool::ConnectBudget& budget) { budget_ = &budget; }
  void use_ledger(std::shared_ptr<pool::PermitLedger> ledger) { ledger_ = std::move(ledger); }

  /// Any time.
  [[nodiscard]] Result<> reconfigure(pool::PoolConfig config);
  [[nodiscard]] Result<> set_endpoints(std::vector<pool::Endpoint> endpoints);
  std::size_t close_idle();

  Task<Result<WebSocketLease>> acquire(Nanoseconds timeout, std::source_location where);
  Task<std::size_t> drain(Nanoseconds patience);

  /// Drains at once, without waiting for the end.
  void stop();

  /// Nothing before the first acquire.
  [[nodiscard]] std::optional<pool::PoolStats> stats() const;
  [[nodiscard]] std::vector<pool::ConnectionInfo> connections() const;

 private:
  struct Pool;

  EventLoop& loop_;
  pool::PoolConfig config_;
  std::vector<pool::Endpoint> endpoints_;
  WebSocketConnector connector_;
  pool::ConnectBudget* budget_ = nullptr;
  std::shared_ptr<pool::PermitLedger> ledger_;
  std::unique_ptr<Pool> pool_;
  bool is_drained_ = false;
};

}  // namespace marketprism::net
