// The part of HttpConnectionPool that stops asking hosts which keep failing.
#include <string>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/log.hpp"
#include "marketprism/net/http_connection_pool_state.hpp"

namespace marketprism::net {
namespace {

std::int64_t ms_of(Nanoseconds time) { return std::chrono::ceil<std::chrono::milliseconds>(time).count(); }

}  // namespace

// A host that forwards for many has none: it would answer for all of them.
bool HttpConnectionPool::State::BreakerCall::begin() {
  if (!state_.options.config.circuit_breaker || host_.proxy != nullptr) return true;
  call_ = host_.breaker.allow(state_.loop.now());
  return call_.has_value();
}

std::unexpected<Error> HttpConnectionPool::State::refused_by_breaker(const Host& host) {
  ++counters.refused;
  ++counters.failed;
  const Instant now = loop.now();
  const std::string until = now < host.breaker.open_until()
                                ? fmt::format("tried again in {} ms", ms_of(host.breaker.open_until() - now))
                                : "others are trying whether it works again";
  return fail(ErrorCode::rate_limited,
              fmt::format("{}://{}:{}: not asked, since its circuit breaker is open (last: {}); {}", host.scheme,
                          host.name, host.port, host.last_failure, until));
}

// An empty `failure` is a success.
void HttpConnectionPool::State::BreakerCall::tell(std::string failure) {
  using enum pool::CircuitBreaker::State;
  const pool::CircuitBreaker::Call call = *std::exchange(call_, std::nullopt);
  const Instant now = state_.loop.now();
  const auto before = host_.breaker.state(now);
  if (failure.empty()) {
    host_.breaker.succeeded(call);
  } else {
    host_.breaker.failed(call, now);
    host_.last_failure = std::move(failure);
  }
  const auto after = host_.breaker.state(now);
  if (before == after || (before != closed && after != closed)) return;
  const std::string what = after == closed
                               ? std::string("answers again; its circuit breaker is closed")
                               : fmt::format("{}; its circuit breaker is open, requests fail at once for {} ms",
                                             host_.last_failure, ms_of(host_.breaker.open_until() - now));
  log(after == closed ? LogLevel::info : LogLevel::warning, "http",
      fmt::format("pool '{}': {}://{}:{}: {}", state_.options.config.connections.name, host_.scheme, host_.name,
                  host_.port, what));
}

}  // namespace marketprism::net
