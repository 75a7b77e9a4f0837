#include "marketprism/emulator/matching_engine.hpp"

#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace marketprism::emulator {
namespace {

using market::Side;
using Levels = std::map<std::int64_t, std::int64_t>;

Levels levels_of(const MatchingEngine& engine, Side side) {
  Levels levels;
  engine.for_each_level(side, SIZE_MAX, [&](std::int64_t price, std::int64_t amount) { levels[price] = amount; });
  return levels;
}

TEST(MatchingEngine, the_same_seed_gives_the_same_market) {
  MatchingEngine a({.seed = 7});
  MatchingEngine b({.seed = 7});
  MatchingEngine c({.seed = 8});
  bool differs = false;
  for (int i = 0; i < 5'000; ++i) {
    a.step();
    b.step();
    c.step();
    ASSERT_EQ(a.best_bid(), b.best_bid());
    ASSERT_EQ(a.last_update_id(), b.last_update_id());
    ASSERT_EQ(a.last_trade_id(), b.last_trade_id());
    differs = differs || a.last_update_id() != c.last_update_id();
  }
  EXPECT_EQ(levels_of(a, Side::buy), levels_of(b, Side::buy));
  EXPECT_TRUE(differs);
}

// A book rebuilt from the changes alone is the engine's, at every step; and the engine's own rules hold.
TEST(MatchingEngine, changes_rebuild_the_book_and_the_rules_hold) {
  for (const std::int64_t center : {120, 15'000, 6'180'000}) {
    MatchingEngine engine({.seed = 3, .center_price = center, .update_id_step_max = 4});
    Levels bids = levels_of(engine, Side::buy);
    Levels asks = levels_of(engine, Side::sell);
    std::int64_t trade_id = engine.last_trade_id();
    for (int i = 0; i < 20'000; ++i) {
      const std::int64_t update_before = engine.last_update_id();
      const auto best_before = std::pair(*bids.rbegin(), *asks.begin());
      const Happening& happening = engine.step();
      for (const LevelChange& change : happening.changes) {
        Levels& side = change.side == Side::buy ? bids : asks;
        const std::int64_t amount = engine.amount_at(change.side, change.price);
        ASSERT_GE(amount, 0);
        if (amount == 0) {
          side.erase(change.price);
        } else {
          side[change.price] = amount;
        }
      }
      for (const Fill& fill : happening.fills) {
        ASSERT_EQ(fill.trade_id, ++trade_id);
        ASSERT_GT(fill.amount, 0);
      }
      ASSERT_GE(engine.last_update_id() - update_before, static_cast<std::int64_t>(happening.changes.size()));
      ASSERT_FALSE(bids.empty());
      ASSERT_FALSE(asks.empty());
      ASSERT_EQ(engine.best_bid(), bids.rbegin()->first);
      ASSERT_EQ(engine.best_ask(), asks.begin()->first);
      ASSERT_LT(engine.best_bid(), engine.best_ask());
      ASSERT_LE(engine.best_bid() - bids.begin()->first, MatchingEngine::reach);
      ASSERT_LE(asks.rbegin()->first - engine.best_ask(), MatchingEngine::reach);
      ASSERT_EQ(happening.best_changed, best_before != std::pair(*bids.rbegin(), *asks.begin()));
    }
    EXPECT_EQ(bids, levels_of(engine, Side::buy));
    EXPECT_EQ(asks, levels_of(engine, Side::sell));
    EXPECT_EQ(engine.level_count(Side::buy), bids.size());
    EXPECT_GT(trade_id, 1'000);
  }
}

TEST(MatchingEngine, the_price_stays_around_its_centre) {
  MatchingEngine engine({.seed = 11, .center_price = 50'000});
  std::int64_t farthest = 0;
  for (int i = 0; i < 300'000; ++i) {
    engine.step();
    farthest = std::max(farthest, std::abs(engine.best_bid() - 50'000));
  }
  EXPECT_GT(farthest, 5);
  EXPECT_LT(farthest, 4'000);
}

TEST(MatchingEngine, fills_go_from_the_best_price_on) {
  MatchingEngine engine({.seed = 5});
  int several_prices = 0;
  int same_price = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Happening& happening = engine.step();
    for (std::size_t k = 1; k < happening.fills.size(); ++k) {
      const std::int64_t step = happening.fills[k].price - happening.fills[k - 1].price;
      ASSERT_TRUE(happening.taker == Side::buy ? step >= 0 : step <= 0);
      (step == 0 ? same_price : several_prices)++;
    }
  }
  EXPECT_GT(several_prices, 100);
  EXPECT_GT(same_price, 100);
}

TEST(MatchingEngine, an_amount_is_on_one_side_only) {
  const MatchingEngine engine({.seed = 2});
  EXPECT_GT(engine.amount_at(Side::buy, engine.best_bid()), 0);
  EXPECT_EQ(engine.amount_at(Side::sell, engine.best_bid()), 0);
  EXPECT_GT(engine.amount_at(Side::sell, engine.best_ask()), 0);
  EXPECT_EQ(engine.amount_at(Side::buy, engine.best_ask()), 0);
  EXPECT_EQ(engine.amount_at(Side::buy, -5), 0);
  EXPECT_EQ(engine.amount_at(Side::buy, 1'000'000'000), 0);
}

}  // namespace
}  // namespace marketprism::emulator
