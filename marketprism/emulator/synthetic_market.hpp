#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "marketprism/base/random.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/emulator/matching_engine.hpp"
#include "marketprism/emulator/synthetic_instrument.hpp"

namespace marketprism::emulator {

/// The candle that is open at an instrument, amounts in lots, prices in ticks.
struct SyntheticCandle {
  UnixTime open_time = no_time;  ///< no_time: nothing traded yet
  std::int64_t open = 0;
  std::int64_t high = 0;
  std::int64_t low = 0;
  std::int64_t close = 0;
  std::int64_t volume = 0;
  std::int64_t trades = 0;
  std::int64_t first_trade_id = 0;
  std::int64_t last_trade_id = 0;
};

/// A length of candles.
struct CandleInterval {
  std::string_view name;  ///< as events name it: "1m", "4h"
  std::chrono::seconds length;
};
inline constexpr std::array candle_intervals{
    CandleInterval{"1m", std::chrono::minutes(1)},   CandleInterval{"3m", std::chrono::minutes(3)},
    CandleInterval{"5m", std::chrono::minutes(5)},   CandleInterval{"15m", std::chrono::minutes(15)},
    CandleInterval{"30m", std::chrono::minutes(30)}, CandleInterval{"1h", std::chrono::hours(1)},
    CandleInterval{"4h", std::chrono::hours(4)},     CandleInterval{"1d", std::chrono::hours(24)},
};

/// What an instrument looks like after an order.
struct InstrumentState {
  InstrumentState(SyntheticInstrument what, const MatchingEngineOptions& options)
      : instrument(std::move(what)), engine(options), last_price(engine.best_bid()) {}

  SyntheticInstrument instrument;
  MatchingEngine engine;
  std::int64_t last_price;  ///< ticks
  std::int64_t last_amount = 1;
  market::Side last_side = market::Side::buy;
  std::int64_t open_interest = 1'000'000;  ///< lots
  std::int64_t funding_rate_e8 = 10'000;   ///< × 10^-8 per eight hours
  std::int64_t volume = 0;                 ///< lots since the start
  std::int64_t aggregate_id = 0;           ///< last aggregate trade
  std::array<SyntheticCandle, candle_intervals.size()> candles;

  const InstrumentState* underlying = nullptr;  ///< of options: whose price the index is

  /// In price units × 10 (one decimal more than trades have).
  [[nodiscard]] std::int64_t mark_price_tenths() const;
  /// In units of 10^-index_decimals().
  [[nodiscard]] std::int64_t index_price() const;
  [[nodiscard]] int index_decimals() const;
};

struct SyntheticMarketOptions {
  std::uint64_t seed = 1;
  int update_id_step_max = 1;
  std::int64_t first_update_id = 1;
  std::int64_t first_trade_id = 1;
};

/// All instruments of one venue, each with its own order book, and who comes next. From the same seed and instruments
/// the same orders come in the same sequence, whatever the clock says. One owner; no allocation once warm.
class SyntheticMarket {
 public:
  SyntheticMarket(std::vector<SyntheticInstrument> instruments, const SyntheticMarketOptions& options);

  struct Step {
    std::size_t instrument = 0;
    const Happening* happening = nullptr;  ///< valid until the next step
  };
  /// One order at one instrument; those that stand first in the list get more of them. `time` only goes into candles.
  Step step(UnixTime time);

  [[nodiscard]] std::size_t size() const { return states_.size(); }
  [[nodiscard]] InstrumentState& at(std::size_t index) { return *states_[index]; }
  [[nodiscard]] const InstrumentState& at(std::size_t index) const { return *states_[index]; }

 private:
  static void note_trades(InstrumentState& state, const Happening& happening, UnixTime time);

  Random random_;
  std::vector<std::unique_ptr<InstrumentState>> states_;
};

/// The funding time that follows `time`: 00:00, 08:00 and 16:00 UTC.
UnixTime next_funding_time(UnixTime time);

}  // namespace marketprism::emulator
