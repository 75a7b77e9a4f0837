#pragma once
#include <array>
#include <string_view>

#include "marketprism/emulator/limits.hpp"

// What the four Binance venues do, from their own documents (read 2026-11): github.com/binance/binance-spot-api-docs
// (web-socket-streams.md, rest-api.md), developers.binance.com (USD-M with its "Important WebSocket Change Notice",
// COIN-M), docs.binance.us. On purpose not taken from exchange/: an emulator that shares the client's opinion finds no
// mistake in it.

namespace marketprism::emulator::binance {

struct DepthWeight {
  int levels;
  std::uint64_t weight;
};

struct Row {
  std::string_view exchange;
  std::string_view api;  ///< prefix of REST paths
  bool is_futures;
  bool is_coin_margined;
  bool has_split_paths;  ///< /public and /market
  int decimals_shown;    ///< prices and amounts are padded to so many; 0: as the instrument has them
  std::array<DepthWeight, 4> depth_weights;
  std::uint64_t instruments_weight;
  Limits limits;
};

constexpr Limits limits_of(std::size_t requests_per_s, std::uint64_t weight_max, Nanoseconds ping_interval,
                           Nanoseconds pong_timeout) {
  return {.streams_per_connection = 1024,
          .requests = {requests_per_s, std::chrono::seconds(1)},
          .connects = {300, std::chrono::minutes(5)},
          .weight_max = weight_max,
          .weight_window = std::chrono::minutes(1),
          .connection_lifetime = std::chrono::hours(24),
          .closing_notice = std::chrono::minutes(10),
          .ping_interval = ping_interval,
          .pong_timeout = pong_timeout};
}

inline constexpr std::array rows{
    Row{"binance",
        "/api/v3",
        false,
        false,
        false,
        8,
        {{{100, 5}, {500, 25}, {1000, 50}, {5000, 250}}},
        20,
        limits_of(5, 6000, std::chrono::seconds(20), std::chrono::minutes(1))},
    Row{"binance-us",
        "/api/v3",
        false,
        false,
        false,
        8,
        {{{100, 1}, {500, 5}, {1000, 10}, {5000, 50}}},
        10,
        limits_of(5, 1200, std::chrono::minutes(3), std::chrono::minutes(10))},
    Row{"binance-futures",
        "/fapi/v1",
        true,
        false,
        true,
        0,
        {{{50, 2}, {100, 5}, {500, 10}, {1000, 20}}},
        1,
        limits_of(10, 2400, std::chrono::minutes(3), std::chrono::minutes(10))},
    Row{"binance-delivery",
        "/dapi/v1",
        true,
        true,
        false,
        0,
        {{{50, 2}, {100, 5}, {500, 10}, {1000, 20}}},
        1,
        limits_of(10, 2400, std::chrono::minutes(3), std::chrono::minutes(10))},
};

/// Null for another exchange.
constexpr const Row* row_of(std::string_view exchange) {
  for (const Row& row : rows) {
    if (row.exchange == exchange) return &row;
  }
  return nullptr;
}

}  // namespace marketprism::emulator::binance
