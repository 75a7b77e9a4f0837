#include "marketprism/async/queue.hpp"

#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::async {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

QueueOptions options(std::size_t capacity, Overflow overflow) {
  QueueOptions out;
  out.capacity = capacity;
  out.overflow = overflow;
  return out;
}

TEST(QueueTest, gives_items_back_in_order_and_in_batches) {
  Queue<int> queue(options(4, Overflow::reject));
  for (int round = 0; round < 5; ++round) {  // around the ring more than once
    EXPECT_EQ(queue.push(1), PushOutcome::queued);
    EXPECT_EQ(queue.push(2), PushOutcome::queued);
    EXPECT_EQ(queue.push(3), PushOutcome::queued);
    std::vector<int> out{0};
    EXPECT_EQ(queue.pop(out, 2), 2U);
    EXPECT_THAT(out, ElementsAre(0, 1, 2));
    EXPECT_EQ(queue.pop(out), 1U);
    EXPECT_EQ(queue.pop(out), 0U);
  }
  EXPECT_EQ(queue.statistics().pushed, 15U);
  EXPECT_EQ(queue.statistics().popped, 15U);
  EXPECT_EQ(queue.statistics().size_max, 3U);
}

TEST(QueueTest, reject_refuses_the_newest_and_counts_it) {
  Queue<int> queue(options(2, Overflow::reject));
  std::vector<int> items{1, 2, 3, 4};
  EXPECT_EQ(queue.push_batch(items), 2U);
  EXPECT_EQ(queue.push(5), PushOutcome::full);
  std::vector<int> out;
  queue.pop(out);
  EXPECT_THAT(out, ElementsAre(1, 2));
  EXPECT_EQ(queue.statistics().rejected, 3U);
  EXPECT_EQ(queue.statistics().dropped, 0U);
}

TEST(QueueTest, drop_oldest_keeps_the_newest_and_counts_it) {
  Queue<int> queue(options(2, Overflow::drop_oldest));
  EXPECT_EQ(queue.push(1), PushOutcome::queued);
  EXPECT_EQ(queue.push(2), PushOutcome::queued);
  EXPECT_EQ(queue.push(3), PushOutcome::replaced);
  std::vector<int> items{4, 5, 6};
  EXPECT_EQ(queue.push_batch(items), 3U);
  std::vector<int> out;
  queue.pop(out);
  EXPECT_THAT(out, ElementsAre(5, 6));
  EXPECT_EQ(queue.statistics().dropped, 4U);
  EXPECT_EQ(queue.statistics().pushed, out.size() + queue.statistics().dropped);
}

TEST(QueueTest, block_waits_for_room) {
  Queue<int> queue(options(2, Overflow::block));
  constexpr int count = 10'000;
  std::thread producer([&queue] {
    for (int i = 0; i < count; ++i) ASSERT_EQ(queue.push(i), PushOutcome::queued);
  });
  std::vector<int> out;
  while (out.size() < count) queue.wait_pop(out, SIZE_MAX, seconds(20));
  producer.join();
  std::vector<int> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(out, expected);
}

TEST(QueueTest, a_blocked_batch_larger_than_the_queue_gets_through) {
  Queue<int> queue(options(3, Overflow::block));
  std::thread producer([&queue] {
    std::vector<int> items(100);
    std::iota(items.begin(), items.end(), 0);
    EXPECT_EQ(queue.push_batch(items), 100U);
  });
  std::vector<int> out;
  while (out.size() < 100) queue.wait_pop(out, SIZE_MAX, seconds(20));
  producer.join();
  EXPECT_EQ(out.back(), 99);
}

TEST(QueueTest, close_frees_blocked_producers_and_waiting_consumers) {
  Queue<int> queue(options(1, Overflow::block));
  EXPECT_EQ(queue.push(1), PushOutcome::queued);
  std::thread producer([&queue] { EXPECT_EQ(queue.push(2), PushOutcome::closed); });
  while (queue.statistics().blocked == 0) std::this_thread::yield();
  queue.close();
  producer.join();
  EXPECT_EQ(queue.push(3), PushOutcome::closed);
  EXPECT_EQ(queue.statistics().refused_closed, 2U);
  std::vector<int> out;
  EXPECT_EQ(queue.wait_pop(out, 10, seconds(20)), 1U);  // what was queued is not lost
  EXPECT_EQ(queue.wait_pop(out, 10, seconds(20)), 0U);  // at once: closed
}

TEST(QueueTest, wakes_the_consumer_only_when_it_was_empty) {
  Queue<int> queue(options(8, Overflow::reject));
  int woken = 0;
  queue.on_ready([&woken] { ++woken; });
  queue.push(1);
  queue.push(2);
  EXPECT_EQ(woken, 1);
  std::vector<int> out;
  queue.pop(out);
  std::vector<int> items{3, 4};
  queue.push_batch(items);
  EXPECT_EQ(woken, 2);
  queue.close();
  EXPECT_EQ(woken, 3);
}

TEST(QueueTest, holds_move_only_items) {
  Queue<std::unique_ptr<std::string>> queue(options(2, Overflow::drop_oldest));
  queue.push(std::make_unique<std::string>("a"));
  queue.push(std::make_unique<std::string>("b"));
  queue.push(std::make_unique<std::string>("c"));
  std::vector<std::unique_ptr<std::string>> out;
  queue.pop(out);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(*out[0], "b");
  EXPECT_EQ(*out[1], "c");
}

TEST(QueueTest, nothing_is_lost_or_doubled_between_threads) {
  Queue<std::uint64_t> queue(options(64, Overflow::reject));
  constexpr std::uint64_t per_thread = 20'000;
  std::vector<std::thread> producers;
  std::atomic<std::uint64_t> queued = 0;
  for (int t = 0; t < 3; ++t) {
    producers.emplace_back([&queue, &queued] {
      for (std::uint64_t i = 0; i < per_thread; ++i) queued += queue.push(i) == PushOutcome::queued ? 1 : 0;
    });
  }
  std::thread closer([&] {
    for (auto& producer : producers) producer.join();
    queue.close();
  });
  std::vector<std::uint64_t> out;
  while (queue.wait_pop(out, 16, seconds(20)) != 0) {
  }
  closer.join();
  EXPECT_EQ(out.size(), queued);
  EXPECT_EQ(queue.statistics().rejected + queued, 3 * per_thread);
}

// The consumer emptied the queue while the producer waited for room: what the producer stores then is news to it.
TEST(QueueTest, a_producer_that_waited_for_room_wakes_the_consumer_again) {
  Queue<int> queue(options(1, Overflow::block));
  std::atomic<int> wakes{0};
  queue.on_ready([&wakes] { ++wakes; });
  queue.push(1);
  std::thread producer([&queue] { queue.push(2); });
  while (queue.statistics().blocked == 0) std::this_thread::yield();
  std::vector<int> out;
  queue.pop(out);
  producer.join();
  EXPECT_EQ(wakes, 3);  // for the first, for room, and for the second
}

}  // namespace
}  // namespace marketprism::async
