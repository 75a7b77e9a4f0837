// Pools on several event loops, each on a thread of its own, that share the permits of one ledger.
#include <atomic>
#include <latch>
#include <thread>

#include <gtest/gtest.h>

#include "marketprism/net/connection_pool.hpp"
#include "marketprism/pool/permit_ledger.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using async::Task;

/// Counts what is open over all loops.
struct World {
  std::atomic<int> open{0};
  std::atomic<int> most{0};
  std::atomic<int> dials{0};
};

class Thing {
 public:
  explicit Thing(World& world) : world_(&world) {
    const int now = ++world.open;
    int most = world.most.load();
    while (now > most && !world.most.compare_exchange_weak(most, now)) continue;
  }
  Thing(Thing&& other) noexcept : world_(std::exchange(other.world_, nullptr)) {}
  Thing& operator=(Thing&& other) noexcept {
    std::swap(world_, other.world_);
    return *this;
  }
  ~Thing() {
    if (world_ != nullptr) --world_->open;
  }

 private:
  World* world_;
};

class ThingConnector {
 public:
  ThingConnector(async::EventLoop& loop, World& world) : loop_(&loop), world_(&world) {}
  Task<Result<Thing>> connect(const pool::Endpoint&, Instant) {
    ++world_->dials;
    boost::asio::use_awaitable_t<async::Executor> token;
    co_await boost::asio::post(loop_->executor(), token);
    co_return Thing(*world_);
  }
  Task<Result<>> check(Thing&, Instant) { co_return Result<>(); }
  // It takes a while.
  Task<> close(Thing thing) {
    const Thing gone = std::move(thing);
    boost::asio::use_awaitable_t<async::Executor> token;
    for (int i = 0; i < 5; ++i) co_await boost::asio::post(loop_->executor(), token);
  }

 private:
  async::EventLoop* loop_;
  World* world_;
};

using Pool = ConnectionPool<Thing, ThingConnector>;

/// A loop on its own thread with a pool that is made and used there.
class Member {
 public:
  Member(World& world, std::shared_ptr<pool::PermitLedger> ledger, std::size_t max_size) : world_(world) {
    config_.name = "shared";
    config_.max_size = max_size;
    config_.min_size = 0;
    config_.permit_tenure = 1ms;
    loop_.post([this, ledger = std::move(ledger)] {
      pool_.emplace(Pool::create(loop_, config_, {{"venue", 443}}, ThingConnector(loop_, world_)).value());
      EXPECT_TRUE(pool_->use_ledger(ledger));
      pool_->start();
    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  /// Runs a task of the pool to its end on the loop's thread.
  void run(std::function<Task<>(Pool&, async::EventLoop&)> work) {
    std::latch done(1);
    start(std::move(work), done);
    done.wait();
  }
  void start(std::function<Task<>(Pool&, async::EventLoop&)> work, std::latch& done) {
    loop_.post([this, work = std::move(work), &done] {
      loop_.spawn([](Member& self, std::function<Task<>(Pool&, async::EventLoop&)> f, std::latch& end) -> Task<> {
        co_await f(*self.pool_, self.loop_);
        end.count_down();
      }(*this, work, done));
    });
  }
  /// Drains, and ends the loop.
  void finish() {
    run([](Pool& pool, async::EventLoop&) -> Task<> {
      const std::size_t left = co_await pool.drain(5s);
      EXPECT_EQ(left, 0U);
    });
    loop_.post([this] {
      pool_.reset();
      loop_.stop();
    });
    thread_.join();
  }

 private:
  World& world_;
  pool::PoolConfig config_;
  async::EventLoop loop_;
  std::optional<Pool> pool_;
  std::thread thread_;
};

TEST(MultiLoop, ALoopShortOfPermitsMakesAnotherCloseAnIdleOne) {
  World world;
  const auto ledger = std::make_shared<pool::PermitLedger>(1);
  Member first(world, ledger, 4);
  Member second(world, ledger, 4);
  const auto use_one = [](Pool& pool, async::EventLoop&) -> Task<> {
    const auto lease = co_await pool.acquire();
    EXPECT_TRUE(lease) << lease.error().to_string();
  };
  for (int i = 1; i <= 10; ++i) {
    first.run(use_one);  // stays idle there, with the only permit
    EXPECT_EQ(world.open, 1);
    second.run(use_one);
    EXPECT_EQ(world.open, 1);
  }
  EXPECT_EQ(world.dials, 20);
  EXPECT_EQ(world.most, 1);
  first.run([](Pool& pool, async::EventLoop&) -> Task<> {
    EXPECT_EQ(pool.stats().counters.closed[static_cast<std::size_t>(pool::CloseReason::evicted)], 10U);
    co_return;
  });
  first.finish();
  second.finish();
  EXPECT_EQ(world.open, 0);
  EXPECT_EQ(ledger->available(), 1U);
}

TEST(MultiLoop, TheLimitHoldsOverAllLoopsAndEverybodyIsServed) {
  constexpr int permits = 3;
  constexpr int loops = 4;
  constexpr int workers = 8;
  constexpr int rounds = 25;
  World world;
  const auto ledger = std::make_shared<pool::PermitLedger>(permits);
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < loops; ++i) members.push_back(std::make_unique<Member>(world, ledger, permits));
  std::atomic<int> served{0};
  std::latch done(loops * workers);
  for (const auto& member : members) {
    for (int w = 0; w < workers; ++w) {
      member->start(
          [&served](Pool& pool, async::EventLoop& loop) -> Task<> {
            for (int i = 0; i < rounds; ++i) {
              const auto lease = co_await pool.acquire(60s);
              EXPECT_TRUE(lease) << lease.error().to_string();
              boost::asio::use_awaitable_t<async::Executor> token;
              co_await boost::asio::post(loop.executor(), token);
              ++served;
            }
          },
          done);
    }
  }
  done.wait();
  EXPECT_EQ(served, loops * workers * rounds);
  EXPECT_LE(world.most, permits);
  for (const auto& member : members) member->finish();
  EXPECT_EQ(world.open, 0);
  EXPECT_EQ(ledger->available(), static_cast<std::uint32_t>(permits));
}

TEST(MultiLoop, ALoopThatEndsGivesItsPermitsBack) {
  World world;
  const auto ledger = std::make_shared<pool::PermitLedger>(2);
  auto first = std::make_unique<Member>(world, ledger, 2);
  Member second(world, ledger, 2);
  first->run([](Pool& pool, async::EventLoop&) -> Task<> {
    auto one = co_await pool.acquire();
    auto two = co_await pool.acquire();
    EXPECT_TRUE(one && two);
  });
  EXPECT_EQ(ledger->available(), 0U);
  first->finish();
  first.reset();
  EXPECT_EQ(ledger->available(), 2U);
  second.run([](Pool& pool, async::EventLoop&) -> Task<> {
    auto one = co_await pool.acquire();
    auto two = co_await pool.acquire();
    EXPECT_TRUE(one && two);
  });
  second.finish();
}

// The other thread gives its permit back, and so gives notice, all the time.
TEST(MultiLoop, APoolAndItsLoopMayGoWhileANoticeIsUnderWay) {
  World world;
  const auto ledger = std::make_shared<pool::PermitLedger>(1, 4);
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    const std::uint32_t member = ledger->join(nullptr);
    while (!is_over) {
      if (ledger->try_take(member)) ledger->give_back(member);
    }
    ledger->withdraw(member);
    ledger->leave(member);
  });
  pool::PoolConfig config;
  config.max_size = 2;
  config.min_size = 0;
  for (int i = 0; i < 2000; ++i) {
    async::EventLoop loop;
    auto pool = Pool::create(loop, config, {{"venue", 443}}, ThingConnector(loop, world)).value();
    ASSERT_TRUE(pool.use_ledger(ledger));
    pool.start();
    loop.spawn([](Pool& of) -> Task<> { static_cast<void>(co_await of.acquire()); }(pool));
    for (int turn = 0; turn < i % 5; ++turn) loop.context().poll_one();
  }
  is_over = true;
  other.join();
  EXPECT_EQ(world.open, 0);
  EXPECT_EQ(ledger->available(), 1U);
}

TEST(MultiLoop, ALedgerHasRoomForSoManyMembers) {
  World world;
  async::EventLoop loop;
  const auto ledger = std::make_shared<pool::PermitLedger>(1, 1);
  pool::PoolConfig config;
  config.min_size = 0;
  auto first = Pool::create(loop, config, {{"venue", 443}}, ThingConnector(loop, world)).value();
  auto second = Pool::create(loop, config, {{"venue", 443}}, ThingConnector(loop, world)).value();
  EXPECT_TRUE(first.use_ledger(ledger));
  const auto refused = second.use_ledger(ledger);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
}

}  // namespace
}  // namespace marketprism::net
