// The order and the times of connection attempts (RFC 8305), without sockets.
#include "marketprism/net/address_race.hpp"

#include <gtest/gtest.h>

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

Addresses addresses(std::initializer_list<const char*> texts) {
  Addresses out;
  for (const char* text : texts) out.push_back(boost::asio::ip::make_address(text));
  return out;
}

TEST(InterleaveFamilies, TakesTurnsAndKeepsTheOrderWithinAFamily) {
  EXPECT_EQ(interleave_families(addresses({"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"})),
            addresses({"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"}));
  EXPECT_EQ(interleave_families(addresses({"192.0.2.1", "192.0.2.2", "2001:db8::1"})),
            addresses({"192.0.2.1", "2001:db8::1", "192.0.2.2"}));
  EXPECT_EQ(interleave_families(addresses({"192.0.2.2", "192.0.2.1"})), addresses({"192.0.2.2", "192.0.2.1"}));
  EXPECT_TRUE(interleave_families({}).empty());
}

TEST(AttemptSchedule, ADelayWithoutEndBeginsTheNextOnlyAfterAFailure) {
  const Instant start = Instant() + 100s;
  AttemptSchedule schedule(2, Nanoseconds::max());
  EXPECT_EQ(schedule.next(start), 0U);
  EXPECT_FALSE(schedule.next(start + 1h));
  schedule.failed();
  EXPECT_EQ(schedule.next(start + 1h), 1U);
}

TEST(AttemptSchedule, BeginsTheNextAfterTheDelay) {
  const Instant start = Instant() + 100s;
  AttemptSchedule schedule(3, 250ms);
  EXPECT_EQ(schedule.next(start), 0U);
  EXPECT_FALSE(schedule.next(start));
  EXPECT_EQ(schedule.wake_at(), start + 250ms);
  EXPECT_FALSE(schedule.next(start + 249ms));
  EXPECT_EQ(schedule.next(start + 260ms), 1U);
  EXPECT_EQ(schedule.wake_at(), start + 510ms);  // from when the last began
  EXPECT_EQ(schedule.next(start + 510ms), 2U);
  EXPECT_EQ(schedule.wake_at(), Instant::max());
  EXPECT_FALSE(schedule.next(start + 1h));
  EXPECT_FALSE(schedule.is_lost());
}

TEST(AttemptSchedule, BeginsTheNextAtOnceAfterAFailure) {
  const Instant start = Instant() + 100s;
  AttemptSchedule schedule(3, 250ms);
  EXPECT_EQ(schedule.next(start), 0U);
  schedule.failed();
  EXPECT_LE(schedule.wake_at(), start + 1ms);
  EXPECT_EQ(schedule.next(start + 1ms), 1U);
  EXPECT_FALSE(schedule.next(start + 1ms));  // one failure begins one attempt
  schedule.failed();
  EXPECT_EQ(schedule.next(start + 2ms), 2U);
  EXPECT_FALSE(schedule.is_lost());
  schedule.failed();
  EXPECT_TRUE(schedule.is_lost());
}

}  // namespace
}  // namespace marketprism::net
