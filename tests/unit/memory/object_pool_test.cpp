#include "marketprism/memory/object_pool.hpp"

#include <array>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::memory {
namespace {

struct Frame {
  std::uint64_t number = 0;
  std::string text;
  bool is_spoilt = false;
  void clear() { text.clear(); }
};

ObjectPoolOptions options(std::size_t capacity, std::size_t slab_bytes = 4096) {
  ObjectPoolOptions out;
  out.name = "frames";
  out.capacity = capacity;
  out.slab_bytes = slab_bytes;
  return out;
}

TEST(ObjectPoolTest, gives_an_object_again_with_its_memory_but_empty) {
  ObjectPool<Frame> pool(options(4));
  Frame* first = nullptr;
  {
    const auto frame = pool.acquire();
    first = frame.get();
    frame->text.assign(1000, 'x');
  }
  const auto again = pool.acquire();
  EXPECT_EQ(again.get(), first);
  EXPECT_TRUE(again->text.empty());
  EXPECT_GE(again->text.capacity(), 1000U);
}

TEST(ObjectPoolTest, counts_and_rates) {
  ObjectPool<Frame> pool(options(3));
  EXPECT_EQ(pool.statistics().hit_rate(), 0.0);
  {
    auto a = pool.acquire();
    auto b = pool.acquire();
    auto c = pool.acquire();
    EXPECT_TRUE(a && b && c);
    EXPECT_FALSE(pool.acquire());  // bounded
    b.reset();
    b = pool.acquire();
    const ObjectPoolStatistics now = pool.statistics();
    EXPECT_EQ(now.live, 3U);
    EXPECT_EQ(now.in_use, 3U);
    EXPECT_EQ(now.utilization(), 1.0);
  }
  const ObjectPoolStatistics now = pool.statistics();
  EXPECT_EQ(now.name, "frames");
  EXPECT_EQ(now.created, 3U);
  EXPECT_EQ(now.acquired, 4U);
  EXPECT_EQ(now.returned, 4U);
  EXPECT_EQ(now.misses, 3U);
  EXPECT_EQ(now.hits, 1U);
  EXPECT_EQ(now.reused, 1U);
  EXPECT_EQ(now.exhausted, 1U);
  EXPECT_EQ(now.in_use, 0U);
  EXPECT_EQ(now.in_use_max, 3U);
  EXPECT_EQ(now.hit_rate(), 0.25);
  EXPECT_EQ(now.reuse_rate(), 0.25);
  EXPECT_EQ(now.utilization(), 0.0);
  EXPECT_EQ(now.bytes_not_allocated(), now.object_bytes);
}

TEST(ObjectPoolTest, reserved_objects_are_hits_but_not_reused) {
  ObjectPool<Frame> pool(options(10));
  EXPECT_TRUE(pool.reserve(10));
  EXPECT_FALSE(pool.reserve(11));
  pool.acquire().reset();
  pool.acquire().reset();
  const ObjectPoolStatistics now = pool.statistics();
  EXPECT_EQ(now.created, 10U);
  EXPECT_EQ(now.hits, 2U);
  EXPECT_EQ(now.reused, 1U);
}

Instant test_now{};

struct MadeByHand : ObjectPolicy<Frame> {
  std::uint64_t* made;
  explicit MadeByHand(std::uint64_t& counter) : made(&counter) {}
  Frame create() {
    test_now += Nanoseconds(500);
    return Frame{++*made, {}, false};
  }
  bool is_valid(const Frame& frame) const { return !frame.is_spoilt; }
};

TEST(ObjectPoolTest, makes_an_object_anew_when_it_is_not_valid_any_more) {
  std::uint64_t made = 0;
  ObjectPoolOptions with_clock = options(2);
  with_clock.now = [] { return test_now; };
  ObjectPool<Frame, MadeByHand> pool(with_clock, MadeByHand(made));
  auto frame = pool.acquire();
  EXPECT_EQ(frame->number, 1U);
  frame->is_spoilt = true;
  frame.reset();
  frame = pool.acquire();
  EXPECT_EQ(frame->number, 2U);
  const ObjectPoolStatistics now = pool.statistics();
  EXPECT_EQ(now.invalid, 1U);
  EXPECT_EQ(now.created, 2U);
  EXPECT_EQ(now.destroyed, 1U);
  EXPECT_EQ(now.live, 1U);
  EXPECT_EQ(now.hits, 0U);
  EXPECT_EQ(now.reused, 0U);
  EXPECT_EQ(now.creation_time, Nanoseconds(1000));
  EXPECT_EQ(now.mean_creation_time(), Nanoseconds(500));
}

struct Pinned {  // neither copied nor moved
  Pinned() = default;
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  alignas(64) int value = 7;
};

TEST(ObjectPoolTest, holds_objects_that_cannot_move_and_aligns_them) {
  ObjectPool<Pinned> pool(options(20, 1));  // a slab for each object
  std::vector<ObjectPool<Pinned>::Handle> held;
  for (int i = 0; i < 20; ++i) {
    held.push_back(pool.acquire());
    EXPECT_EQ(held.back()->value, 7);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(held.back().get()) % 64, 0U);
  }
}

TEST(ObjectPoolTest, trim_gives_whole_free_slabs_back_and_destroys_what_is_in_them) {
  static int alive;
  struct Counted {
    Counted() { ++alive; }
    ~Counted() { --alive; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    char bytes[1000]{};
  };
  alive = 0;
  MemoryBudget budget;
  ObjectPoolOptions with_account = options(100, 4200);  // four objects a slab
  with_account.account = &budget.account("frames");
  {
    ObjectPool<Counted> pool(with_account);
    std::vector<ObjectPool<Counted>::Handle> held;
    for (int i = 0; i < 40; ++i) held.push_back(pool.acquire());
    EXPECT_EQ(alive, 40);
    EXPECT_EQ(budget.bytes(), pool.statistics().slab_bytes);
    EXPECT_EQ(pool.trim(), 0U);
    held.erase(held.begin() + 1, held.end());
    EXPECT_EQ(pool.trim(10), 28U);  // the slab of the one in use stays, and two more for the ten
    EXPECT_EQ(alive, 12);
    EXPECT_EQ(pool.trim(), 8U);
    EXPECT_EQ(alive, 4);
    EXPECT_EQ(budget.bytes(), pool.statistics().slab_bytes);
    for (int i = 0; i < 40; ++i) held.push_back(pool.acquire());
    EXPECT_EQ(pool.statistics().live, 41U);
    EXPECT_LE(pool.statistics().utilization(), 1.0);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(budget.bytes(), 0U);
}

TEST(ObjectPoolTest, the_hard_limit_of_its_account_bounds_it) {
  MemoryBudget budget;
  ObjectPoolOptions limited = options(1'000, 1);
  limited.account = &budget.account("frames", {.soft = 500, .hard = 1000});
  ObjectPool<Frame> pool(limited);
  std::vector<ObjectPool<Frame>::Handle> held;
  while (auto frame = pool.acquire()) held.push_back(std::move(frame));
  EXPECT_GT(held.size(), 2U);
  EXPECT_LE(budget.bytes(), 1000U);
  EXPECT_EQ(pool.statistics().exhausted, 1U);
  EXPECT_EQ(limited.account->refusals(), 1U);
}

TEST(ObjectPoolTest, objects_returned_by_another_thread_are_used_again) {
  ObjectPool<Frame> pool(options(64));
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    std::vector<ObjectPool<Frame>::Handle> held;
    std::vector<Frame*> raw;
    for (int i = 0; i < 20; ++i) held.push_back(pool.acquire());
    for (int i = 0; i < 44; ++i) raw.push_back(pool.take());
    ASSERT_EQ(pool.take(), nullptr);
    std::thread one([&] { held.clear(); });
    std::thread other([&] { pool.give_back(raw); });
    one.join();
    other.join();
  }
  const ObjectPoolStatistics now = pool.statistics();
  EXPECT_EQ(now.created, 64U);
  EXPECT_EQ(now.returned, 64U * rounds);
  EXPECT_EQ(now.returned_from_other_threads, 64U * rounds);
  EXPECT_EQ(now.in_use, 0U);
}

// Two threads return while the owner goes on acquiring: nothing is lost, nothing is given to two at once.
TEST(ObjectPoolTest, returns_race_with_acquires) {
  struct Slot {
    std::atomic<bool> is_out{false};
  };
  constexpr std::size_t lane_size = 100, rounds = 200;
  struct Lane {
    std::atomic<std::size_t> given{0}, taken{0};  // rounds
    std::array<Slot*, lane_size> slots{};
  };
  ObjectPool<Slot> pool(options(3 * lane_size));
  std::array<Lane, 2> lanes;
  std::vector<std::thread> threads;
  for (Lane& lane : lanes) {
    threads.emplace_back([&pool, &lane] {
      for (std::size_t round = 0; round < rounds; ++round) {
        while (lane.given.load() == round) std::this_thread::yield();
        for (Slot* slot : lane.slots) {
          slot->is_out = false;
          pool.give_back(slot);
        }
        lane.taken.store(round + 1);
      }
    });
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    for (Lane& lane : lanes) {
      while (lane.taken.load() != round) std::this_thread::yield();
      for (Slot*& slot : lane.slots) {
        slot = pool.take();
        ASSERT_NE(slot, nullptr);
        ASSERT_FALSE(slot->is_out.exchange(true));
      }
      lane.given.store(round + 1);
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(pool.statistics().in_use, 0U);
  EXPECT_EQ(pool.statistics().acquired, 2 * lane_size * rounds);
}

TEST(ObjectPoolTest, another_thread_may_take_over) {
  ObjectPool<Frame> pool(options(2));
  auto held = pool.acquire();
  pool.detach();
  std::thread([&] { pool.acquire().reset(); }).join();
  pool.detach();
  held.reset();  // nobody owns it now
  EXPECT_EQ(pool.statistics().in_use, 0U);
}

TEST(ObjectPoolTest, allocates_nothing_once_warm) {
  ObjectPool<Frame> pool(options(1'000));
  std::vector<Frame*> held(1'000);
  const auto run = [&] {
    for (Frame*& frame : held) frame = pool.take();
    for (Frame* frame : held) pool.give_back(frame);
  };
  run();
  ASSERT_TRUE(counts_allocations());
  const AllocationCounter allocations;
  for (int i = 0; i < 10; ++i) run();
  EXPECT_EQ(allocations.count(), 0U);
}

// At the limit of its memory a pool may be asked again and again.
TEST(ObjectPoolTest, a_refusal_allocates_nothing) {
  MemoryBudget budget;
  MemoryAccount& account = budget.account("frames", {.hard = 64 << 10});
  ObjectPoolOptions with = options(100'000);
  with.account = &account;
  ObjectPool<Frame> pool(with);
  std::vector<Frame*> held;
  while (Frame* frame = pool.take()) held.push_back(frame);
  EXPECT_GT(held.size(), 100U);
  ASSERT_TRUE(counts_allocations());
  const AllocationCounter allocations;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(allocations.count(), 0U);
  EXPECT_EQ(account.refusals(), 101U);
  for (Frame* frame : held) pool.give_back(frame);
}

// A seeded run against a plain model of what must be out and what free.
TEST(ObjectPoolTest, random_use_keeps_the_books) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    ObjectPool<Frame> pool(options(50, 1 + random() % 2000));
    std::vector<ObjectPool<Frame>::Handle> held;
    std::uint64_t acquired = 0;
    std::size_t peak = 0;
    for (int step = 0; step < 5'000; ++step) {
      if (random() % 100 == 0) pool.trim(random() % 20);
      if (random() % 100 == 0) pool.reserve(random() % 50);
      if (random() % 2 == 0) {
        if (auto frame = pool.acquire()) {
          ASSERT_EQ(frame->number, 0U) << "given out twice, seed " << seed;
          frame->number = ++acquired;
          held.push_back(std::move(frame));
          peak = std::max(peak, held.size());
        } else {
          ASSERT_EQ(held.size(), 50U);
        }
      } else if (!held.empty()) {
        std::swap(held[random() % held.size()], held.back());
        held.back()->number = 0;
        held.pop_back();
      }
      if (random() % 8 != 0) continue;
      const ObjectPoolStatistics now = pool.statistics();
      ASSERT_EQ(now.in_use, held.size());
      ASSERT_EQ(now.in_use_max, peak);
      ASSERT_EQ(now.acquired, acquired);
      ASSERT_LE(now.live, 50U);
      ASSERT_LE(now.reused, now.acquired);
      ASSERT_EQ(now.hits + now.misses, now.acquired);
    }
    for (auto& frame : held) frame->number = 0;
  }
}

using ObjectPoolDeathTest = testing::Test;

TEST(ObjectPoolDeathTest, names_the_pool_when_an_object_comes_back_twice) {
  ObjectPool<Frame> pool(options(2));
  Frame* frame = pool.take();
  pool.give_back(frame);
  EXPECT_DEATH(pool.give_back(frame), "object pool \"frames\": an object was returned twice");
}

TEST(ObjectPoolDeathTest, names_the_pool_when_an_object_is_not_from_it) {
  ObjectPool<Frame> pool(options(2));
  ObjectPool<Frame> other(options(2));
  const auto frame = other.acquire();
  EXPECT_DEATH(pool.give_back(frame.get()),
               "object pool \"frames\": an object was returned that is not from this pool");
}

TEST(ObjectPoolDeathTest, refuses_a_second_owner_and_an_early_end) {
  auto pool = std::make_unique<ObjectPool<Frame>>(options(2));
  const auto frame = pool->acquire();
  EXPECT_DEATH(std::thread([&] { pool->acquire().reset(); }).join(), "acquired on a thread that does not own it");
  EXPECT_DEATH(pool.reset(), "destroyed while objects are in use");
}

#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
TEST(ObjectPoolDeathTest, a_free_object_must_not_be_touched) {
  ObjectPool<Frame> pool(options(2));
  Frame* frame = pool.take();
  pool.give_back(frame);
  EXPECT_DEATH(frame->number = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace marketprism::memory
