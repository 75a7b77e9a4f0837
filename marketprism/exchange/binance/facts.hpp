#pragma once
#include <array>

#include "marketprism/exchange/facts.hpp"

// Sources, all read 2026-09 and again 2026-11:
//   spot    github.com/binance/binance-spot-api-docs: web-socket-streams.md, rest-api.md
//   USD-M   developers.binance.com/docs/derivatives/usds-margined-futures ("Important WebSocket Change Notice": since
//   2026-04-23
//           depth, bookTicker and trade come on /public, all else on /market)
//   COIN-M  developers.binance.com/docs/derivatives/coin-margined-futures
//   US      docs.binance.us (the spot API of an earlier date)

namespace marketprism::exchange::binance {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Weight of a depth request by the number of levels asked for.
struct DepthWeight {
  int levels;
  int weight;
};

/// What makes one of the four venues different from the others.
struct Venue {
  Facts facts;
  std::string_view api;  ///< prefix of REST paths
  std::array<DepthWeight, 4> depth_weights;
  bool is_futures = false;
  bool is_coin_margined = false;
  std::size_t market_endpoint = 0;  ///< index of the URL for streams other than depth, bookTicker and trade
};

inline constexpr std::array spot_urls{WebSocketUrl{"public", "wss://stream.binance.com:9443/stream"}};
inline constexpr std::array us_urls{WebSocketUrl{"public", "wss://stream.binance.us:9443/stream"}};
inline constexpr std::array usd_margined_urls{WebSocketUrl{"public", "wss://fstream.binance.com/public/stream"},
                                              WebSocketUrl{"market", "wss://fstream.binance.com/market/stream"}};
inline constexpr std::array coin_margined_urls{WebSocketUrl{"public", "wss://dstream.binance.com/stream"}};

inline constexpr BookRule spot_book{BookRule::Snapshot::rest, BookRule::Chain::contiguous, false, 0};
inline constexpr BookRule futures_book{BookRule::Snapshot::rest, BookRule::Chain::previous, true, 0};

// Spot: 1024 streams a connection; 5 inbound messages a second, of which we leave one for pongs; 300 connects in 5
// minutes; a server ping every 20 s; cut after 24 h, announced since 2026 by the event serverShutdown; 6000 weight a
// minute.
inline constexpr Venue spot{
    .facts = {.name = "binance",
              .websockets = spot_urls,
              .rest_url = "https://api.binance.com",
              .book = spot_book,
              .streams_per_connection = 1024,
              .streams_per_request = 100,
              .messages_per_connection = {4, seconds(1)},
              .connects = {300, minutes(5)},
              .rest_limit = {6000, minutes(1)},
              .snapshot_depth = 1000,
              .silence_max = seconds(60),
              .connection_lifetime = hours(24)},
    .api = "/api/v3",
    .depth_weights = {{{100, 5}, {500, 25}, {1000, 50}, {5000, 250}}},
};

inline constexpr Venue us{
    .facts = {.name = "binance-us",
              .websockets = us_urls,
              .rest_url = "https://api.binance.us",
              .book = spot_book,
              .streams_per_connection = 1024,
              .streams_per_request = 100,
              .messages_per_connection = {4, seconds(1)},
              .connects = {300, minutes(5)},
              .rest_limit = {1200, minutes(1)},
              .snapshot_depth = 1000,
              .silence_max = minutes(10),
              .connection_lifetime = hours(24)},
    .api = "/api/v3",
    .depth_weights = {{{100, 1}, {500, 5}, {1000, 10}, {5000, 50}}},
};

// USD-M: 1024 streams allowed, 200 advised; 10 messages a second; ping every 3 minutes; 2400 weight a minute.
inline constexpr Venue usd_margined{
    .facts = {.name = "binance-futures",
              .websockets = usd_margined_urls,
              .rest_url = "https://fapi.binance.com",
              .book = futures_book,
              .streams_per_connection = 200,
              .streams_per_request = 100,
              .messages_per_connection = {8, seconds(1)},
              .connects = {300, minutes(5)},
              .rest_limit = {2400, minutes(1)},
              .snapshot_depth = 1000,
              .silence_max = minutes(10),
              .connection_lifetime = hours(24)},
    .api = "/fapi/v1",
    .depth_weights = {{{50, 2}, {100, 5}, {500, 10}, {1000, 20}}},
    .is_futures = true,
    .market_endpoint = 1,
};

inline constexpr Venue coin_margined{
    .facts = {.name = "binance-delivery",
              .websockets = coin_margined_urls,
              .rest_url = "https://dapi.binance.com",
              .book = futures_book,
              .streams_per_connection = 200,
              .streams_per_request = 100,
              .messages_per_connection = {8, seconds(1)},
              .connects = {300, minutes(5)},
              .rest_limit = {2400, minutes(1)},
              .snapshot_depth = 1000,
              .silence_max = minutes(10),
              .connection_lifetime = hours(24)},
    .api = "/dapi/v1",
    .depth_weights = {{{50, 2}, {100, 5}, {500, 10}, {1000, 20}}},
    .is_futures = true,
    .is_coin_margined = true,
};

}  // namespace marketprism::exchange::binance
