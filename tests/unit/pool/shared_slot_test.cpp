#include "marketprism/pool/shared_slot.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace marketprism::pool {
namespace {

TEST(SharedSlotTest, HoldsOneUntilItIsReplaced) {
  SharedSlot<int> slot;
  EXPECT_EQ(slot.load(), nullptr);
  auto first = std::make_shared<int>(1);
  slot.store(first);
  EXPECT_EQ(slot.load(), first);
  EXPECT_EQ(first.use_count(), 2);
  slot.store(nullptr);
  EXPECT_EQ(first.use_count(), 1);
}

// What goes uses the slot again: it must not do so under the lock.
TEST(SharedSlotTest, TheOldOneEndsBehindTheLock) {
  struct Looks {
    explicit Looks(SharedSlot<Looks>& its_slot) : slot(its_slot) {}
    ~Looks() { EXPECT_EQ(slot.load(), nullptr); }
    Looks(const Looks&) = delete;
    Looks& operator=(const Looks&) = delete;
    SharedSlot<Looks>& slot;
  };
  SharedSlot<Looks> slot;
  slot.store(std::make_shared<Looks>(slot));
  slot.store(nullptr);
}

// Under TSan and ASan it would show if a reader and a writer met.
TEST(SharedSlotTest, ThreadsReadAndReplaceAtOnce) {
  SharedSlot<int> slot;
  slot.store(std::make_shared<int>(0));
  std::thread writer([&slot] {
    for (int i = 1; i <= 20'000; ++i) slot.store(std::make_shared<int>(i));
  });
  int last = 0;
  while (last < 20'000) {
    const int now = *slot.load();
    EXPECT_GE(now, last);
    last = now;
  }
  writer.join();
}

}  // namespace
}  // namespace marketprism::pool
