#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/signal.hpp"
#include "marketprism/base/error.hpp"
#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::monitor {

/// Runs `work` on the loop `there` and brings its result to `here`, the loop this is awaited on. `timed_out` when it
/// has not come by `deadline` (coarse); `work` may be running even then, so it owns what it uses. `here` must be there
/// for as long as `there` runs.
template <class T>
async::Task<Result<T>> call_on(async::EventLoop& here, async::EventLoop& there, std::function<T()> work,
                               Instant deadline) {
  struct Call {
    explicit Call(async::EventLoop& loop) : done(loop) {}
    async::Signal done;
    std::optional<T> value;
  };
  // Only this coroutine owns the call: its signal belongs to `here` and may not end on another thread.
  const auto call = std::make_shared<Call>(here);
  there.post([weak = std::weak_ptr<Call>(call), work = std::move(work), &here] {
    if (weak.expired()) return;  // nobody waits any more: after a long block many may be queued
    const memory::AllocationsApart apart;
    here.post([weak, value = std::make_shared<T>(work())] {
      const auto waiting = weak.lock();
      if (waiting == nullptr) return;
      waiting->value.emplace(std::move(*value));
      waiting->done.set();
    });
  });
  co_await call->done.wait(deadline);
  if (!call->value) co_return fail(ErrorCode::timed_out, "the event loop did not answer in time: it is blocked");
  co_return std::move(*call->value);
}

}  // namespace marketprism::monitor
