#include "marketprism/collector/rest_client.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "marketprism/pool/rate_limiter.hpp"

namespace marketprism::collector {
namespace {

constexpr auto retry_after_default = std::chrono::seconds(60);
constexpr std::int64_t retry_after_max_s = 3 * 86'400;  // the longest ban a venue states

std::int64_t number_in(const net::HttpHead& head, std::string_view name, std::int64_t otherwise) {
  const auto text = head.find(name);
  std::int64_t value = otherwise;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

pool::WeightConfig weights_of(const exchange::Limit& limit) {
  return {static_cast<std::uint32_t>(limit.count),
          limit.per.count() > 0 ? Nanoseconds(limit.per) : Nanoseconds(std::chrono::minutes(1))};
}

}  // namespace

struct RestClient::State {
  State(async::EventLoop& event_loop, wire::Url base_url, net::HttpConnectionPool http_pool,
        const exchange::Limit& limit)
      : loop(event_loop), base(std::move(base_url)), pool(std::move(http_pool)), weights(weights_of(limit)) {}

  /// Obeys what the venue says of its limits.
  void learn(const net::HttpHead& head, Instant now) {
    if (const auto used = number_in(head, "X-MBX-USED-WEIGHT-1M", 0); used > 0)
      weights.observe(now, static_cast<std::uint64_t>(used));
    if (head.status() != 429 && head.status() != 418) return;
    const auto seconds = number_in(head, "Retry-After", std::chrono::seconds(retry_after_default).count());
    weights.penalize(now + std::chrono::seconds(std::clamp<std::int64_t>(seconds, 1, retry_after_max_s)));
  }

  async::EventLoop& loop;
  wire::Url base;
  net::HttpConnectionPool pool;
  pool::WeightWindow weights;
  monitor::UseTrace uses;
  bool is_drained = false;
};

Result<std::unique_ptr<RestClient>> RestClient::open(async::EventLoop& loop, wire::Url base, net::TlsContextPtr tls,
                                                     exchange::Limit weight_limit, pool::ConnectBudget& budget,
                                                     net::ConnectRoute route) {
  net::HttpPoolOptions options;
  options.config.connections = pool_config();
  options.config.connections.name = base.host + " REST";
  options.config.max_per_host = options.config.connections.max_size;
  options.tls = std::move(tls);
  options.route = std::move(route);
  auto pool = net::HttpConnectionPool::create(loop, std::move(options));
  if (!pool) return std::unexpected(pool.error());
  pool->use_connect_budget(budget);
  auto state = std::make_shared<State>(loop, std::move(base), std::move(*pool), weight_limit);
  return std::unique_ptr<RestClient>(new RestClient(std::move(state)));
}

pool::PoolConfig RestClient::pool_config() {
  pool::PoolConfig config = pool::HttpPoolConfig().connections;
  config.max_size = 8;
  config.min_size = 0;
  config.retry_attempts = 2;
  return config;
}

RestClient::RestClient(std::shared_ptr<State> state) : state_(std::move(state)) {}

RestClient::~RestClient() { state_->is_drained = true; }

std::string RestClient::url_of(std::string_view target) const {
  return fmt::format("{}://{}{}", state_->base.scheme, state_->base.host_header(), target);
}

async::Task<Result<RestAnswer>> RestClient::get(std::string target, int weight) {
  const auto state = state_;
  const auto units = static_cast<std::uint32_t>(std::max(weight, 1));
  for (;;) {
    const Instant now = state->loop.refresh_now();
    const Instant ready = state->weights.ready_at(now, units);
    if (state->is_drained) co_return fail(ErrorCode::closed, "the venue's collector was stopped");
    if (ready <= now) break;
    co_await state->loop.sleep_until(ready);
  }
  state->weights.take(state->loop.now(), units);
  auto url = wire::parse_url(fmt::format("{}://{}{}", state->base.scheme, state->base.host_and_port(), target));
  if (!url) co_return std::unexpected(url.error());
  net::HttpRequest request;
  const Instant begun = state->loop.now();
  auto response = co_await state->pool.request(std::move(*url), std::move(request));
  state->uses.add(begun, state->loop.refresh_now());
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  if (!response) co_return std::unexpected(response.error());
  state->learn((*response)->head, state->loop.refresh_now());
  const int status = (*response)->status();
  co_return RestAnswer{status, response->take().body, now};
}

const net::HttpConnectionPool& RestClient::pool() const { return state_->pool; }
std::vector<monitor::UseOfConnection> RestClient::recent_uses() const { return state_->uses.uses(); }

async::Task<> RestClient::drain(Instant deadline) {
  const auto state = state_;
  state->is_drained = true;
  const Nanoseconds patience = std::max<Nanoseconds>(deadline - state->loop.refresh_now(), Nanoseconds(0));
  static_cast<void>(co_await state->pool.drain(patience));
}

}  // namespace marketprism::collector
