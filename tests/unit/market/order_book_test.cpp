#include "marketprism/market/order_book.hpp"

#include <map>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::market {
namespace {

Level level(const char* price, const char* amount) { return {Decimal::of(price), Decimal::of(amount)}; }

TEST(OrderBook, KeepsTheBestLevelFirst) {
  OrderBook book;
  const std::vector<Level> bids{level("10.0", "1"), level("9.5", "2")}, asks{level("10.5", "1"), level("11", "3")};
  ASSERT_TRUE(book.assign(bids, asks));
  EXPECT_EQ(book.bids().best(), level("10", "1"));
  EXPECT_EQ(book.asks().best(), level("10.5", "1"));
  EXPECT_EQ(book.bids().at(1), level("9.5", "2"));
  EXPECT_FALSE(book.is_crossed());
  ASSERT_TRUE(book.apply(std::vector{level("10.50", "4")}, std::vector<Level>{}));
  EXPECT_TRUE(book.is_crossed());
}

TEST(OrderBook, TakesSnapshotsInAnyOrder) {
  BookSide asks(Side::sell, std::make_shared<LevelBlockPool>());
  ASSERT_TRUE(asks.assign(std::vector{level("3", "1"), level("1", "1"), level("2", "0"), level("1.0", "5")}));
  ASSERT_EQ(asks.size(), 2U);
  EXPECT_EQ(asks.best(), level("1", "5"));
}

TEST(OrderBook, TruncatesForGood) {
  BookSide bids(Side::buy, std::make_shared<LevelBlockPool>());
  ASSERT_TRUE(bids.assign(std::vector{level("5", "1"), level("4", "1"), level("3", "1")}));
  std::vector<Level> removed;
  bids.truncate(1, removed);
  EXPECT_EQ(bids.size(), 1U);
  EXPECT_EQ(removed, (std::vector{level("3", "0"), level("4", "0")}));
}

TEST(OrderBook, RefusesPricesThatFitNoCommonKey) {
  BookSide bids(Side::buy, std::make_shared<LevelBlockPool>());
  EXPECT_TRUE(bids.set(level("9000000000000000000", "1")));
  EXPECT_FALSE(bids.set(level("0.01", "1")));
  EXPECT_FALSE(bids.set(level("123456789012345678901", "1")));
  EXPECT_EQ(bids.size(), 1U);
  EXPECT_EQ(bids.best(), level("9000000000000000000", "1"));
}

TEST(OrderBook, SaysWhenThereIsNoMemoryForMore) {
  memory::MemoryBudget budget;
  memory::MemoryAccount& account = budget.account("books", {.hard = 3 * (sizeof(LevelBlock) + 256)});
  {
    const auto pool = std::make_shared<LevelBlockPool>(1, &account);
    BookSide bids(Side::buy, pool);
    int set = 0;
    while (bids.set(level(std::to_string(++set).c_str(), "1"))) ASSERT_LT(set, 1000);
    EXPECT_TRUE(bids.lacks_memory());
    EXPECT_EQ(bids.size(), static_cast<std::size_t>(set - 1));  // what did not fit changed nothing
    EXPECT_EQ(bids.best(), level(std::to_string(set - 1).c_str(), "1"));
    EXPECT_GT(account.refusals(), 0U);
    std::vector<Level> many;
    for (int price = 1000; price > 0; --price) many.push_back(level(std::to_string(price).c_str(), "1"));
    EXPECT_FALSE(bids.assign(many));
    EXPECT_TRUE(bids.lacks_memory());
    bids.clear();
    EXPECT_FALSE(bids.lacks_memory());
    EXPECT_TRUE(bids.assign(std::span(many).first(50)));  // the blocks are there again
    EXPECT_EQ(bids.size(), 50U);
  }
  EXPECT_EQ(account.bytes(), 0U);
}

TEST(OrderBook, AgreesWithAMapUnderRandomChanges) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const auto pool = std::make_shared<LevelBlockPool>(1);
    BookSide bids(Side::buy, pool), asks(Side::sell, pool);
    std::map<Decimal, Decimal> truth;
    for (int i = 0; i < 2000; ++i) {
      // Prices of several scales, so that numbers of different exponents meet.
      const Decimal price(random.between(1, 400), random.chance(0.3) ? -1 : 0);
      const Decimal amount(random.chance(0.4) ? 0 : random.between(1, 9), 0);
      ASSERT_TRUE(bids.set({price, amount}));
      ASSERT_TRUE(asks.set({price, amount}));
      if (amount.is_zero()) {
        truth.erase(price);
      } else {
        truth[price] = amount;
      }
      ASSERT_EQ(bids.size(), truth.size()) << "seed " << seed;
    }
    std::size_t n = 0;
    for (const auto& [price, amount] : truth) {
      ASSERT_EQ(asks.at(n), (Level{price, amount})) << "seed " << seed;
      ASSERT_EQ(bids.at(truth.size() - 1 - n), (Level{price, amount})) << "seed " << seed;
      ++n;
    }
  }
}

}  // namespace
}  // namespace marketprism::market
