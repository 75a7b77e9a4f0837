// WebSocket pools that share a ledger: connections that carry streams and those that are lent have one limit.
#include <gtest/gtest.h>

#include "tests/integration/net/toy_venue.hpp"

namespace marketprism::net {
namespace {

class WebSocketLedgerTest : public WebSocketConnectionPoolTest {
 protected:
  std::unique_ptr<WebSocketConnectionPool> make_sharing_pool(const Venue& venue) {
    auto pool = make_pool(venue);
    EXPECT_TRUE(pool->use_ledger(ledger_));
    return pool;
  }

  std::shared_ptr<pool::PermitLedger> ledger_ = std::make_shared<pool::PermitLedger>(1);
};

TEST_P(WebSocketLedgerTest, StreamsAndLeasesShareALimit) {
  const auto venue = make_venue();
  const auto pool = make_sharing_pool(*venue);
  ASSERT_TRUE(pool->subscribe("a"));
  until([&] { return handler_.up.size() == 1; });
  const auto refused = run(pool->acquire(100ms));
  ASSERT_FALSE(refused) << "a connection that carries streams is not given up";
  EXPECT_EQ(refused.error().code, ErrorCode::timed_out);
  EXPECT_EQ(venue->open(), 1U);
  pool->unsubscribe("a");
  {
    const auto lease = run(pool->acquire(5s));
    ASSERT_TRUE(lease) << lease.error().to_string();
    EXPECT_EQ(pool->slot_stats().connections, 0U);
    ASSERT_TRUE(pool->subscribe("b"));
    run(loop.sleep_for(50ms));
    EXPECT_TRUE(handler_.up.empty());
  }
  until([&] { return handler_.up.contains("b"); });  // the idle lease makes room
  EXPECT_EQ(ledger_->available(), 0U);
  EXPECT_EQ(run(pool->drain(loop.refresh_now() + 2s)), 0U);
  EXPECT_EQ(ledger_->available(), 1U);
}

// The permit comes when the socket is closed, which a peer that does not answer the goodbye cannot put off for ever.
TEST_P(WebSocketLedgerTest, AnAcquireWaitsForTheGoodbyeButNotForEver) {
  options_.config.close_timeout = 200ms;
  const auto venue = make_venue();
  venue->pause_after_first_request(5s);
  const auto pool = make_sharing_pool(*venue);
  ASSERT_TRUE(pool->subscribe("a"));
  until([&] { return handler_.up.size() == 1; });
  pool->unsubscribe("a");
  const Instant begun = loop.refresh_now();
  const auto lease = run(pool->acquire(4s));
  ASSERT_TRUE(lease) << lease.error().to_string();
  EXPECT_GE(loop.refresh_now() - begun, 150ms);
  EXPECT_LT(loop.refresh_now() - begun, 3s);
}

TEST_P(WebSocketLedgerTest, StreamsOfOnePoolWaitForThoseOfAnother) {
  const auto venue = make_venue();
  ToyHandler first_handler;
  auto first = WebSocketConnectionPool::create(loop, options_, {url(*venue)}, first_handler).value();
  first_handler.pool = &first;
  ASSERT_TRUE(first.use_ledger(ledger_));
  first.start();
  ASSERT_TRUE(first.subscribe("a"));
  until([&] { return first_handler.up.size() == 1; });
  const auto second = make_sharing_pool(*venue);
  ASSERT_TRUE(second->subscribe("b"));
  run(loop.sleep_for(50ms));
  EXPECT_TRUE(handler_.up.empty());
  first.unsubscribe("a");
  until([&] { return handler_.up.size() == 1; });
  EXPECT_EQ(first.slot_stats().connections, 0U);
  EXPECT_EQ(first.stats().counters.closed[static_cast<std::size_t>(pool::CloseReason::evicted)], 1U);
}

TEST_P(WebSocketLedgerTest, APlannedReplacementWaitsForAPermit) {
  const auto venue = make_venue();
  const auto pool = make_sharing_pool(*venue);
  ASSERT_TRUE(pool->subscribe("a"));
  until([&] { return handler_.up.size() == 1; });
  pool->announce_closing(1);
  run(loop.sleep_for(50ms));
  EXPECT_EQ(venue->accepted(), 1);
  EXPECT_EQ(handler_.downs, 0);
  ledger_->resize(2);
  until([&] { return pool->slot_stats().rotations == 1; });
  EXPECT_EQ(handler_.downs, 0);
  EXPECT_EQ(venue->accepted(), 2);
}

TEST_P(WebSocketLedgerTest, ADestroyedPoolLeavesNoPermitAndNoPlaceInLineBehind) {
  const auto venue = make_venue();
  auto first = make_sharing_pool(*venue);
  ASSERT_TRUE(first->subscribe("a"));
  until([&] { return handler_.up.size() == 1; });
  auto second = make_sharing_pool(*venue);
  ASSERT_TRUE(second->subscribe("b"));
  until([&] { return ledger_->has_waiting(); });
  second.reset();
  EXPECT_FALSE(ledger_->has_waiting());
  first.reset();
  until([&] { return ledger_->available() == 1; });
}

TEST_P(WebSocketLedgerTest, ALedgerWithoutRoomRefusesThePool) {
  const auto venue = make_venue();
  const auto full = std::make_shared<pool::PermitLedger>(1, 1);
  const auto one = make_pool(*venue);
  const auto other = make_pool(*venue);
  ASSERT_TRUE(one->use_ledger(full));
  const auto refused = other->use_ledger(full);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
}

INSTANTIATE_TEST_SUITE_P(Transports, WebSocketLedgerTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "tls" : "tcp"; });

}  // namespace
}  // namespace marketprism::net
