#pragma once
#include <cstdint>
#include <string_view>

namespace marketprism::pool {

/// What a pooled connection is doing. A connection is in exactly one of these.
enum class ConnectionState : std::uint8_t {
  connecting,  ///< being dialled; not usable yet, but it counts in the size of the pool
  idle,        ///< up and free
  active,      ///< lent to exactly one holder
  checking,    ///< a health check runs on it; it was idle before
  failed,      ///< known to be broken, but its holder has not returned it yet
  closed,      ///< a drain's deadline passed while it was held; it goes when its holder returns it
};

enum class PoolType : std::uint8_t { tcp, http, websocket };

/// Why a connection was closed. Every closed connection is counted under exactly one reason.
enum class CloseReason : std::uint8_t {
  idle,       ///< unused for longer than the idle limit
  lifetime,   ///< older than max_lifetime
  unhealthy,  ///< a health check failed, or it died while idle
  broken,     ///< its holder returned it as broken, or it died in the holder's hands
  drained,    ///< the pool was stopped
  evicted,    ///< more connections than the (new) limit allows, another loop needed the permit, or its endpoint is not
              ///< wanted any more: it was taken out of the set, fails requests, or a better one is usable again
};
inline constexpr std::size_t close_reason_count = 6;

/// Names as they appear in metrics and JSON.
constexpr std::string_view name_of(ConnectionState state) {
  switch (state) {
    case ConnectionState::connecting: return "connecting";
    case ConnectionState::idle: return "idle";
    case ConnectionState::active: return "active";
    case ConnectionState::checking: return "checking";
    case ConnectionState::failed: return "failed";
    case ConnectionState::closed: return "closed";
  }
  return "unknown";
}

constexpr std::string_view name_of(PoolType type) {
  switch (type) {
    case PoolType::tcp: return "tcp";
    case PoolType::http: return "http";
    case PoolType::websocket: return "websocket";
  }
  return "unknown";
}

constexpr std::string_view name_of(CloseReason reason) {
  switch (reason) {
    case CloseReason::idle: return "idle";
    case CloseReason::lifetime: return "lifetime";
    case CloseReason::unhealthy: return "unhealthy";
    case CloseReason::broken: return "broken";
    case CloseReason::drained: return "drained";
    case CloseReason::evicted: return "evicted";
  }
  return "unknown";
}

}  // namespace marketprism::pool
