#include "marketprism/memory/memory_budget.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace marketprism::memory {
namespace {

TEST(MemoryBudgetTest, counts_bytes_per_owner_and_in_all) {
  MemoryBudget budget;
  MemoryAccount& books = budget.account("books");
  MemoryAccount& batches = budget.account("batches");
  EXPECT_EQ(&budget.account("books"), &books);
  books.add(700);
  batches.add(100);
  books.release(200);
  EXPECT_EQ(budget.bytes(), 600U);
  const std::vector<OwnerBytes> owners = budget.owners();
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_EQ(owners[0].owner, "batches");
  EXPECT_EQ(owners[1].owner, "books");
  EXPECT_EQ(owners[1].bytes, 500U);
  EXPECT_EQ(owners[1].peak, 700U);
}

TEST(MemoryBudgetTest, the_hard_limit_refuses_the_soft_limit_tells) {
  MemoryBudget budget;
  MemoryAccount& books = budget.account("books", {.soft = 100, .hard = 200});
  EXPECT_TRUE(books.reserve(100));
  EXPECT_FALSE(books.is_over_soft_limit());
  EXPECT_TRUE(books.reserve(100));
  EXPECT_TRUE(books.is_over_soft_limit());
  EXPECT_FALSE(books.reserve(1));
  EXPECT_FALSE(books.reserve(UINT64_MAX));  // no overflow
  EXPECT_EQ(books.bytes(), 200U);
  EXPECT_EQ(budget.owners()[0].refusals, 2U);
  books.add(50);  // is there already: told, not refused
  EXPECT_EQ(books.bytes(), 250U);
  EXPECT_FALSE(books.reserve(0));
  books.release(250);
  EXPECT_TRUE(books.reserve(200));
}

TEST(MemoryBudgetTest, threads_share_accounts_and_never_pass_the_limit) {
  MemoryBudget budget;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget, t] {
      MemoryAccount& shared = budget.account("shared", {.hard = 1000});
      MemoryAccount& own = budget.account("own " + std::to_string(t));
      for (int i = 0; i < 5'000; ++i) {
        own.add(1);
        if (!shared.reserve(400)) continue;
        EXPECT_LE(shared.bytes(), 1000U);
        shared.release(400);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(budget.owners().size(), 5U);
  EXPECT_EQ(budget.bytes(), 20'000U);
  EXPECT_LE(budget.account("shared").peak(), 800U);
}

}  // namespace
}  // namespace marketprism::memory
