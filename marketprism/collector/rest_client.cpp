#include "marketprism/collector/rest_client.hpp"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "marketprism/net/http_connection.hpp"
#include "marketprism/pool/rate_limiter.hpp"

namespace marketprism::collector {
namespace {

constexpr auto request_timeout = std::chrono::seconds(30);
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
  State(async::EventLoop& event_loop, wire::Url base_url, net::TlsContextPtr tls_context, const exchange::Limit& limit)
      : loop(event_loop), base(std::move(base_url)), tls(std::move(tls_context)), weights(weights_of(limit)) {}

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
  net::TlsContextPtr tls;
  pool::WeightWindow weights;
  bool is_drained = false;
};

RestClient::RestClient(async::EventLoop& loop, wire::Url base, net::TlsContextPtr tls, exchange::Limit weight_limit)
    : state_(std::make_shared<State>(loop, std::move(base), std::move(tls), weight_limit)) {}

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
  net::HttpRequest request;
  request.target = target;
  const auto text = net::make_http_request(state->base.host_header(), request);
  if (!text) co_return std::unexpected(text.error());
  net::ConnectTarget place;
  place.host = state->base.host;
  place.port = state->base.port;
  if (state->base.is_secure()) place.tls = state->tls;
  const Instant deadline = state->loop.now() + request_timeout;
  auto connection = co_await net::HttpConnection::connect(state->loop, std::move(place), deadline);
  if (!connection) co_return std::unexpected(connection.error());
  auto response = co_await (*connection)->send(*text);
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  if (!response) co_return std::unexpected(response.error());
  state->learn((*response)->head, state->loop.refresh_now());
  co_return RestAnswer{(*response)->status(), std::move((*response)->body), now};
}

async::Task<> RestClient::drain(Instant) {
  state_->is_drained = true;
  co_return;
}

}  // namespace marketprism::collector
