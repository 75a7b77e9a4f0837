// ResolverThreads with a look-up of the test's own, which hangs for as long as the test wants.
#include "marketprism/net/resolver_threads.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class ResolverThreadsTest : public testing::Test, public LoopFixture {
 protected:
  ResolverThreadsTest() {
    options_.look_up = [this](const std::string& host) { return look_up(host); };
  }
  ~ResolverThreadsTest() override {
    release("");
    threads_.reset();
  }

  // Names that begin with "slow" hang until they are released.
  Result<Addresses> look_up(const std::string& host) {
    std::unique_lock lock(mutex_);
    asked_.push_back(host);
    most_at_once_ = std::max(most_at_once_, ++at_once_);
    changed_.notify_all();
    changed_.wait(lock,
                  [&] { return !host.starts_with("slow") || released_.contains(host) || released_.contains(""); });
    --at_once_;
    changed_.notify_all();
    if (host == "bad") return fail(ErrorCode::not_found, "bad: no such host name");
    return Addresses(1, boost::asio::ip::make_address("192.0.2.1"));
  }
  // "": all.
  void release(const std::string& host) {
    const std::scoped_lock lock(mutex_);
    released_.insert(host);
    changed_.notify_all();
  }
  std::size_t answered() {
    const std::scoped_lock lock(mutex_);
    return answers_.size();
  }
  std::vector<std::string> asked() {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }
  void wait_until_asked(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return asked_.size() >= count; }));
  }

  ResolverThreads& threads() {
    if (!threads_) threads_.emplace(options_);
    return *threads_;
  }
  std::string ask(const std::string& host, Nanoseconds timeout = 20s) {
    const auto found = run(threads().resolve(loop, host, loop.refresh_now() + timeout));
    return found ? found->front().to_string() : found.error().to_string();
  }
  /// Asks and does not wait; the answer is noted.
  void start(async::EventLoop& on, const std::string& host) {
    on.spawn([](ResolverThreadsTest& test, async::EventLoop& l, std::string name) -> Task<> {
      const auto found = co_await test.threads().resolve(l, name, l.refresh_now() + 20s);
      const std::scoped_lock lock(test.mutex_);
      test.answers_.push_back(name + (found ? "" : ": " + std::string(name_of(found.error().code))));
    }(*this, on, host));
  }
  void start(const std::string& host) { start(loop, host); }
  /// Runs the loop until so many have been answered.
  void until_answered(std::size_t count) {
    run([](ResolverThreadsTest& test, std::size_t wanted) -> Task<> {
      for (int i = 0; i < 10'000 && test.answered() < wanted; ++i) co_await test.loop.sleep_for(1ms);
    }(*this, count));
    EXPECT_EQ(answered(), count);
  }
  void turn() {
    run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(1ms); }(loop));
  }

  ResolverThreadsOptions options_;
  std::optional<ResolverThreads> threads_;
  std::vector<std::string> answers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> released_;
  std::vector<std::string> asked_;
  int at_once_ = 0;
  int most_at_once_ = 0;
};

TEST_F(ResolverThreadsTest, ANameThatHangsHoldsNobodyUp) {
  for (const char* name : {"slow1", "slow2", "slow3"}) start(name);
  turn();
  wait_until_asked(3);
  EXPECT_EQ(ask("fast"), "192.0.2.1");
  EXPECT_THAT(ask("bad"), HasSubstr("no such host name"));
  EXPECT_EQ(answered(), 0U);
  release("slow2");
  until_answered(1);
  EXPECT_THAT(answers_, ElementsAre("slow2"));
  EXPECT_LE(threads().threads(), 4U);
}

TEST_F(ResolverThreadsTest, ThreadsAreBoundedAndTheRestWaitsInOrder) {
  options_.threads_max = 2;
  for (const char* name : {"slow1", "slow2", "slow3", "slow4"}) start(name);
  turn();
  wait_until_asked(2);
  EXPECT_EQ(threads().threads(), 2U);
  release("slow1");
  wait_until_asked(3);
  EXPECT_EQ(asked().back(), "slow3");
  release("");
  until_answered(4);
  EXPECT_EQ(most_at_once_, 2);
}

TEST_F(ResolverThreadsTest, ANameIsLookedUpOnceForAllWhoWait) {
  async::EventLoop other;
  start("slow");
  start("slow");
  start(other, "slow");
  turn();
  other.post([&other] { other.stop(); });
  other.run();  // until it has asked
  std::thread another([&other] { other.run(); });
  wait_until_asked(1);
  release("slow");
  until_answered(3);
  other.post([&other] { other.stop(); });
  another.join();
  EXPECT_EQ(asked().size(), 1U);
  EXPECT_EQ(ask("slow"), "192.0.2.1");
  EXPECT_EQ(asked().size(), 2U);  // nothing is remembered
}

TEST_F(ResolverThreadsTest, AtTheDeadlineALookUpIsLeftBehindAndOneThatHasNotBegunIsDropped) {
  options_.threads_max = 1;
  start("slow");
  turn();
  wait_until_asked(1);
  EXPECT_THAT(ask("never", 5ms), HasSubstr("took too long"));
  EXPECT_THAT(ask("slow", 5ms), HasSubstr("took too long"));
  start("next");
  turn();
  release("slow");
  until_answered(2);
  EXPECT_EQ(asked(), (std::vector<std::string>{"slow", "next"}));
}

TEST_F(ResolverThreadsTest, WhoIsCancelledLeavesNothingBehind) {
  options_.threads_max = 1;
  start("slow");
  turn();
  boost::asio::cancellation_signal stop;
  boost::asio::co_spawn(loop.context(), threads().resolve(loop, "never", soon()),
                        boost::asio::bind_cancellation_slot(
                            stop.slot(), [this](const std::exception_ptr&, const Result<Addresses>& found) {
                              answers_.push_back(found ? "found" : std::string(name_of(found.error().code)));
                            }));
  turn();
  stop.emit(boost::asio::cancellation_type::terminal);
  until_answered(1);
  EXPECT_THAT(answers_, ElementsAre("cancelled"));
  release("slow");
  until_answered(2);
  EXPECT_THAT(asked(), ElementsAre("slow"));
}

TEST_F(ResolverThreadsTest, ALoopMayEndBeforeItsLookUps) {
  options_.threads_max = 1;
  for (int i = 0; i < 20; ++i) {
    auto other = std::make_unique<async::EventLoop>();
    const std::string name = "slow" + std::to_string(i);
    start(*other, name);
    start(*other, "queued");
    other->post([&other] { other->stop(); });
    other->run();
    wait_until_asked(static_cast<std::size_t>(i) + 1);
    if (i % 2 == 0) {
      other.reset();
      release(name);
    } else {
      release(name);  // at any moment of the loop's end
      other.reset();
    }
    EXPECT_EQ(ask("fence" + std::to_string(i)), "192.0.2.1");
    const std::scoped_lock lock(mutex_);
    asked_.resize(static_cast<std::size_t>(i) + 1);
  }
  EXPECT_TRUE(answers_.empty());
}

TEST_F(ResolverThreadsTest, NamesThatWaitAreBounded) {
  options_.threads_max = 1;
  options_.names_max = 1;
  start("slow");
  turn();
  wait_until_asked(1);
  start("queued");
  turn();
  EXPECT_THAT(ask("more"), HasSubstr("too many names wait"));
  release("");
  until_answered(2);
  EXPECT_EQ(ask("more"), "192.0.2.1");
}

TEST_F(ResolverThreadsTest, ThreadsWithoutWorkEndAndNewOnesStart) {
  options_.idle_time = 1ms;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask("fast"), "192.0.2.1");
    for (int turns = 0; turns < 10'000 && threads().threads() > 0; ++turns) turn();
    EXPECT_EQ(threads().threads(), 0U);
  }
}

TEST_F(ResolverThreadsTest, AnIdleThreadIsTakenBeforeANewOne) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ask("fast" + std::to_string(i)), "192.0.2.1");
    turn();
  }
  EXPECT_EQ(threads().threads(), 1U);
}

}  // namespace
}  // namespace marketprism::net
