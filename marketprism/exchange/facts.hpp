#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace marketprism::exchange {

/// What a user asks for. `agg_trade` gives `trade` events with `aggregate` true; each other channel gives the event of
/// its name.
enum class Channel : std::uint8_t {
  trade,
  agg_trade,
  book,
  bbo,
  candle,
  funding_rate,
  open_interest,
  mark_price,
  index_price,
  liquidation,
};
inline constexpr std::size_t channel_count = 10;

/// "trade", "agg_trade", "book", …
std::string_view name_of(Channel channel);
std::optional<Channel> channel_of(std::string_view name);

struct WebSocketUrl {
  std::string_view name;  ///< "public", "market", "business": what the configuration calls it
  std::string_view url;
};

/// At most `count` things within any `per`.
struct Limit {
  int count = 0;  ///< 0: no limit
  std::chrono::nanoseconds per{};
};

/// How a book is put together. The rules of `feed::BookSync`.
struct BookRule {
  enum class Snapshot : std::uint8_t {
    rest,     ///< asked for over REST, joined to the deltas by update id
    in_band,  ///< the first message of a subscription
  };
  enum class Chain : std::uint8_t {
    contiguous,  ///< first_sequence == last + 1
    previous,    ///< previous_sequence == last
    none,        ///< no numbers; a checksum at most
  };
  Snapshot snapshot = Snapshot::in_band;
  Chain chain = Chain::none;
  /// The first delta after a snapshot of number S. false: first ≤ S + 1 ≤ last (Binance spot). true: first ≤ S ≤ last
  /// or previous == S (Binance futures), so that a delta that ends with S is still applied.
  bool join_contains_snapshot = false;
  /// Levels a side that the subscription covers; what falls off is removed for good. 0: unlimited.
  std::size_t depth = 0;
};

/// Everything constant about a venue, with its source in the venue's facts.hpp.
struct Facts {
  std::string_view name;  ///< "binance", "okx": the exchange name of events and configuration
  std::span<const WebSocketUrl> websockets;
  std::string_view rest_url;  ///< scheme and host
  BookRule book;

  int streams_per_connection = 0;  ///< 0: no limit
  int streams_per_request = 100;
  Limit messages_per_connection;  ///< what we may send on one connection
  Limit connects;                 ///< per source address
  Limit rest_limit;               ///< weight per interval
  int snapshot_depth = 1000;      ///< levels a side asked for first

  std::string_view ping_text;  ///< sent when nothing was received for `ping_after`; empty: WebSocket pings only
  std::chrono::nanoseconds ping_after{};
  std::chrono::nanoseconds silence_max{};          ///< nothing at all received for so long: the connection is dead
  std::chrono::nanoseconds connection_lifetime{};  ///< the venue cuts it then; 0: never
  std::chrono::nanoseconds poll_interval{std::chrono::seconds(10)};
};

}  // namespace marketprism::exchange
