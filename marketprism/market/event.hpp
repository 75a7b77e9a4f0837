#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "marketprism/base/decimal.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/market/instrument.hpp"

namespace marketprism::market {

/// The kinds of events, in the order of the alternatives of `Event::Payload`.
enum class EventType : std::uint8_t {
  trade,
  book,
  bbo,
  candle,
  funding_rate,
  open_interest,
  mark_price,
  index_price,
  liquidation,
  gap,
  instrument,
};
inline constexpr std::size_t event_type_count = 11;

/// "trade", "funding_rate", …
std::string_view name_of(EventType type);
std::optional<EventType> event_type_of(std::string_view name);

enum class Side : std::uint8_t { buy, sell };
inline std::string_view name_of(Side side) { return side == Side::buy ? "buy" : "sell"; }

/// Stands for "no sequence number".
inline constexpr std::int64_t no_sequence = std::numeric_limits<std::int64_t>::min();

struct Level {
  Decimal price;
  Decimal amount;
  friend bool operator==(const Level&, const Level&) = default;
};

struct Trade {
  std::string_view id;  ///< data() is null where the exchange gives none
  Side side{};          ///< of the taker
  Decimal price;
  Decimal amount;
  bool is_aggregate = false;  ///< the exchange merged fills; the ids are another series than those of single trades
};

/// Levels to put into the book; amount zero removes a level. A snapshot replaces the whole book.
struct Book {
  bool is_snapshot = false;
  std::int64_t sequence = no_sequence;
  std::span<const Level> bids;
  std::span<const Level> asks;
};

/// Best bid and offer; an empty side has neither price nor amount.
struct Bbo {
  std::optional<Decimal> bid_price;
  std::optional<Decimal> bid_amount;
  std::optional<Decimal> ask_price;
  std::optional<Decimal> ask_amount;
  std::int64_t sequence = no_sequence;
};

struct Candle {
  std::string_view interval;  ///< "1m", "1h", "1d"
  UnixTime open_time{};
  UnixTime close_time{};
  Decimal open;
  Decimal high;
  Decimal low;
  Decimal close;
  Decimal volume;
  bool is_closed = false;
};

struct FundingRate {
  Decimal rate;
  UnixTime funding_time = no_time;  ///< when it is paid next
};

struct OpenInterest {
  Decimal amount;
};

struct MarkPrice {
  Decimal price;
};

struct IndexPrice {
  Decimal price;
};

struct Liquidation {
  std::string_view id;  ///< data() is null where the exchange gives none
  Side side{};          ///< of the order that closes the position
  Decimal price;
  Decimal amount;
};

/// Something was lost. A gap of channel `book` makes the symbol's book invalid up to its next snapshot.
struct Gap {
  EventType channel{};
  std::string_view reason;
  std::int64_t from_sequence = no_sequence;  ///< the last number seen
  std::int64_t to_sequence = no_sequence;    ///< the first number after the hole
};

/// One thing that happened on a market. Views and spans point into the frame, the book or the session that made the
/// event and are valid only while it is being handed over: whoever keeps an event copies what it needs.
struct Event {
  using Payload = std::variant<Trade, Book, Bbo, Candle, FundingRate, OpenInterest, MarkPrice, IndexPrice, Liquidation,
                               Gap, const Instrument*>;

  std::string_view exchange;         ///< "binance", "binance-futures", …; lives as long as the program
  std::string_view symbol;           ///< the exchange's own; lives as long as the session
  UnixTime exchange_time = no_time;  ///< when the matching engine did it, else when it was sent
  UnixTime receive_time = no_time;   ///< stamped at the socket read
  std::uint32_t connection = 0;      ///< which connection brought it; 0 for REST and replayed files
  Payload payload;

  EventType type() const { return static_cast<EventType>(payload.index()); }
};

/// Takes events one by one, on the thread of the session that makes them, in the order they happened.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
};

}  // namespace marketprism::market
