// Several endpoints, keep-alive times, and changes while the pool runs.
#include <algorithm>
#include <string>

#include "tests/unit/pool/lease_pool_fixture.hpp"

namespace marketprism::pool {
namespace {

class LeasePoolEndpointsTest : public LeasePoolTest {
 protected:
  static Endpoint primary() { return {"primary", 443, true, "", 0, 1}; }
  static Endpoint standby() { return {"standby", 443, true, "", 1, 1}; }

  // Dials to the primary fail while `is_up` is false; everything else that the pool asks for goes well.
  void serve(bool is_up) {
    take();
    while (!dials_.empty()) {
      const Dial dial = dials_.front();
      dials_.erase(dials_.begin());
      now_ += 1ms;
      if (dial.endpoint == 0 && !is_up) {
        pool().dial_failed(dial.connection, Error{ErrorCode::connection_refused, "down", false, nullptr}, now_);
      } else {
        EXPECT_TRUE(pool().dialed(dial.connection, now_));
      }
      take();
    }
  }

  std::size_t open_to(std::uint32_t endpoint) { return pool().endpoints().load(endpoint); }

  ConnectionHandle lease_from(std::uint32_t endpoint) {
    endpoints_ = {primary(), standby()};
    wait();
    serve(endpoint == 0);
    const ConnectionHandle handle = grants_.back().connection;
    EXPECT_EQ(pool().endpoint_of(handle), endpoint);
    grants_.clear();
    return handle;
  }
};

TEST_F(LeasePoolEndpointsTest, ConnectionsReturnToTheRecoveredPrimaryBitByBit) {
  config_.max_size = 32;
  config_.min_size = 32;
  config_.max_connecting = 32;
  endpoints_ = {primary(), standby()};
  pool();
  serve(false);
  EXPECT_EQ(open_to(1), 32U);
  for (int i = 0; i < 20; ++i) {  // probes fail, in the end the primary is ejected; nothing is lost meanwhile
    pass(1s);
    serve(false);
    EXPECT_GE(open_to(1), 31U);
  }
  std::size_t before = open_to(1);
  std::size_t most_at_once = 0;
  int seconds_taken = 0;
  for (; open_to(1) > 0 && seconds_taken < 300; ++seconds_taken) {
    pass(1s);
    serve(true);
    if (open_to(1) < before) most_at_once = std::max(most_at_once, before - open_to(1));
    before = open_to(1);
    EXPECT_GE(pool().size(), 31U);
  }
  EXPECT_EQ(open_to(0), 32U);
  EXPECT_LE(most_at_once, 4U);  // an eighth
  EXPECT_GT(seconds_taken, 10);
  EXPECT_LT(seconds_taken, 100);
}

TEST_F(LeasePoolEndpointsTest, AFailedRequestSendsTheNextAttemptElsewhere) {
  config_.failback_interval = 0s;
  config_.max_size = 3;
  endpoints_ = {primary(), standby()};
  const ConnectionHandle first = lent();
  const ConnectionHandle second = lent();
  pool().release(second, now_);
  EXPECT_EQ(open_to(0), 2U);
  EXPECT_TRUE(pool().report_failure(0, now_));
  pool().release_broken(first, now_);
  take();
  EXPECT_EQ(open_to(0), 0U);  // what is idle there is passed over, too
  wait();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(dials_.front().endpoint, 1U);
  EXPECT_FALSE(pool().report_failure(1, now_));  // none is left in this round
  finish_dial();
  wait();  // a new round
  EXPECT_EQ(dials_.front().endpoint, 0U);
}

TEST_F(LeasePoolEndpointsTest, ASingleEndpointIsDialledAgainAfterAFailedRequest) {
  const ConnectionHandle first = lent();
  const ConnectionHandle second = lent();
  pool().release(second, now_);
  EXPECT_FALSE(pool().report_failure(0, now_));
  pool().release_broken(first, now_);
  take();
  EXPECT_EQ(pool().gauges().idle, 1U);
  wait();
  wait();
  EXPECT_EQ(dials_.size(), 1U);
}

TEST_F(LeasePoolEndpointsTest, AServerThatAcceptsAndClosesIsDialledWithPauses) {
  config_.min_size = 1;
  config_.dial_backoff = {100ms, 5s, 0ms};
  pool();
  int dials = 0;
  for (const Instant end = now_ + 60s; now_ < end; pass(1ms)) {
    if (dials_.empty()) continue;
    ++dials;
    const ConnectionHandle accepted = finish_dial(0s);
    pool().died(accepted, now_);
    take();
  }
  EXPECT_GT(dials, 10);
  EXPECT_LT(dials, 100);  // 60 s of pauses of up to 5 s, half of that in the mean
}

TEST_F(LeasePoolEndpointsTest, TheNextEndpointIsTriedWhenOneAcceptsAndCloses) {
  config_.min_size = 1;
  config_.failback_interval = 0s;
  endpoints_ = {primary(), standby()};
  pool();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(dials_[0].endpoint, 0U);
  pool().died(finish_dial(), now_);
  EXPECT_EQ(pool().endpoints().consecutive_failures(0), 1U);
  take();
  ASSERT_EQ(dials_.size(), 1U);  // without a pause
  EXPECT_EQ(dials_[0].endpoint, 1U);
  const ConnectionHandle second = finish_dial();
  EXPECT_FALSE(pool().endpoints().is_proven(1));
  pass(1s);
  EXPECT_TRUE(pool().endpoints().is_proven(1));  // it has stayed open
  pool().died(second, now_);
  take();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(pool().endpoints().consecutive_failures(1), 0U);
}

TEST_F(LeasePoolEndpointsTest, AUseOrAGoodCheckProvesAnEndpoint) {
  config_.min_size = 1;
  config_.health_check_interval = 100ms;
  endpoints_ = {primary(), standby()};
  pool();
  const ConnectionHandle first = finish_dial();
  EXPECT_FALSE(pool().endpoints().is_proven(0));
  EXPECT_EQ(pool().try_acquire(now_), first);
  EXPECT_TRUE(pool().endpoints().is_proven(0));
  Random random(1);
  pool().endpoints().failed(0, now_, random);
  pool().release_broken(first, now_);
  take();
  finish_dial();
  EXPECT_FALSE(pool().endpoints().is_proven(0));
  pass(300ms);
  ASSERT_EQ(checks_.size(), 1U);
  pool().checked(checks_[0], true, now_);
  EXPECT_TRUE(pool().endpoints().is_proven(0));
}

TEST_F(LeasePoolEndpointsTest, AFullPoolReturnsToThePrimaryAsLeasesEnd) {
  config_.max_size = 1;
  const ConnectionHandle held = lease_from(1);
  pass(1s);
  EXPECT_TRUE(dials_.empty());  // no room: the next return makes some
  pool().release(held, now_);
  take();
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].reason, CloseReason::evicted);
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(dials_[0].endpoint, 0U);
}

TEST_F(LeasePoolEndpointsTest, NoPlaceIsMadeForADialThatTheConnectBudgetDoesNotAllow) {
  config_.max_size = 1;
  config_.health_check_interval = 0s;
  endpoints_ = {primary(), standby()};
  ConnectBudget budget({1, 60s, 2});
  pool_ = std::make_unique<LeasePool>(config_, endpoints_);
  pool_->use_connect_budget(budget);
  pool_->start(now_);
  pool().release(lease_from(1), now_);  // has used the budget up
  for (int i = 0; i < 50; ++i) {
    pass(1s);
    ASSERT_TRUE(closed_.empty());
  }
  for (int i = 0; i < 10 && dials_.empty(); ++i) pass(1s);
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(dials_[0].endpoint, 0U);
}

TEST_F(LeasePoolEndpointsTest, WithoutAnIntervalConnectionsStayOnTheStandby) {
  config_.failback_interval = 0s;
  config_.health_check_interval = 0s;
  const ConnectionHandle held = lease_from(1);
  pool().release(held, now_);
  take();
  for (int i = 0; i < 100; ++i) {
    pass(1s);
    EXPECT_TRUE(dials_.empty() && closed_.empty());
  }
}

TEST_F(LeasePoolEndpointsTest, EndpointsThatAreGoneAreLeft) {
  config_.max_size = 3;
  const ConnectionHandle held = lease_from(0);
  const ConnectionHandle idle = lent();
  pool().release(idle, now_);
  wait();  // takes the idle one
  wait();  // dials
  take();
  ASSERT_EQ(dials_.size(), 1U);
  pool().release(idle, now_);  // to the second waiter
  take();
  const ConnectionHandle second = grants_.back().connection;
  pool().release(second, now_);
  ASSERT_TRUE(pool().set_endpoints({{"other", 443, true, "", 0, 1}}, now_));
  take();
  EXPECT_EQ(aborted_.size(), 1U);  // the dial
  ASSERT_EQ(closed_.size(), 1U);   // the idle one
  EXPECT_EQ(closed_[0].reason, CloseReason::evicted);
  pool().release(held, now_);  // the active one, when it is returned
  take();
  EXPECT_EQ(closed_.size(), 2U);
  dials_.clear();
  wait();
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(pool().endpoints()[dials_[0].endpoint].host, "other");
  EXPECT_FALSE(pool().set_endpoints({}, now_));
}

TEST_F(LeasePoolEndpointsTest, TheIdleLimitIsTheLeastOfConfigHintAndLearned) {
  config_.max_idle_time = 300s;
  EXPECT_EQ(pool().idle_limit(0), 300s);
  pool().set_keep_alive_hint(0, 60s);
  EXPECT_EQ(pool().idle_limit(0), 58s);
  for (int i = 0; i < 3; ++i) {  // the server closes after 10 s, whatever it has announced
    const ConnectionHandle idle = lent();
    pool().release(idle, now_);
    pass(10s);
    pool().died(idle, now_);
    take();
  }
  EXPECT_LT(pool().idle_limit(0), 10s);
  EXPECT_GT(pool().idle_limit(0), 7s);
  const ConnectionHandle last = lent();
  pool().release(last, now_);
  closed_.clear();
  pass(pool().idle_limit(0));
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_EQ(closed_[0].reason, CloseReason::idle);
  pool().set_keep_alive_hint(0, 1s);  // two seconds less would be nothing: half of it
  EXPECT_EQ(pool().idle_limit(0), 500ms);
}

TEST_F(LeasePoolEndpointsTest, ReconfigureHoldsForWhatIsOpen) {
  config_.max_size = 3;
  const ConnectionHandle idle = lent();
  const ConnectionHandle held = lent();
  pool().release(idle, now_);
  PoolConfig changed = config_;
  changed.name = "another";
  changed.max_size = 1;
  changed.max_idle_time = 1s;
  changed.acquire_timeout = 2s;
  changed.max_lifetime = 20s;
  ASSERT_TRUE(pool().reconfigure(changed, now_));
  take();
  EXPECT_EQ(pool().config().name, "test");
  EXPECT_EQ(closed_.size(), 1U);  // over max_size
  const auto waiter = pool().wait(now_);
  ASSERT_TRUE(waiter);
  pass(2s);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code, ErrorCode::timed_out);
  pool().release(held, now_);
  pass(1s);
  take();
  EXPECT_EQ(closed_.size(), 2U);  // idle for the new time
  pool().release(lent(), now_);
  changed.max_idle_time = 300s;
  ASSERT_TRUE(pool().reconfigure(changed, now_));
  pass(21s);
  ASSERT_EQ(closed_.size(), 3U);
  EXPECT_EQ(closed_[2].reason, CloseReason::lifetime);
  changed.max_size = 0;
  EXPECT_FALSE(pool().reconfigure(changed, now_));
}

TEST_F(LeasePoolEndpointsTest, AForgottenLeaseIsReportedOnceWithItsPlace) {
  config_.leak_threshold = 10s;
  const ConnectionHandle held = lent();
  pass(9s);
  EXPECT_TRUE(overdue_.empty());
  pass(4s);
  ASSERT_EQ(overdue_.size(), 1U);
  EXPECT_NE(std::string(overdue_[0].holder.file_name()).find("lease_pool_fixture"), std::string::npos);
  EXPECT_GT(overdue_[0].held, 10s);
  pass(60s);
  EXPECT_EQ(overdue_.size(), 1U);
  EXPECT_EQ(pool().counters().overdue, 1U);
  pool().release(held, now_);
  wait();
  pass(13s);
  EXPECT_EQ(overdue_.size(), 2U);  // another lease of it
}

}  // namespace
}  // namespace marketprism::pool
