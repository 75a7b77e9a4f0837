#include "marketprism/wire/read_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::wire {
namespace {

void fill(ReadBuffer& buffer, std::size_t count) {
  const auto room = buffer.prepare();
  std::memset(room.data(), 'x', std::min(count, room.size()));
  buffer.commit(std::min(count, room.size()));
}

TEST(ReadBuffer, KeepsTheBytesInOrderWhateverIsAskedAndConsumed) {
  Random random(3);
  ReadBuffer buffer(64, 1024);
  std::string expected;
  char next = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t wanted = random.below(random.chance(0.01) ? 5000 : 200);
    const auto room = buffer.prepare(wanted);
    ASSERT_GE(room.size(), std::max<std::size_t>(wanted, 1));
    const std::size_t count = random.below(std::min<std::size_t>(room.size(), 300) + 1);
    for (std::size_t i = 0; i < count; ++i) {
      room[i] = static_cast<std::byte>(next);
      expected += next++;
    }
    buffer.commit(count);
    ASSERT_EQ(buffer.unread(), expected);
    const std::size_t taken = random.chance(0.3) ? expected.size() : random.below(expected.size() + 1);
    buffer.consume(taken);
    expected.erase(0, taken);
    ASSERT_EQ(buffer.unread(), expected);
  }
  EXPECT_LT(buffer.capacity_bytes(), 32U * 1024);
}

TEST(ReadBuffer, AllocatesNothingBeforeItIsUsed) {
  ReadBuffer buffer;
  EXPECT_EQ(buffer.capacity_bytes(), 0U);
  EXPECT_EQ(buffer.unread(), "");
  buffer.append("");
  EXPECT_EQ(buffer.capacity_bytes(), 0U);
}

TEST(ReadBuffer, GrowsWhileReadsFillItAndNoFurther) {
  ReadBuffer buffer(1024, 8192);
  for (int i = 0; i < 10; ++i) {
    fill(buffer, 100);
    buffer.consume(buffer.unread_bytes());
  }
  EXPECT_EQ(buffer.capacity_bytes(), 1024U);
  for (int i = 0; i < 10; ++i) {
    fill(buffer, SIZE_MAX);
    buffer.consume(buffer.unread_bytes());
  }
  EXPECT_EQ(buffer.capacity_bytes(), 8192U);
}

TEST(ReadBuffer, GivesTheMemoryOfALargeMessageBackAfterAWhile) {
  ReadBuffer buffer(1024, 8192);
  buffer.append(std::string(1'000'000, 'x'));
  EXPECT_GE(buffer.capacity_bytes(), 1'000'000U);
  buffer.consume(buffer.unread_bytes());
  for (int i = 0; i < 2000; ++i) {
    fill(buffer, 100);
    buffer.consume(buffer.unread_bytes());
  }
  EXPECT_EQ(buffer.capacity_bytes(), 8192U);
  buffer.release();
  EXPECT_EQ(buffer.capacity_bytes(), 0U);
  fill(buffer, 5);
  EXPECT_EQ(buffer.unread(), "xxxxx");
}

TEST(ReadBuffer, DoesNotMoveBytesAsLongAsThereIsRoom) {
  ReadBuffer buffer(4096, 4096);
  buffer.append(std::string(1000, 'a'));
  buffer.consume(100);
  const char* const before = buffer.unread_data();
  (void)buffer.prepare();
  EXPECT_EQ(buffer.unread_data(), before) << "900 bytes would be moved to win 100";
  buffer.consume(800);
  (void)buffer.prepare();
  EXPECT_EQ(buffer.unread_data(), before - 100) << "100 bytes are moved to win 900";
}

}  // namespace
}  // namespace marketprism::wire
