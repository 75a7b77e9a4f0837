#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/emulator/moment.hpp"
#include "marketprism/emulator/rest.hpp"
#include "marketprism/emulator/synthetic_market.hpp"

namespace marketprism::emulator {

/// A stream of a synthetic market, taken apart.
struct StreamSpec {
  enum class Kind : std::uint8_t {
    trade,
    book,
    liquidation,
    bbo,     ///< best bid and ask, whenever they change
    ticker,  ///< the state of the market; changes with every order, sent at most once a period
    candle,  ///< changes with every trade, likewise
    state,   ///< sent every period, whatever happened: mark price, open interest, …
  };
  enum class Grouping : std::uint8_t { each_fill, each_price, whole_order };

  Kind kind{};
  Grouping grouping = Grouping::each_fill;       ///< of trades: what makes one frame
  std::size_t instrument = 0;                    ///< index in the market
  std::optional<market::InstrumentKind> all_of;  ///< liquidations of all instruments of a kind
  std::size_t interval = 0;                      ///< of candles: index into candle_intervals
  Nanoseconds period{0};                         ///< 0: at once
  bool begins_with_snapshot = false;             ///< the first message is the state as it is
  std::string name;                              ///< as subscribed
  int topic = 0;                                 ///< the format's own
};

struct LevelAmount {
  std::int64_t price = 0;   ///< ticks
  std::int64_t amount = 0;  ///< lots; 0 removes
};

/// What one message of a book says. Bids best (highest) first, asks best (lowest) first.
struct BookPart {
  bool is_snapshot = false;
  std::int64_t previous_id = 0;  ///< last id of the message before
  std::int64_t last_id = 0;
  std::span<const LevelAmount> bids;
  std::span<const LevelAmount> asks;
};

/// Trades of one taker: what one frame tells.
struct TradePart {
  market::Side taker{};
  bool is_liquidation = false;
  std::span<const Fill> fills;
  std::int64_t aggregate_id = 0;
};

/// How one venue writes its market data down. Appends whole frames to `out`. Owned by a synthetic source.
class FrameFormat {
 public:
  virtual ~FrameFormat() = default;
  /// Nothing: the venue has no such stream.
  [[nodiscard]] virtual std::optional<StreamSpec> parse(std::string_view name, const SyntheticMarket& market) const = 0;
  virtual void write_trades(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                            const TradePart& part, UnixTime time) const = 0;
  virtual void write_book(std::string& out, const StreamSpec& spec, const InstrumentState& state, const BookPart& part,
                          UnixTime time) const = 0;
  /// Everything else.
  virtual void write_state(std::string& out, const StreamSpec& spec, const InstrumentState& state,
                           UnixTime time) const = 0;
  /// The answer to a GET request about the market.
  [[nodiscard]] virtual std::optional<RestAnswer> rest(const RestQuery& query, const SyntheticMarket& market,
                                                       Moment moment) const = 0;
};

/// The format of one of the venues `make_dialect` knows; null for others.
std::unique_ptr<FrameFormat> make_format(std::string_view exchange);

}  // namespace marketprism::emulator
