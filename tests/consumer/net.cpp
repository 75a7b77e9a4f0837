// Uses marketprism::net from an installed package: pools a connection type of its own. The type is a counter, so that
// no network is needed; what it shows is that one connector is all that a new type takes.
#include <cstdio>
#include <marketprism/async/block_on.hpp>
#include <marketprism/async/event_loop.hpp>
#include <marketprism/net/connection_pool.hpp>
#include <utility>

using marketprism::Instant;
using marketprism::Result;
using marketprism::async::EventLoop;
using marketprism::async::Task;

struct Line {
  int number = 0;
};

struct LineConnector {
  int opened = 0;

  Task<Result<Line>> connect(const marketprism::pool::Endpoint&, Instant) { co_return Line{++opened}; }
  Task<Result<>> check(Line&, Instant) { co_return Result<>{}; }
  Task<> close(Line) { co_return; }
};

using LinePool = marketprism::net::ConnectionPool<Line, LineConnector>;

Task<int> use_twice(LinePool& pool) {
  int first = 0;
  {
    auto lease = co_await pool.acquire();
    if (!lease) co_return 1;
    first = (*lease)->number;
  }
  auto again = co_await pool.acquire();
  if (!again) co_return 1;
  co_return (*again)->number == first ? 0 : 1;  // the same line: it was reused
}

int main() {
  EventLoop loop;
  marketprism::pool::PoolConfig config;
  config.min_size = 0;
  marketprism::pool::Endpoint endpoint;
  endpoint.host = "nowhere.example";
  auto pool = LinePool::create(loop, config, {endpoint}, LineConnector{});
  if (!pool) {
    std::fputs(pool.error().to_string().c_str(), stderr);
    return 1;
  }
  pool->start();
  const int result = marketprism::async::block_on(loop, use_twice(*pool));
  std::printf("%d opened, result %d\n", pool->connector().opened, result);
  return result == 0 && pool->connector().opened == 1 ? 0 : 1;
}
