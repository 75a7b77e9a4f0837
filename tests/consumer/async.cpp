// Uses marketprism::async from an installed package: one event loop, one coroutine that waits on its timer.
#include <chrono>
#include <cstdio>
#include <marketprism/async/block_on.hpp>
#include <marketprism/async/event_loop.hpp>

using namespace std::chrono_literals;

marketprism::async::Task<int> answer(marketprism::async::EventLoop& loop) {
  co_await loop.sleep_for(1ms);
  co_return 42;
}

int main() {
  marketprism::async::EventLoop loop;
  const int value = marketprism::async::block_on(loop, answer(loop));
  std::printf("%d\n", value);
  return value == 42 ? 0 : 1;
}
