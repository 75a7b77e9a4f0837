#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "marketprism/exchange/facts.hpp"

// Sources, read 2026-11:
//   docs.deribit.com: articles/notifications, articles/rate-limits, articles/connection-management-best-practices,
//   articles/market-data-collection-best-practices, subscriptions/orderbook/*, subscriptions/market-data/*,
//   api-reference/market-data/public-get_instruments, api-reference/session-management/public-set_heartbeat

namespace marketprism::exchange::deribit {

inline constexpr std::array urls{WebSocketUrl{"public", "wss://www.deribit.com/ws/api/v2"}};

/// `book.X.100ms`: the first message is the whole book; each later one names its `change_id` and the `prev_change_id`
/// it follows. All levels are sent.
inline constexpr BookRule book_rule{BookRule::Snapshot::in_band, BookRule::Chain::previous, false, 0};

// Credits: a subscribe request costs 3,000 of a pool of 30,000 that fills by 10,000 a second, others 500 of 50,000;
// public/get_instruments has a limit of its own, 1 a second: it weighs 20 of our 20 a second. Who asks too fast gets
// error 10028 and is cut off. 32 connections an address, HTTP requests included, else status 429. The interval `raw`
// needs a login (error 13778); we have none, so the default is 100ms. The venue names no limit of channels on one
// connection: 500 is our choice. With set_heartbeat the venue sends something at least each 10 s.
inline constexpr Facts venue{.name = "deribit",
                             .websockets = urls,
                             .rest_url = "https://www.deribit.com",
                             .book = book_rule,
                             .streams_per_connection = 500,
                             .streams_per_request = 100,
                             .messages_per_connection = {3, std::chrono::seconds(1)},
                             .connects = {5, std::chrono::seconds(1)},
                             .rest_limit = {20, std::chrono::seconds(1)},
                             .ping_text = {},
                             .silence_max = std::chrono::seconds(30),
                             .connection_lifetime = std::chrono::nanoseconds(0)};
inline constexpr int heartbeat_interval_s = 10;
inline constexpr int instruments_weight = 20;

/// Answers name only the request's id, so the id also says what was asked: a subscription's is the caller's, an
/// unsubscription's is the caller's + 10⁹, our own requests' start at 2 × 10⁹.
inline constexpr std::int64_t unsubscribe_id_offset = 1'000'000'000;
inline constexpr std::int64_t own_id_offset = 2'000'000'000;

/// A candle's length under the venue's name ("resolution") and ours.
struct Interval {
  std::string_view resolution;
  std::string_view name;
  int minutes;
};
inline constexpr std::array intervals{
    Interval{"1", "1m", 1},     Interval{"3", "3m", 3},     Interval{"5", "5m", 5},      Interval{"10", "10m", 10},
    Interval{"15", "15m", 15},  Interval{"30", "30m", 30},  Interval{"60", "1h", 60},    Interval{"120", "2h", 120},
    Interval{"180", "3h", 180}, Interval{"360", "6h", 360}, Interval{"720", "12h", 720}, Interval{"1D", "1d", 1440}};

}  // namespace marketprism::exchange::deribit
