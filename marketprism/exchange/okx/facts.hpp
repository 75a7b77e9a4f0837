#pragma once
#include <array>
#include <string_view>

#include "marketprism/exchange/facts.hpp"

// Sources, read 2026-11:
//   okx.com/docs-v5/en: "WebSocket / Connect", "/ Connection count limit", "/ Notification", "Public data", "Order book
//   trading / Market data"
//   okx.com/help/okx-order-book-channels-checksum-field-deprecation (2026-05-21): from 2026-06-23 `checksum` is always
//   0 web3.okx.com/onchainos/dev-docs (the notice 64008); github.com/nautechsystems/nautilus_trader
//   docs/integrations/okx.md

namespace marketprism::exchange::okx {

/// Candles and `trades-all` are served on another path than all else; on the wrong one they are refused with code
/// 60018.
inline constexpr std::array urls{WebSocketUrl{"public", "wss://ws.okx.com:8443/ws/v5/public"},
                                 WebSocketUrl{"business", "wss://ws.okx.com:8443/ws/v5/business"}};
inline constexpr std::size_t public_endpoint = 0;
inline constexpr std::size_t business_endpoint = 1;

/// `books`: the first push is a snapshot of 400 levels a side, then changes; each message names its own sequence number
/// (`seqId`) and that of the message before (`prevSeqId`, −1 in a snapshot). Numbers grow in steps of any size, are
/// equal to the one before in a message without changes (sent each 60 s), and may be smaller after maintenance.
inline constexpr BookRule book_rule{BookRule::Snapshot::in_band, BookRule::Chain::previous, false, 400};

// 3 connects a second and address; 480 subscribe and unsubscribe requests an hour and connection, 64 KiB each; the text
// "ping" is answered with "pong", a connection without traffic for 30 s is cut. The venue names no limit of channels on
// one connection: 256 is our choice, so that one loss concerns few of them. Instruments: 20 requests in 2 s and
// address.
inline constexpr Facts venue{.name = "okx",
                             .websockets = urls,
                             .rest_url = "https://www.okx.com",
                             .book = book_rule,
                             .streams_per_connection = 256,
                             .streams_per_request = 100,
                             .messages_per_connection = {480, std::chrono::hours(1)},
                             .connects = {3, std::chrono::seconds(1)},
                             .rest_limit = {20, std::chrono::seconds(2)},
                             .snapshot_depth = 400,
                             .ping_text = "ping",
                             .ping_after = std::chrono::seconds(20),
                             .silence_max = std::chrono::seconds(30),
                             .connection_lifetime = std::chrono::nanoseconds(0)};

/// The code of the notice sent before the venue cuts a connection for an upgrade, some 30 to 60 s ahead.
inline constexpr std::string_view upgrade_notice = "64008";

/// A candle's length under the venue's name ("candle" left out) and ours. Days, weeks and months of the plain names
/// begin at 16:00 UTC (midnight in Hong Kong), those that end in "utc" at 00:00 UTC; our lower-case names mean the
/// latter.
struct Interval {
  std::string_view channel;
  std::string_view name;
  int minutes;  ///< 0 for less than one and for months
  int months = 0;
};
inline constexpr std::array intervals{
    Interval{"1s", "1s", 0},        Interval{"1m", "1m", 1},        Interval{"3m", "3m", 3},
    Interval{"5m", "5m", 5},        Interval{"15m", "15m", 15},     Interval{"30m", "30m", 30},
    Interval{"1H", "1h", 60},       Interval{"2H", "2h", 120},      Interval{"4H", "4h", 240},
    Interval{"6Hutc", "6h", 360},   Interval{"12Hutc", "12h", 720}, Interval{"1Dutc", "1d", 1440},
    Interval{"2Dutc", "2d", 2880},  Interval{"3Dutc", "3d", 4320},  Interval{"5Dutc", "5d", 7200},
    Interval{"1Wutc", "1w", 10080}, Interval{"1Mutc", "1M", 0, 1},  Interval{"3Mutc", "3M", 0, 3},
    Interval{"6H", "6H", 360},      Interval{"12H", "12H", 720},    Interval{"1D", "1D", 1440},
    Interval{"2D", "2D", 2880},     Interval{"3D", "3D", 4320},     Interval{"5D", "5D", 7200},
    Interval{"1W", "1W", 10080}};

/// Underlyings that have options; the instruments list must be asked for each of them.
inline constexpr std::array<std::string_view, 2> option_underlyings{"BTC-USD", "ETH-USD"};

}  // namespace marketprism::exchange::okx
