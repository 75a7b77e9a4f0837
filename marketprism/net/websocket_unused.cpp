// What a WebSocketConnection does while it lies unused in a pool.
#include <utility>

#include "marketprism/net/websocket_state.hpp"

namespace marketprism::net {

bool WebSocketConnection::State::watch(Unused what) {
  if (failure || has_message || (is_reading && !is_watched)) return false;
  is_unused = true;
  unused = what;
  if (is_watched) return true;  // a read from before the last use still waits
  is_watched = true;
  loop.spawn(read_unused(shared_from_this()));
  return true;
}

// Until somebody uses the connection or it ends. The read that waits then is not cancelled: the user gets what it
// brings.
Task<> WebSocketConnection::State::read_unused(std::shared_ptr<State> self) {
  while (self->drop_unused()) {
    const auto count = co_await read(self);
    if (!count) break;
    if (self->is_unused) continue;
    self->has_remainder = !self->handed_over.has_waiter();
    break;
  }
  self->is_watched = false;
  if (self->handed_over.has_waiter()) {
    self->handed_over.set();
  } else if (self->failure && self->is_unused) {
    if (const auto callback = std::exchange(self->closed_callback, nullptr)) callback();
  }
}

// Works off what is in the buffer. False when there is nothing more to read for nobody.
bool WebSocketConnection::State::drop_unused() {
  while (is_unused && !failure) {
    if (next() == nullptr) return !failure;
    if (writer.is_closed()) continue;  // while we say goodbye nobody wants it
    if (unused == Unused::keep) {
      has_message = has_remainder = true;
    } else {
      fail_with({ErrorCode::connection_closed,
                 transport->info().peer + ": a message came while nobody used the connection, so it is not lent again",
                 false, nullptr},
                false);
    }
    return false;
  }
  return false;
}

Task<Result<>> WebSocketConnection::State::take_over(std::shared_ptr<State> self) {
  self->is_unused = false;
  const auto outcome = co_await self->handed_over.wait();
  if (outcome == async::Signal::Outcome::cancelled) {
    co_return fail(ErrorCode::cancelled, self->transport->info().peer + ": cancelled");
  }
  if (self->failure) co_return std::unexpected(*self->failure);
  co_return Result<>();
}

}  // namespace marketprism::net
