// DnsCache with a resolver and a clock of the test's own.
#include "marketprism/net/dns_cache.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class DnsCacheTest : public testing::Test, public LoopFixture {
 protected:
  DnsCacheTest() : gate_(loop) {
    options_.clock = [this] { return clock_; };
    options_.resolver = [this](async::EventLoop&, std::string host, Instant deadline) {
      return look_up(std::move(host), deadline);
    };
  }

  Task<Result<Addresses>> look_up(std::string host, Instant deadline) {
    asked_.push_back(host);
    if (!is_immediate_) {
      boost::asio::use_awaitable_t<async::Executor> token;
      co_await boost::asio::post(loop.executor(), token);
    }
    if (is_slow_) co_await gate_.wait(deadline);
    if (is_failing_) co_return fail(ErrorCode::not_found, host + ": the name servers do not answer");
    co_return Addresses(1, boost::asio::ip::make_address(answer_));
  }

  std::string ask(DnsCache& cache, std::string host) {
    const auto found = run(cache.resolve(std::move(host), soon()));
    return found ? found->front().to_string() : found.error().to_string();
  }
  // Lets a refresh in the background run.
  void turn() {
    run([](async::EventLoop& l) -> Task<> {
      boost::asio::use_awaitable_t<async::Executor> token;
      for (int i = 0; i < 5; ++i) co_await boost::asio::post(l.executor(), token);
    }(loop));
  }

  DnsCacheOptions options_;
  Instant clock_ = Instant() + 1000s;
  async::Signal gate_;
  std::vector<std::string> asked_;
  std::string answer_ = "192.0.2.1";
  bool is_immediate_ = false;
  bool is_slow_ = false;
  bool is_failing_ = false;
};

TEST_F(DnsCacheTest, LooksUpOnceUntilTheTtlIsOver) {
  DnsCache cache(loop, options_);
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  clock_ += 299s;
  answer_ = "192.0.2.2";
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_EQ(ask(cache, "192.0.2.9"), "192.0.2.9");  // not looked up
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_EQ(cache.statistics().hits, 1U);
  EXPECT_EQ(cache.statistics().misses, 1U);
}

TEST_F(DnsCacheTest, TimesWithoutEndAreTakenAsSuch) {
  options_.ttl = options_.lookup_timeout = Nanoseconds::max();
  DnsCache cache(loop, options_);
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  clock_ += 24h;
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(DnsCacheTest, RefreshesWithoutAStall) {
  DnsCache cache(loop, options_);
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  clock_ += 300s;
  answer_ = "192.0.2.2";
  is_slow_ = true;
  // The look-up hangs, and nobody waits for it; it is not begun twice.
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  turn();
  EXPECT_EQ(asked_.size(), 2U);
  gate_.set();
  turn();
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.2");
  EXPECT_EQ(asked_.size(), 2U);
  EXPECT_EQ(cache.statistics().stale, 2U);
}

TEST_F(DnsCacheTest, AFailedRefreshKeepsTheOldWithAWarning) {
  DnsCache cache(loop, options_);
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  clock_ += 300s;
  is_failing_ = true;
  testing::internal::CaptureStderr();
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  turn();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("a.example: the addresses could not be refreshed, the old ones stay in use"));
  EXPECT_THAT(said, HasSubstr("the name servers do not answer"));
  clock_ += 9s;
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");  // not again at once
  turn();
  EXPECT_EQ(asked_.size(), 2U);
  clock_ += 1s;
  is_failing_ = false;
  answer_ = "192.0.2.3";
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  turn();
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.3");
  EXPECT_EQ(cache.statistics().failures, 1U);
}

TEST_F(DnsCacheTest, AResolverMayAnswerAtOnce) {
  DnsCache cache(loop, options_);
  is_immediate_ = true;
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  clock_ += 300s;
  answer_ = "192.0.2.2";
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.2");
  is_failing_ = true;
  EXPECT_THAT(ask(cache, "b.example"), HasSubstr("do not answer"));
}

TEST_F(DnsCacheTest, SeveralShareOneLookUp) {
  DnsCache cache(loop, options_);
  is_slow_ = true;
  int answered = 0;
  for (int i = 0; i < 5; ++i) {
    loop.spawn([](DnsCache& c, Instant deadline, int& count) -> Task<> {
      const auto found = co_await c.resolve("a.example", deadline);
      EXPECT_TRUE(found) << found.error().to_string();
      ++count;
    }(cache, soon(), answered));
  }
  turn();
  EXPECT_EQ(answered, 0);
  gate_.set();
  turn();
  EXPECT_EQ(answered, 5);
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(DnsCacheTest, AFirstLookUpThatFailsIsNotRemembered) {
  DnsCache cache(loop, options_);
  is_failing_ = true;
  EXPECT_THAT(ask(cache, "a.example"), HasSubstr("do not answer"));
  is_failing_ = false;
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(DnsCacheTest, WhoWaitsHasADeadlineAndMayBeCancelled) {
  DnsCache cache(loop, options_);
  is_slow_ = true;
  const auto late = run(cache.resolve("a.example", loop.refresh_now() + 5ms));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::timed_out);
  gate_.set();
  turn();
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");  // the look-up went on
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(DnsCacheTest, NamesAreBounded) {
  options_.names_max = 2;
  DnsCache cache(loop, options_);
  for (const char* name : {"a.example", "b.example", "a.example", "c.example", "a.example", "b.example"}) {
    clock_ += 1s;
    EXPECT_EQ(ask(cache, name), "192.0.2.1");
  }
  EXPECT_EQ(cache.statistics().names, 2U);
  EXPECT_EQ(asked_, (std::vector<std::string>{"a.example", "b.example", "c.example", "b.example"}));
}

TEST_F(DnsCacheTest, ADoubtedNameIsLookedUpAgain) {
  DnsCache cache(loop, options_);
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  answer_ = "192.0.2.2";
  cache.doubt("a.example");
  cache.doubt("unknown.example");
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.1");
  turn();
  EXPECT_EQ(ask(cache, "a.example"), "192.0.2.2");
}

TEST_F(DnsCacheTest, TheCacheMayEndBeforeItsLookUps) {
  is_slow_ = true;
  auto cache = std::make_unique<DnsCache>(loop, options_);
  loop.spawn([](DnsCache& c, Instant deadline) -> Task<> {
    const auto found = co_await c.resolve("a.example", deadline);
    EXPECT_TRUE(found);
  }(*cache, soon()));
  turn();
  cache.reset();
  gate_.set();
  turn();
}

}  // namespace
}  // namespace marketprism::net
