#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "marketprism/base/random.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::emulator {

/// One trade. Prices are whole ticks, amounts whole lots.
struct Fill {
  std::int64_t price = 0;
  std::int64_t amount = 0;
  std::int64_t trade_id = 0;  ///< contiguous
};

struct LevelChange {
  market::Side side{};  ///< buy: a bid
  std::int64_t price = 0;
};

/// What one order did. Valid until the engine's next step.
struct Happening {
  market::Side taker{};         ///< of the fills
  std::span<const Fill> fills;  ///< best price first; fills of one price follow each other
  std::span<const LevelChange> changes;
  bool best_changed = false;    ///< price or amount of the best bid or ask
  bool is_liquidation = false;  ///< the taker was liquidated
};

struct MatchingEngineOptions {
  std::uint64_t seed = 1;
  std::int64_t center_price = 100'000;  ///< ticks, at least 21; the market drifts around it and comes back
  std::int64_t amount_max = 1'000;      ///< lots of one order
  std::int64_t first_update_id = 1;
  std::int64_t first_trade_id = 1;
  /// Update ids grow by 1 to this with each level change; 1 where the venue's ids are contiguous.
  int update_id_step_max = 1;
};

/// A limit order book with random orders arriving: limit orders near the best prices, cancellations, market orders.
/// Every change of a level has an update id. No side is ever empty, the book is never crossed, and no level is further
/// than `reach` ticks from its side's best. One owner, no allocation after the first steps.
class MatchingEngine {
 public:
  static constexpr std::int64_t reach = 350;

  explicit MatchingEngine(const MatchingEngineOptions& options);

  /// One order arrives.
  const Happening& step();

  [[nodiscard]] std::int64_t best_bid() const { return price_of(best_bid_); }
  [[nodiscard]] std::int64_t best_ask() const { return price_of(best_ask_); }
  /// What lies at `price` on that side now; 0 if nothing.
  [[nodiscard]] std::int64_t amount_at(market::Side side, std::int64_t price) const;
  [[nodiscard]] std::int64_t last_update_id() const { return update_id_; }
  [[nodiscard]] std::int64_t last_trade_id() const { return trade_id_; }

  /// Calls `level(price, amount)` from the best price on, for at most `count` levels.
  void for_each_level(market::Side side, std::size_t count, auto&& level) const {
    std::int64_t at = side == market::Side::buy ? best_bid_ : best_ask_;
    for (; at != none && count != 0; --count) {
      level(price_of(at), amounts_[static_cast<std::size_t>(at)]);
      at = side == market::Side::buy ? previous(at - 1) : next(at + 1);
    }
  }
  [[nodiscard]] std::size_t level_count(market::Side side) const { return counts_[static_cast<std::size_t>(side)]; }

 private:
  static constexpr std::int64_t window = 16'384;
  static constexpr std::int64_t none = -1;
  static constexpr std::size_t thin = 20;  // a side with fewer levels gets limit orders only

  [[nodiscard]] std::int64_t price_of(std::int64_t at) const { return base_ + at; }
  [[nodiscard]] std::int64_t previous(std::int64_t at) const;  // the next occupied place at or below
  [[nodiscard]] std::int64_t next(std::int64_t at) const;
  [[nodiscard]] market::Side drift_side();
  [[nodiscard]] std::int64_t distance();

  void set_level(market::Side side, std::int64_t at, std::int64_t amount);
  void rest(market::Side side, std::int64_t at, std::int64_t amount);
  void place_limit(market::Side side);
  void cancel(market::Side side);
  std::int64_t match(market::Side taker, std::int64_t limit, std::int64_t amount);
  void fill_level(std::int64_t at, std::int64_t amount);
  void trim(market::Side side);

  Random random_;
  MatchingEngineOptions options_;
  std::int64_t base_;    // the price of place 0
  std::int64_t center_;  // the place the market comes back to
  std::int64_t best_bid_ = none;
  std::int64_t best_ask_ = none;
  std::int64_t worst_bid_ = none;
  std::int64_t worst_ask_ = none;
  std::int64_t update_id_;
  std::int64_t trade_id_;
  std::array<std::size_t, 2> counts_{};
  std::vector<std::int64_t> amounts_;    // by place; bids up to best_bid_, asks from best_ask_ on
  std::vector<std::uint64_t> occupied_;  // one bit a place
  std::vector<Fill> fills_;
  std::vector<LevelChange> changes_;
  Happening happening_;
};

}  // namespace marketprism::emulator
