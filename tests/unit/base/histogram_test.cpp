#include "marketprism/base/histogram.hpp"

#include <gtest/gtest.h>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism {
namespace {

TEST(Histogram, QuantilesAreWithinOnePercent) {
  Histogram histogram;
  for (int i = 1; i <= 100000; ++i) histogram.add(i);
  EXPECT_EQ(histogram.count(), 100000U);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5)), 50000, 500);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99)), 99000, 990);
  EXPECT_EQ(histogram.quantile(1.0), 100000U);
  EXPECT_EQ(histogram.min(), 1U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50000.5);
}

TEST(Histogram, TakesTheWholeRangeAndMerges) {
  Histogram a, b;
  a.add(-5);
  a.add(INT64_MAX);
  b.add(127);
  b.add(128);
  a.merge(b);
  EXPECT_EQ(a.count(), 4U);
  EXPECT_EQ(a.min(), 0U);
  EXPECT_EQ(a.max(), static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_EQ(Histogram{}.quantile(0.5), 0U);
}

TEST(Histogram, BucketsHoldWhatWasAdded) {
  Histogram histogram;
  for (const std::int64_t value : {0, 1, 127, 128, 129, 1'000'000}) histogram.add(value);
  std::uint64_t seen = 0, last = 0;
  histogram.for_each_bucket([&](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
    EXPECT_LE(low, high);
    EXPECT_LE(static_cast<double>(high - low), 0.016 * static_cast<double>(low));
    EXPECT_TRUE(seen == 0 || low > last);
    last = high;
    seen += count;
  });
  EXPECT_EQ(seen, 6U);
  histogram.add(INT64_MAX);
  histogram.for_each_bucket([&](std::uint64_t, std::uint64_t high, std::uint64_t) { last = high; });
  EXPECT_GE(last, static_cast<std::uint64_t>(INT64_MAX));
}

TEST(Histogram, TheDifferenceOfTwoIsWhatCameBetween) {
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(5'000'000);
  const Histogram earlier = histogram;
  EXPECT_EQ(histogram.since(earlier).count(), 0U);
  EXPECT_EQ(histogram.since(earlier).min(), 0U);
  for (int i = 1; i <= 100; ++i) histogram.add(i);
  const Histogram added = histogram.since(earlier);
  EXPECT_EQ(added.count(), 100U);
  EXPECT_EQ(added.sum(), 5050U);
  EXPECT_EQ(added.max(), 100U);
  EXPECT_EQ(added.min(), 1U);
  EXPECT_EQ(added.quantile(0.5), 50U);
}

TEST(Time, TheNumberOfDigitsTellsTheUnit) {
  EXPECT_EQ(unix_time_by_digits(1633998512), unix_time_ns(1633998512000000000));
  EXPECT_EQ(unix_time_by_digits(1633998512068), unix_time_ns(1633998512068000000));
  EXPECT_EQ(unix_time_by_digits(1633998512068123), unix_time_ns(1633998512068123000));
  EXPECT_EQ(unix_time_by_digits(1723161255088176367), unix_time_ns(1723161255088176367));
  for (const std::int64_t value : {99999999999, 9223372036, INT64_MAX, INT64_MIN})
    unix_time_by_digits(value);  // no overflow
  EXPECT_EQ(date_text(unix_time_ns(1723161255088176367)), "2024-08-08");
  EXPECT_EQ(iso_text(unix_time_ns(1723161255088176367)), "2024-08-08T23:54:15.088176367Z");
}

TEST(Error, TellsItsCause) {
  const Error inner = system_error(28, "cannot write the tape");
  EXPECT_EQ(inner.code, ErrorCode::storage_full);
  const Result<> outer = fail_because(inner, "collect stops");
  EXPECT_EQ(outer.error().code, ErrorCode::storage_full);
  EXPECT_EQ(outer.error().to_string(), "collect stops: cannot write the tape: No space left on device");
}

}  // namespace
}  // namespace marketprism
