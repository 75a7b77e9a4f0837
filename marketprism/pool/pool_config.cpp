#include "marketprism/pool/pool_config.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace marketprism::pool {
namespace {

std::unexpected<Error> refuse(std::string_view pool, std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("pool '{}': {}", pool, what), true);
}
std::unexpected<Error> refuse(const PoolConfig& config, std::string_view what) { return refuse(config.name, what); }

using NamedTime = std::pair<std::string_view, Nanoseconds>;

Result<> require_positive(std::string_view pool, std::initializer_list<NamedTime> times) {
  for (const auto& [option, value] : times) {
    if (value.count() <= 0) {
      return refuse(pool, fmt::format("{} must be longer than 0, not {} ns", option, value.count()));
    }
  }
  return {};
}

Result<> require_not_negative(std::string_view pool, std::initializer_list<NamedTime> times) {
  for (const auto& [option, value] : times) {
    if (value.count() < 0) return refuse(pool, fmt::format("{} is negative ({} ns)", option, value.count()));
  }
  return {};
}

Result<> check_sizes(const PoolConfig& c) {
  if (c.max_size == 0) return refuse(c, "max_size is 0: no connection could ever be opened");
  if (c.max_size > 1'000'000) return refuse(c, fmt::format("max_size {} is over 1,000,000", c.max_size));
  if (c.min_size > c.max_size) {
    return refuse(c, fmt::format("min_size {} is larger than max_size {}", c.min_size, c.max_size));
  }
  if (c.max_connecting == 0) return refuse(c, "max_connecting is 0: no connection could ever be opened");
  if (c.max_checking == 0 && c.health_check_interval.count() > 0) {
    return refuse(
        c, "max_checking is 0 but health_check_interval is not: set health_check_interval to 0 to check nothing");
  }
  if (c.max_waiters > 10'000'000) return refuse(c, fmt::format("max_waiters {} is over 10,000,000", c.max_waiters));
  return {};
}

Result<> check_ejection(const PoolConfig& c) {
  const EjectionConfig& e = c.ejection;
  if (e.consecutive_failures == 0)
    return refuse(c, "ejection.consecutive_failures is 0: every endpoint would be ejected");
  if (auto ok = require_positive(c.name, {{"ejection.time", e.time}, {"ejection.window", e.window}}); !ok) return ok;
  if (e.time_max < e.time) return refuse(c, "ejection.time_max is shorter than ejection.time");
  if (auto ok = require_not_negative(c.name, {{"ejection.recovery", e.recovery}}); !ok) return ok;
  if (!(e.jitter >= 0.0 && e.jitter <= 1.0)) return refuse(c, "ejection.jitter is not within 0 and 1");
  if (!(e.outlier_gap > 0.0 && e.outlier_gap < 1.0)) return refuse(c, "ejection.outlier_gap is not between 0 and 1");
  return {};
}

Result<> check_times(const PoolConfig& c) {
  if (auto ok = require_positive(c.name, {{"max_idle_time", c.max_idle_time},
                                          {"acquire_timeout", c.acquire_timeout},
                                          {"connect_timeout", c.connect_timeout},
                                          {"close_timeout", c.close_timeout},
                                          {"health_check_timeout", c.health_check_timeout}});
      !ok) {
    return ok;
  }
  if (auto ok = require_not_negative(c.name, {{"max_lifetime", c.max_lifetime},  // 0: no limit, or never
                                              {"health_check_interval", c.health_check_interval},
                                              {"permit_tenure", c.permit_tenure},
                                              {"failback_interval", c.failback_interval},
                                              {"leak_threshold", c.leak_threshold}});
      !ok) {
    return ok;
  }
  if (!(c.lifetime_jitter >= 0.0 && c.lifetime_jitter <= 0.25)) {
    return refuse(c, fmt::format("lifetime_jitter {} is not within 0 and 0.25", c.lifetime_jitter));
  }
  const BackoffConfig& b = c.dial_backoff;
  if (b.base.count() <= 0 || b.cap < b.base || b.floor.count() < 0 || b.floor > b.base) {
    return refuse(c, "dial_backoff needs 0 <= floor <= base <= cap and base longer than 0");
  }
  return {};
}

}  // namespace

void PoolConfig::keep_identity_of(const PoolConfig& running) {
  name = running.name;
  type = running.type;
  seed = running.seed;
}

PoolConfig PoolConfig::bounded() const {
  PoolConfig config = *this;
  for (Nanoseconds* time :
       {&config.max_idle_time, &config.max_lifetime, &config.acquire_timeout, &config.connect_timeout,
        &config.close_timeout, &config.health_check_interval, &config.health_check_timeout, &config.permit_tenure,
        &config.failback_interval, &config.leak_threshold, &config.dial_backoff.base, &config.dial_backoff.cap,
        &config.dial_backoff.floor, &config.ejection.time, &config.ejection.time_max, &config.ejection.recovery,
        &config.ejection.window}) {
    *time = std::min(*time, longest_time);
  }
  return config;
}

Result<> PoolConfig::validate() const {
  if (name.empty()) return refuse(*this, "it has no name");
  if (auto ok = check_sizes(*this); !ok) return ok;
  if (auto ok = check_times(*this); !ok) return ok;
  return check_ejection(*this);
}

HttpPoolConfig::HttpPoolConfig() {
  connections.name = "http";
  connections.type = PoolType::http;
}

std::size_t HttpPoolConfig::per_host() const {
  return max_per_host != 0 ? max_per_host : std::max<std::size_t>(1, connections.max_size / 2);
}

Result<> HttpPoolConfig::validate() const {
  if (auto ok = connections.validate(); !ok) return ok;
  if (max_per_host > connections.max_size) {
    return refuse(connections,
                  fmt::format("max_per_host {} is larger than max_size {}", max_per_host, connections.max_size));
  }
  if (auto ok = require_positive(connections.name, {{"total_timeout", total_timeout},
                                                    {"read_timeout", read_timeout},
                                                    {"dns_ttl", dns_ttl},
                                                    {"keep_alive", keep_alive}});
      !ok) {
    return ok;
  }
  if (!(retry_budget.share >= 0.0 && retry_budget.share <= 1.0)) {
    return refuse(connections, fmt::format("retry_budget.share {} is not within 0 and 1", retry_budget.share));
  }
  if (!circuit_breaker) return {};
  const CircuitBreakerConfig& breaker = *circuit_breaker;
  if (breaker.failures_to_open == 0 || breaker.probes == 0 || breaker.successes_to_close == 0) {
    return refuse(connections, "circuit_breaker: failures_to_open, probes and successes_to_close must be at least 1");
  }
  if (breaker.open_time_max < breaker.open_time) {
    return refuse(connections, "circuit_breaker.open_time_max is shorter than open_time");
  }
  return require_positive(connections.name, {{"circuit_breaker.open_time", breaker.open_time}});
}

WebSocketPoolConfig::WebSocketPoolConfig() {
  connections.name = "websocket";
  connections.type = PoolType::websocket;
  connections.max_size = 20;
  connections.min_size = 2;
}

Result<> WebSocketPoolConfig::validate() const {
  if (auto ok = connections.validate(); !ok) return ok;
  if (auto ok = slots.validate(connections.name); !ok) return ok;
  if (auto ok = require_not_negative(connections.name, {{"ping_interval", ping_interval}}); !ok) return ok;
  return require_positive(connections.name, {{"pong_timeout", pong_timeout}, {"close_timeout", close_timeout}});
}

SlotConfig SlotConfig::bounded() const {
  SlotConfig config = *this;
  for (Nanoseconds* time : {&config.messages.interval, &config.subscribe_timeout, &config.overlap_timeout})
    *time = std::min(*time, longest_time);
  // Times a pool's largest max_size, this is still a number.
  config.streams_per_connection = std::min<std::size_t>(streams_per_connection, 1'000'000'000);
  return config;
}

Result<> SlotConfig::validate(const std::string& pool) const {
  if (streams_per_connection == 0) return refuse(pool, "slots.streams_per_connection is 0");
  if (streams_per_message == 0) return refuse(pool, "slots.streams_per_message is 0");
  if (max_streams == 0) return refuse(pool, "slots.max_streams is 0: no stream could ever be placed");
  return require_positive(pool, {{"slots.messages.interval", messages.interval},
                                 {"slots.subscribe_timeout", subscribe_timeout},
                                 {"slots.overlap_timeout", overlap_timeout}});
}

}  // namespace marketprism::pool
