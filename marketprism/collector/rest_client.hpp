#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/error.hpp"
#include "marketprism/exchange/facts.hpp"
#include "marketprism/monitor/pool_sizing.hpp"
#include "marketprism/net/connector.hpp"
#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/wire/url.hpp"

namespace marketprism::collector {

struct RestAnswer {
  int status = 0;
  std::string body;
  UnixTime receive_time{};
};

/// GET requests to one venue, within its weight limit: a request waits until its weight is free; what the venue says of
/// weight used (`X-MBX-USED-WEIGHT-1M`) and of when to come back (`Retry-After` of 429 and 418) is obeyed. Connections
/// come from a pool. Belongs to one event loop.
class RestClient {
 public:
  /// `base`: scheme, host and port; its path is not used. `budget` outlives the client.
  static Result<std::unique_ptr<RestClient>> open(async::EventLoop& loop, wire::Url base, net::TlsContextPtr tls,
                                                  exchange::Limit weight_limit, pool::ConnectBudget& budget,
                                                  net::ConnectRoute route = {});
  ~RestClient();
  RestClient(const RestClient&) = delete;
  RestClient& operator=(const RestClient&) = delete;

  /// Waits its turn, asks, and gives the answer whatever its status. An error if none came.
  async::Task<Result<RestAnswer>> get(std::string target, int weight);

  /// "https://host:port" + target.
  std::string url_of(std::string_view target) const;

  async::Task<> drain(Instant deadline);

  /// For monitoring.
  static pool::PoolConfig pool_config();
  const net::HttpConnectionPool& pool() const;
  /// The requests that used a connection, the last few thousand, oldest first.
  std::vector<monitor::UseOfConnection> recent_uses() const;

 private:
  struct State;
  explicit RestClient(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace marketprism::collector
