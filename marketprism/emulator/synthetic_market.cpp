#include "marketprism/emulator/synthetic_market.hpp"

#include <algorithm>

namespace marketprism::emulator {

SyntheticMarket::SyntheticMarket(std::vector<SyntheticInstrument> instruments, const SyntheticMarketOptions& options)
    : random_(options.seed) {
  states_.reserve(instruments.size());
  for (SyntheticInstrument& instrument : instruments) {
    const MatchingEngineOptions engine{.seed = random_.next(),
                                       .center_price = instrument.center_ticks,
                                       .amount_max = instrument.amount_max_lots,
                                       .first_update_id = options.first_update_id,
                                       .first_trade_id = options.first_trade_id,
                                       .update_id_step_max = options.update_id_step_max};
    states_.push_back(std::make_unique<InstrumentState>(std::move(instrument), engine));
    InstrumentState& state = *states_.back();
    if (state.instrument.kind != market::InstrumentKind::option) continue;
    const auto followed = std::ranges::find_if(states_, [&](const auto& other) {
      return other->instrument.index == state.instrument.index && other->instrument.is_perpetual();
    });
    if (followed != states_.end()) state.underlying = followed->get();
  }
}

SyntheticMarket::Step SyntheticMarket::step(UnixTime time) {
  const std::size_t index = std::min(random_.below(states_.size()), random_.below(states_.size()));
  InstrumentState& state = *states_[index];
  const Happening& happening = state.engine.step();
  if (!happening.fills.empty()) note_trades(state, happening, time);
  return {index, &happening};
}

void SyntheticMarket::note_trades(InstrumentState& state, const Happening& happening, UnixTime time) {
  std::int64_t price_before = 0;
  for (const Fill& fill : happening.fills) {
    if (fill.price != price_before) ++state.aggregate_id;
    price_before = fill.price;
    state.last_price = fill.price;
    state.last_amount = fill.amount;
    state.last_side = happening.taker;
    state.volume += fill.amount;
    state.open_interest += fill.trade_id % 2 == 0 ? fill.amount / 8 : -(fill.amount / 8);
    for (std::size_t i = 0; i < candle_intervals.size(); ++i) {
      SyntheticCandle& candle = state.candles[i];
      const UnixTime open_time =
          UnixTime(time.time_since_epoch() / candle_intervals[i].length * candle_intervals[i].length);
      if (candle.open_time != open_time) {
        candle = {.open_time = open_time,
                  .open = fill.price,
                  .high = fill.price,
                  .low = fill.price,
                  .first_trade_id = fill.trade_id};
      }
      candle.high = std::max(candle.high, fill.price);
      candle.low = std::min(candle.low, fill.price);
      candle.close = fill.price;
      candle.volume += fill.amount;
      ++candle.trades;
      candle.last_trade_id = fill.trade_id;
    }
  }
  state.open_interest = std::max<std::int64_t>(state.open_interest, 1'000);
  state.funding_rate_e8 = 10'000 + (state.last_price - state.instrument.center_ticks) % 5'000;
}

std::int64_t InstrumentState::mark_price_tenths() const {
  return instrument.price_units(engine.best_bid() + engine.best_ask()) * 5 + 1;
}

std::int64_t InstrumentState::index_price() const {
  if (underlying != nullptr) return underlying->index_price();
  return std::max<std::int64_t>(1, instrument.price_units(engine.best_bid() + engine.best_ask()) * 5 - 3);
}

int InstrumentState::index_decimals() const {
  return underlying != nullptr ? underlying->index_decimals() : instrument.price_decimals + 1;
}

UnixTime next_funding_time(UnixTime time) {
  constexpr std::chrono::hours period(8);
  return UnixTime(time.time_since_epoch() / period * period) + period;
}

}  // namespace marketprism::emulator
