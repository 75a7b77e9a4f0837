#include "marketprism/feed/held_deltas.hpp"

#include <gtest/gtest.h>

namespace marketprism::feed {
namespace {

using market::Level;

exchange::BookMessage delta_of(std::int64_t number, const std::vector<Level>& bids, const std::vector<Level>& asks) {
  exchange::BookMessage message;
  message.first_sequence = message.last_sequence = number;
  message.previous_sequence = number - 1;
  message.bids = bids;
  message.asks = asks;
  return message;
}

std::vector<Level> levels(std::int64_t first, std::size_t count) {
  std::vector<Level> made;
  for (std::size_t i = 0; i < count; ++i)
    made.push_back({Decimal(first + static_cast<std::int64_t>(i), 0), Decimal(1, 0)});
  return made;
}

TEST(HeldDeltas, GivesBackWhatItWasGivenInOrder) {
  HeldDeltas held;
  for (std::int64_t i = 1; i <= 100; ++i) {
    const auto bids = levels(i, static_cast<std::size_t>(i % 7)),
               asks = levels(1000 + i, static_cast<std::size_t>(i % 3));
    ASSERT_TRUE(held.add(delta_of(i, bids, asks), {unix_time_ns(i), 3}));
  }
  ASSERT_EQ(held.size(), 100U);
  for (std::int64_t i = 1; i <= 100; ++i) {
    const auto n = static_cast<std::size_t>(i - 1);
    const exchange::BookMessage message = held.message(n);
    EXPECT_EQ(message.last_sequence, i);
    EXPECT_EQ(message.previous_sequence, i - 1);
    EXPECT_EQ(std::vector(message.bids.begin(), message.bids.end()), levels(i, static_cast<std::size_t>(i % 7)));
    EXPECT_EQ(std::vector(message.asks.begin(), message.asks.end()), levels(1000 + i, static_cast<std::size_t>(i % 3)));
    EXPECT_EQ(held.arrival(n).receive_time, unix_time_ns(i));
  }
}

TEST(HeldDeltas, TellsItsMemoryAndStopsAtTheLimit) {
  memory::MemoryBudget budget;
  memory::MemoryAccount& account = budget.account("books", {.hard = 1 << 20});
  {
    HeldDeltas held(&account);
    const auto bids = levels(1, 100);
    std::int64_t count = 0;
    while (held.add(delta_of(++count, bids, {}), {})) ASSERT_LT(count, 10'000);
    EXPECT_EQ(held.size(), static_cast<std::size_t>(count - 1));  // the refused one is not half there
    EXPECT_EQ(held.message(held.size() - 1).bids.size(), 100U);
    EXPECT_GT(account.bytes(), 256U << 10);
    EXPECT_LE(account.peak(), 1U << 20);
    HeldDeltas other(&account);
    held.swap(other);
    EXPECT_TRUE(held.empty());
    EXPECT_EQ(other.size(), static_cast<std::size_t>(count - 1));
    other.clear();  // so much is not kept for the next time
    EXPECT_EQ(account.bytes(), 0U);
    ASSERT_TRUE(other.add(delta_of(1, levels(1, 5), {}), {}));
    const std::uint64_t small = account.bytes();
    other.clear();
    EXPECT_EQ(account.bytes(), small);  // so little is
  }
  EXPECT_EQ(account.bytes(), 0U);
}

}  // namespace
}  // namespace marketprism::feed
