#include "marketprism/sink/hand_over.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace marketprism::sink {
namespace {

using Numbers = std::vector<int>;

bool put(HandOver<Numbers>& hand_over, int number, std::size_t full_at = 3) {
  return hand_over.put([&](Numbers& numbers) {
    numbers.push_back(number);
    return numbers.size() >= full_at;
  });
}

TEST(HandOver, GivesFilledBuffersFirstThenTheOpenOne) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 4, WhenFull::drop);
  EXPECT_EQ(hand_over.take(), nullptr);
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(put(hand_over, i));
  EXPECT_EQ(hand_over.waiting(), 3U);
  EXPECT_EQ(*hand_over.take(), (Numbers{0, 1, 2}));
  EXPECT_EQ(*hand_over.take(), (Numbers{3, 4, 5}));
  EXPECT_EQ(*hand_over.take(), (Numbers{6}));
  EXPECT_EQ(hand_over.take(), nullptr);
}

TEST(HandOver, DropsWhenEveryBufferIsFilledAndUsesThemAgain) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 2, WhenFull::drop);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(put(hand_over, i));
  EXPECT_FALSE(put(hand_over, 6));
  std::unique_ptr<Numbers> buffer = hand_over.take();
  EXPECT_FALSE(put(hand_over, 6));
  const int* const memory = buffer->data();
  buffer->clear();
  hand_over.give_back(std::move(buffer));
  EXPECT_TRUE(put(hand_over, 7));
  EXPECT_EQ(*hand_over.take(), (Numbers{3, 4, 5}));
  buffer = hand_over.take();
  EXPECT_EQ(*buffer, (Numbers{7}));
  EXPECT_EQ(buffer->data(), memory);
}

TEST(HandOver, MakesWhatIsReadyAtTheStartAndTheRestAsNeeded) {
  Wake wake;
  int made = 0;
  HandOver<Numbers> hand_over(wake, 3, WhenFull::drop, {.ready = 2, .make = [&] {
                                                          ++made;
                                                          return std::make_unique<Numbers>();
                                                        }});
  EXPECT_EQ(made, 2);
  EXPECT_EQ(hand_over.uses().made, 2U);
  EXPECT_EQ(hand_over.uses().begun, 0U);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(put(hand_over, i));
  EXPECT_EQ(made, 2);
  EXPECT_TRUE(put(hand_over, 6));
  EXPECT_EQ(made, 3);
  EXPECT_EQ(hand_over.uses().begun, 3U);
  EXPECT_EQ(hand_over.uses().made, 3U);
}

TEST(HandOver, HasNoMoreReadyThanThereMayBe) {
  Wake wake;
  const HandOver<Numbers> hand_over(wake, 2, WhenFull::drop, {.ready = 16});
  EXPECT_EQ(hand_over.uses().made, 2U);
}

TEST(HandOver, FlushEndsTheOpenBuffer) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 4, WhenFull::drop);
  hand_over.flush();
  EXPECT_EQ(hand_over.take(), nullptr);
  EXPECT_TRUE(put(hand_over, 1));
  hand_over.flush();
  EXPECT_TRUE(put(hand_over, 2));
  EXPECT_EQ(*hand_over.take(), (Numbers{1}));
  EXPECT_EQ(*hand_over.take(), (Numbers{2}));
}

TEST(HandOver, AClosedOneRefusesButKeepsWhatIsThere) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 2, WhenFull::drop);
  EXPECT_TRUE(put(hand_over, 1));
  hand_over.close();
  EXPECT_FALSE(put(hand_over, 2));
  EXPECT_EQ(*hand_over.take(), (Numbers{1}));
}

TEST(HandOver, AWaitingProducerLosesNothing) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 2, WhenFull::wait);
  constexpr int count = 10000;
  std::thread producer([&] {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(put(hand_over, i, 7));
  });
  int expected = 0;
  while (expected < count) {
    std::unique_ptr<Numbers> buffer = hand_over.take();
    if (!buffer) {
      wake.wait(std::chrono::milliseconds(1));
      continue;
    }
    for (const int number : *buffer) EXPECT_EQ(number, expected++);
    buffer->clear();
    hand_over.give_back(std::move(buffer));
  }
  producer.join();
}

TEST(HandOver, CloseFreesAWaitingProducer) {
  Wake wake;
  HandOver<Numbers> hand_over(wake, 1, WhenFull::wait);
  EXPECT_TRUE(put(hand_over, 1, 1));
  std::thread producer([&] { EXPECT_FALSE(put(hand_over, 2, 1)); });
  hand_over.close();
  producer.join();
}

}  // namespace
}  // namespace marketprism::sink
