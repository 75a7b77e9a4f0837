#include "marketprism/net/websocket_leases.hpp"

#include <utility>

#include "marketprism/net/connection_pool.hpp"

namespace marketprism::net {

struct WebSocketLeases::Pool {
  ConnectionPool<WebSocketConnectionPtr, WebSocketConnector> connections;
};

WebSocketLeases::WebSocketLeases(EventLoop& loop, pool::PoolConfig config, std::vector<pool::Endpoint> endpoints,
                                 WebSocketConnector connector)
    : loop_(loop), config_(std::move(config)), endpoints_(std::move(endpoints)), connector_(std::move(connector)) {}

WebSocketLeases::~WebSocketLeases() = default;

Task<Result<WebSocketLease>> WebSocketLeases::acquire(Nanoseconds timeout, std::source_location where) {
  if (is_drained_) co_return fail(ErrorCode::closed, "pool '" + config_.name + "': it has been stopped", true);
  if (!pool_) {
    auto made =
        ConnectionPool<WebSocketConnectionPtr, WebSocketConnector>::create(loop_, config_, endpoints_, connector_);
    if (!made) co_return std::unexpected(std::move(made.error()));
    if (budget_ != nullptr) made->use_connect_budget(*budget_);
    if (ledger_) {
      if (auto ok = made->use_ledger(ledger_); !ok) co_return std::unexpected(std::move(ok.error()));
    }
    pool_ = std::make_unique<Pool>(std::move(*made));
    pool_->connections.start();
  }
  const Nanoseconds most = timeout.count() > 0 ? timeout : config_.acquire_timeout;
  auto lease = co_await pool_->connections.acquire(most, where);
  if (!lease) co_return std::unexpected(std::move(lease.error()));
  co_return WebSocketLease(std::move(*lease));
}

Result<> WebSocketLeases::reconfigure(pool::PoolConfig config) {
  config.keep_identity_of(config_);
  if (auto ok = config.validate(); !ok) return ok;
  config_ = std::move(config);
  if (!pool_) return {};
  return pool_->connections.reconfigure(config_);
}

Result<> WebSocketLeases::set_endpoints(std::vector<pool::Endpoint> endpoints) {
  endpoints_ = std::move(endpoints);
  if (!pool_) return {};
  return pool_->connections.set_endpoints(endpoints_);
}

std::size_t WebSocketLeases::close_idle() { return pool_ ? pool_->connections.close_idle() : 0; }

Task<std::size_t> WebSocketLeases::drain(Nanoseconds patience) {
  is_drained_ = true;
  if (!pool_) co_return 0;
  co_return co_await pool_->connections.drain(patience);
}

void WebSocketLeases::stop() {
  is_drained_ = true;
  pool_.reset();
}

std::optional<pool::PoolStats> WebSocketLeases::stats() const {
  if (!pool_) return std::nullopt;
  return pool_->connections.stats();
}

std::vector<pool::ConnectionInfo> WebSocketLeases::connections() const {
  if (!pool_) return {};
  return pool_->connections.connections();
}

}  // namespace marketprism::net
