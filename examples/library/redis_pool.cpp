// A connection type of one's own in a pool: Redis. redis_pool HOST PORT
#include <charconv>
#include <iostream>
#include <string_view>

#include "examples/library/redis_connection.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/net/connection_pool.hpp"

namespace mp = marketprism;
using Pool = mp::net::ConnectionPool<redis::ConnectionPtr, redis::Connector>;

namespace {

mp::async::Task<mp::Result<std::string>> command(Pool& pool, std::vector<std::string> words) {
  auto lease = co_await pool.acquire();
  if (!lease) co_return std::unexpected(std::move(lease.error()));
  const mp::Instant deadline = pool.loop().refresh_now() + std::chrono::seconds(5);
  auto answer = co_await (**lease)->command(std::move(words), deadline);
  if (!(**lease)->is_open()) lease->mark_broken();
  co_return answer;
}

mp::async::Task<> count(Pool& pool, int times, int& running, int& failed, mp::async::Signal& done) {
  for (int i = 0; i < times; ++i) {
    std::vector<std::string> increment{"INCR", "visits"};
    const auto answer = co_await command(pool, std::move(increment));
    if (!answer) {
      ++failed;
      std::cerr << answer.error().to_string() << "\n";
    }
  }
  if (--running == 0) done.set();
}

mp::async::Task<int> run(Pool& pool) {
  // 20 users of 4 connections.
  mp::async::Signal done(pool.loop());
  int running = 20;
  int failed = 0;
  for (int i = 0; i < 20; ++i) pool.loop().spawn(count(pool, 50, running, failed, done));
  co_await done.wait();

  std::vector<std::string> get{"GET", "visits"};
  const auto visits = co_await command(pool, std::move(get));
  std::cout << "visits: " << (visits ? *visits : visits.error().to_string()) << "\n";
  std::vector<std::string> wrong{"NONSENSE"};
  const auto refused = co_await command(pool, std::move(wrong));
  std::cout << "nonsense: " << (refused ? *refused : refused.error().to_string()) << "\n";
  const auto stats = pool.stats();
  std::cout << stats.counters.acquired << " acquires, " << stats.counters.created << " connections\n";

  // The server closes all idle connections; each is gone from the pool at once, without a use or a check.
  std::vector<std::string> kill{"CLIENT", "KILL", "TYPE", "normal"};
  static_cast<void>(co_await command(pool, std::move(kill)));
  while (pool.gauges().idle > 1) co_await pool.loop().sleep_for(std::chrono::milliseconds(1));
  std::vector<std::string> again{"INCR", "visits"};
  const auto after = co_await command(pool, std::move(again));
  std::cout << "after a cut: " << (after ? *after : after.error().to_string()) << "\n";
  co_await pool.drain(std::chrono::seconds(5));
  co_return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count_of_arguments, char** arguments) {
  if (count_of_arguments != 3) {
    std::cerr << "usage: redis_pool HOST PORT\n";
    return 2;
  }
  mp::async::EventLoop loop;
  mp::pool::PoolConfig config;
  config.name = "redis";
  config.max_size = 4;
  config.min_size = 1;
  std::uint16_t port = 0;
  const std::string_view digits = arguments[2];
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  auto pool = Pool::create(loop, config, {{arguments[1], port}}, redis::Connector(loop)).value();
  pool.start();
  return mp::async::block_on(loop, run(pool));
}
