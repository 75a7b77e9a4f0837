#include "marketprism/pool/keep_alive_estimator.hpp"

#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"

namespace marketprism::pool {
namespace {

using namespace std::chrono_literals;

/// A server that closes after `timeout`, and a pool that retires at the learned limit or uses a connection before.
class KeepAliveEstimatorTest : public testing::Test {
 protected:
  // A connection is idle for `age` if nobody closes it earlier.
  void idle(Nanoseconds age, Nanoseconds timeout) {
    now_ += 2s;
    const Nanoseconds limit = estimator_.limit();
    if (timeout <= age && timeout < limit) {
      estimator_.closed(timeout + 20ms, now_);
      ++closes_;
    } else if (limit <= age) {
      estimator_.retired(limit);
    } else {
      estimator_.survived(age);
    }
  }

  KeepAliveEstimator estimator_;
  Random random_{7};
  Instant now_{1000s};
  int closes_ = 0;
};

TEST_F(KeepAliveEstimatorTest, LearnsTheServersTimeoutFromThreeClosesAndStaysBelowIt) {
  for (int i = 0; i < 2; ++i) idle(1h, 5s);
  EXPECT_EQ(estimator_.limit(), Nanoseconds::max());
  idle(1h, 5s);
  EXPECT_LT(estimator_.limit(), 5s);
  EXPECT_GT(estimator_.limit(), 3500ms);
}

TEST_F(KeepAliveEstimatorTest, ClosesAtRandomAgesThatOthersOutliveSetNoLimit) {
  for (int i = 0; i < 2'000; ++i) {
    now_ += 2s;
    const Nanoseconds age = std::chrono::milliseconds(random_.between(200, 60'000));
    if (random_.chance(0.05)) {
      estimator_.closed(age, now_);
    } else {
      estimator_.survived(age);
    }
    ASSERT_GE(estimator_.limit(), 25s) << i;
  }
}

TEST_F(KeepAliveEstimatorTest, ManyClosesAtOnceAreOneEvent) {
  for (int i = 0; i < 100; ++i) estimator_.closed(7s, now_ + i * 5ms);  // the server restarts
  EXPECT_EQ(estimator_.limit(), Nanoseconds::max());
}

TEST_F(KeepAliveEstimatorTest, RecoversUpwardSlowlyWhenTheServerHasChanged) {
  for (int i = 0; i < 3; ++i) idle(1h, 5s);
  const Nanoseconds learned = estimator_.limit();
  for (int i = 0; i < 31; ++i) idle(1h, 60s);
  EXPECT_EQ(estimator_.limit(), learned);
  idle(1h, 60s);
  EXPECT_GT(estimator_.limit(), learned);
  EXPECT_LE(estimator_.limit(), learned + learned / 4);
  for (int i = 0; i < 600; ++i) idle(1h, 60s);
  EXPECT_GT(estimator_.limit(), 40s);
  EXPECT_LT(estimator_.limit(), 75s);
}

TEST_F(KeepAliveEstimatorTest, OfAServerThatKeepsItsTimeoutFewConnectionsAreLost) {
  for (int i = 0; i < 3'000; ++i) idle(1h, 5s);
  EXPECT_LT(closes_, 200);
}

TEST_F(KeepAliveEstimatorTest, AgesBelowTheShortestSayNothing) {
  for (int i = 0; i < 100; ++i) {
    now_ += 2s;
    estimator_.closed(99ms, now_);
  }
  EXPECT_EQ(estimator_.limit(), Nanoseconds::max());
  for (int i = 0; i < 3; ++i) {
    now_ += 2s;
    estimator_.closed(110ms, now_);
  }
  EXPECT_EQ(estimator_.limit(), KeepAliveEstimator::shortest);
}

}  // namespace
}  // namespace marketprism::pool
