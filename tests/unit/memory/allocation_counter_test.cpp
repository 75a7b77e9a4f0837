#include "marketprism/memory/allocation_counter.hpp"

#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace marketprism::memory {
namespace {

void allocate(int times) {
  for (int i = 0; i < times; ++i) {
    auto* made = new int(i);
    asm volatile("" : : "g"(made) : "memory");  // or the pair is left out
    delete made;
  }
}

TEST(AllocationsApartTest, CountsWhatIsWithinOnce) {
  ASSERT_TRUE(counts_allocations());
  const AllocationCounter all;
  const std::uint64_t before = thread_allocations_apart();
  allocate(1);
  {
    const AllocationsApart outer;
    allocate(2);
    EXPECT_EQ(thread_allocations_apart() - before, 2U);
    {
      const AllocationsApart inner;
      allocate(3);
    }
    EXPECT_EQ(thread_allocations_apart() - before, 5U);
    allocate(4);
  }
  allocate(5);
  EXPECT_EQ(all.count(), 15U);
  EXPECT_EQ(thread_allocations_apart() - before, 9U);
}

TEST(AllocationsApartTest, AreOfTheThreadThatMadeThem) {
  const std::uint64_t before = thread_allocations_apart();
  std::thread([] {
    const AllocationsApart apart;
    allocate(3);
  }).join();
  EXPECT_EQ(thread_allocations_apart(), before);
}

}  // namespace
}  // namespace marketprism::memory
