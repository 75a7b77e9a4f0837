// What a WebSocketConnection does while it lies unused in a pool.
#include <utility>

#include "marketprism/net/websocket_state.hpp"

namespace marketprism::net {

bool WebSocketConnection::State::watch(Unused what) {
  if (failure || !kept.empty() || (is_reading && !is_watched)) return false;
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
    const WebSocketReceived* const message = next();
    if (message == nullptr) return !failure;
    if (writer.is_closed()) continue;  // while we say goodbye nobody wants it
    if (unused == Unused::keep && keep(*message)) continue;
    const std::string_view what = unused == Unused::keep ? ": more came than is kept while nobody used the connection"
                                                         : ": a message came while nobody used the connection";
    fail_with({ErrorCode::connection_closed, transport->info().peer + std::string(what) + ", so it is not lent again",
               false, nullptr},
              false);
    return false;
  }
  return false;
}

// Copied, so that reading goes on: pings are answered and the end is seen, however long nobody comes for it. False when
// there is no room; there always is for one.
bool WebSocketConnection::State::keep(const WebSocketReceived& message) {
  const std::size_t bytes = sizeof(Kept) + message.data.size();
  if (!kept.empty() && kept_bytes + bytes > options.read_bytes_max) return false;
  kept.push_back({message, std::string(message.data)});
  kept_bytes += bytes;
  return true;
}

const WebSocketReceived* WebSocketConnection::State::next_kept() {
  is_unused = false;
  given = std::move(kept.front());
  given.message.data = given.data;
  kept.erase(kept.begin());
  kept_bytes -= sizeof(Kept) + given.data.size();
  return &given.message;
}

Task<Result<>> WebSocketConnection::State::take_over(std::shared_ptr<State> self) {
  self->is_unused = false;
  if (!self->kept.empty()) co_return Result<>();
  const auto outcome = co_await self->handed_over.wait();
  if (outcome == async::Signal::Outcome::cancelled) {
    co_return fail(ErrorCode::cancelled, self->transport->info().peer + ": cancelled");
  }
  if (self->failure) co_return std::unexpected(*self->failure);
  co_return Result<>();
}

Task<Result<>> WebSocketConnection::State::check_unused(std::shared_ptr<State> self, Instant deadline) {
  const bool is_watched_by_us = (self->is_watched && self->is_unused) || self->watch(Unused::close);
  if (self->failure) co_return std::unexpected(*self->failure);
  const std::string& peer = self->transport->info().peer;
  if (!is_watched_by_us) co_return fail(ErrorCode::invalid_argument, peer + ": somebody still reads the connection");
  const std::uint64_t pongs = self->statistics.pongs_received;
  if (auto written = self->writer.write_ping(self->out, {}); !written) co_return written;
  ++self->statistics.pings_sent;
  if (auto sent = self->send_queued(); !sent) co_return sent;
  while (!self->failure && self->statistics.pongs_received == pongs) {
    const auto outcome = co_await self->pong_seen.wait(deadline);
    if (outcome == async::Signal::Outcome::timed_out) co_return fail(ErrorCode::timed_out, peer + ": no pong in time");
    if (outcome == async::Signal::Outcome::cancelled) co_return fail(ErrorCode::cancelled, peer + ": cancelled");
  }
  if (self->failure) co_return std::unexpected(*self->failure);
  co_return Result<>();
}

}  // namespace marketprism::net
