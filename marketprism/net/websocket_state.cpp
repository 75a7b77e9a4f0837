#include "marketprism/net/websocket_state.hpp"

#include <cassert>
#include <chrono>
#include <cstring>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/secure_random.hpp"

namespace marketprism::net {
namespace {

wire::WebSocketParserOptions parser_options(WebSocketRole role, const wire::WebSocketAgreement& agreement,
                                            const WebSocketOptions& options) {
  wire::WebSocketParserOptions out;
  out.role = role;
  out.message_bytes_max = options.message_bytes_max;
  out.frame_bytes_max = options.message_bytes_max;
  out.read_bytes_start = options.read_bytes_start;
  out.read_bytes_max = options.read_bytes_max;
  out.check_utf8 = options.check_utf8;
  out.deflate = agreement.deflate;
  return out;
}

wire::WebSocketWriterOptions writer_options(WebSocketRole role, const wire::WebSocketAgreement& agreement,
                                            const WebSocketOptions& options) {
  wire::WebSocketWriterOptions out;
  out.role = role;
  if (role == WebSocketRole::client) out.mask_key = secure_random_word;
  out.compress_bytes_min = options.compress_bytes_min;
  out.check_utf8 = options.check_utf8;
  out.deflate = agreement.deflate;
  return out;
}

UnixTime read_wall_clock() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); }

std::string text_of(WebSocketCloseCode code, std::string_view reason) {
  std::string text =
      code == WebSocketCloseCode::none ? "without a code" : "with code " + std::to_string(static_cast<int>(code));
  if (!reason.empty()) text += " (" + std::string(reason) + ")";
  return text;
}

}  // namespace

WebSocketConnection::State::State(TransportPtr the_transport, WebSocketRole role,
                                  wire::WebSocketAgreement the_agreement, const WebSocketOptions& the_options)
    : transport(std::move(the_transport)),
      loop(transport->loop()),
      options(the_options),
      agreement(std::move(the_agreement)),
      parser(parser_options(role, agreement, the_options)),
      writer(writer_options(role, agreement, the_options)),
      last_receive(loop.now()),
      handed_over(loop),
      pong_seen(loop),
      flushed(loop),
      ping_timer([](void* self) { static_cast<State*>(self)->on_ping_time(); }, this),
      pong_timer([](void* self) { static_cast<State*>(self)->on_pong_time(); }, this),
      silence_timer([](void* self) { static_cast<State*>(self)->on_silence(); }, this) {}

// Reading.

Task<Result<>> WebSocketConnection::State::read(std::shared_ptr<State> self) {
  assert(!self->is_reading && "one reader");
  if (self->failure) co_return std::unexpected(*self->failure);
  if (std::exchange(self->has_remainder, false)) co_return Result<>();
  self->is_reading = true;
  const auto count = co_await self->transport->read_some(self->parser.prepare());
  self->received.receive_time = read_wall_clock();
  self->is_reading = false;
  if (!count) {
    if (self->close_code == WebSocketCloseCode::none && !self->close_received)
      self->close_code = WebSocketCloseCode::abnormal;
    Error error = count.error();
    if (error.code == ErrorCode::connection_closed) error.message += " without a WebSocket close";
    self->fail_with(std::move(error), false);
    co_return std::unexpected(*self->failure);
  }
  self->parser.commit(*count);
  self->last_receive = self->loop.now();
  ++self->statistics.reads;
  self->statistics.bytes_received += *count;
  if (self->options.silence_timeout.count() > 0) {
    self->loop.timers().arm(self->silence_timer,
                            detail::deadline_after(self->last_receive, self->options.silence_timeout));
  }
  co_return Result<>();
}

const WebSocketReceived* WebSocketConnection::State::next() {
  while (!close_received) {
    const auto parsed = parser.next();
    if (!parsed) [[unlikely]] {
      on_bad_bytes(parsed.error());
      return nullptr;
    }
    if (!*parsed) {
      has_remainder = false;
      return nullptr;
    }
    const wire::WebSocketMessage& message = **parsed;
    if (message.is_data()) [[likely]] {
      deliver(message.kind, message.data);
      return &received;
    }
    on_control_frame(message);
  }
  return nullptr;
}

// Not inlined, so that the view comes in two registers: copied as one vector right after it was stored as two words it
// costs a failed store forwarding, a tenth of the time of a short message.
[[gnu::noinline]] void WebSocketConnection::State::deliver(WebSocketMessageKind kind, std::string_view data) {
  ++statistics.messages_received;
  received.data = data;
  received.kind = kind;
}

void WebSocketConnection::State::on_bad_bytes(Error error) {
  error.message = transport->info().peer + ": " + error.message;
  if (!writer.is_closed() && !failure) {
    static_cast<void>(writer.write_close(out, parser.close_code(), ""));
    static_cast<void>(send_queued());
  }
  fail_with(std::move(error), true);
}

void WebSocketConnection::State::on_control_frame(const wire::WebSocketMessage& message) {
  switch (message.kind) {
    case WebSocketMessageKind::ping:
      // A peer that pings faster than it reads gets no pong: the newest ping is the one to answer (RFC 6455, 5.5.3).
      if (!writer.is_closed() && check_room(message.data.size())) {
        static_cast<void>(writer.write_pong(out, message.data));
        static_cast<void>(send_queued());
      }
      break;
    case WebSocketMessageKind::pong:
      on_pong(message.data);
      if (pong_seen.has_waiter()) pong_seen.set();
      break;
    case WebSocketMessageKind::close: on_close_frame(message); break;
    case WebSocketMessageKind::text:
    case WebSocketMessageKind::binary: break;
  }
}

void WebSocketConnection::State::on_pong(std::string_view data) {
  ++statistics.pongs_received;
  std::uint64_t number = 0;
  if (data.size() != sizeof number || !pong_timer.is_armed()) return;
  std::memcpy(&number, data.data(), sizeof number);
  if (number != ping_number) return;
  pong_timer.disarm();
  const Nanoseconds round_trip = last_receive - ping_sent_at;
  statistics.round_trip_last = round_trip;
  if (statistics.round_trip_min.count() == 0 || round_trip < statistics.round_trip_min)
    statistics.round_trip_min = round_trip;
}

void WebSocketConnection::State::on_close_frame(const wire::WebSocketMessage& message) {
  close_received = true;
  close_code = message.close_code;
  close_reason = message.data;
  if (!writer.is_closed()) {
    static_cast<void>(writer.write_close(out, close_code));
    static_cast<void>(send_queued());
  }
  fail_with({ErrorCode::connection_closed,
             transport->info().peer + ": closed by the peer " + text_of(close_code, close_reason), false, nullptr},
            true);
}

// Writing.

Result<> WebSocketConnection::State::check_room(std::size_t bytes) {
  if (failure) return std::unexpected(*failure);
  if (queued_bytes() + bytes <= options.write_queue_bytes_max) return {};
  return fail(ErrorCode::exhausted, transport->info().peer + ": " + std::to_string(queued_bytes()) +
                                        " bytes wait to be sent already; the peer reads too slowly");
}

// Sends what goes without waiting; the rest is the flush loop's, started here.
Result<> WebSocketConnection::State::send_queued() {
  if (corks != 0 || is_flushing || out.empty()) return {};
  const auto count = transport->write_now(out);
  if (!count) {
    fail_with(count.error(), false);
    return std::unexpected(count.error());
  }
  statistics.bytes_sent += *count;
  out.erase(0, *count);
  statistics.write_queue_bytes_max = std::max(statistics.write_queue_bytes_max, out.size());
  if (out.empty() && !transport->has_unsent()) return {};
  is_flushing = true;
  loop.spawn(flush_loop(shared_from_this()));
  return {};
}

Task<> WebSocketConnection::State::flush_loop(std::shared_ptr<State> self) {
  do {
    std::swap(self->out, self->in_flight);
    const auto written = co_await self->transport->write(self->in_flight);
    self->statistics.bytes_sent += self->in_flight.size();
    self->in_flight.clear();
    if (!written) {
      self->fail_with(written.error(), false);
      break;
    }
  } while (!self->out.empty());
  self->is_flushing = false;
  if (self->close_after_flush) self->close_transport();
  if (self->flushed.has_waiter()) self->flushed.set();
}

Task<Result<>> WebSocketConnection::State::flush(std::shared_ptr<State> self) {
  if (auto sent = self->send_queued(); !sent) co_return sent;
  while (self->is_flushing) {
    const auto outcome = co_await self->flushed.wait();
    if (outcome == async::Signal::Outcome::cancelled) {
      co_return fail(ErrorCode::cancelled, self->transport->info().peer + ": cancelled");
    }
  }
  if (self->failure) co_return std::unexpected(*self->failure);
  co_return Result<>();
}

// Ending.

void WebSocketConnection::State::fail_with(Error error, bool send_first) {
  if (!failure) failure = std::move(error);
  ping_timer.disarm();
  pong_timer.disarm();
  silence_timer.disarm();
  if (send_first && is_flushing) {
    close_after_flush = true;
    // A peer that does not take our last words must not keep the socket.
    loop.timers().arm(silence_timer, detail::deadline_after(loop.now(), options.pong_timeout));
  } else {
    close_transport();
  }
  if (pong_seen.has_waiter()) pong_seen.set();
  const auto keep = shared_from_this();  // each that is resumed may destroy the connection
  while (!closers.empty()) {
    async::Signal* const ended = closers.back();
    closers.pop_back();
    ended->set();
  }
}

void WebSocketConnection::State::close_transport() {
  silence_timer.disarm();
  transport->close();
}

Task<Result<>> WebSocketConnection::State::close(std::shared_ptr<State> self, WebSocketCloseCode code,
                                                 std::string reason, Instant deadline) {
  if (self->failure) {
    co_await close_when_flushed(self, deadline);
    if (self->close_received) co_return Result<>();
    co_return std::unexpected(*self->failure);
  }
  if (!self->writer.is_closed()) {
    auto written = self->writer.write_close(self->out, code, reason);
    if (!written) co_return written;
    self->corks = 0;
    static_cast<void>(self->send_queued());
  }
  bool timed_out = false;
  if (self->is_watched) self->is_unused = true;  // the background reads on, and sees the answer
  if (self->is_reading) {
    Closer closer(*self);
    const auto outcome = co_await closer.ended.wait(deadline);
    timed_out = outcome == async::Signal::Outcome::timed_out;
  } else {
    const Deadline guard(self->loop, deadline, *self->transport);
    while (!self->failure && !guard.has_passed()) {
      const auto received = co_await read(self);
      if (!received) break;
      while (self->next()) {
      }
    }
    timed_out = guard.has_passed();
  }
  if (self->close_received) {
    co_await close_when_flushed(self, deadline);
    co_return Result<>();
  }
  Error error{ErrorCode::timed_out,
              self->transport->info().peer + ": the peer did not answer the WebSocket close in time", false, nullptr};
  if (!timed_out && self->failure) error = *self->failure;
  self->fail_with(error, false);
  self->close_transport();
  co_return std::unexpected(std::move(error));
}

Task<> WebSocketConnection::State::close_when_flushed(std::shared_ptr<State> self, Instant deadline) {
  while (self->close_after_flush && self->is_flushing && self->loop.refresh_now() < deadline) {
    const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != boost::asio::cancellation_type::none) break;
    co_await self->loop.sleep_for(std::chrono::milliseconds(1));
  }
  self->close_transport();
}

// Keeping alive.

void WebSocketConnection::State::arm_timers() {
  const Instant now = loop.now();
  if (options.ping_interval.count() > 0)
    loop.timers().arm(ping_timer, detail::deadline_after(now, options.ping_interval));
  if (options.silence_timeout.count() > 0)
    loop.timers().arm(silence_timer, detail::deadline_after(now, options.silence_timeout));
}

void WebSocketConnection::State::on_ping_time() {
  loop.timers().arm(ping_timer, detail::deadline_after(loop.now(), options.ping_interval));
  if (pong_timer.is_armed() || writer.is_closed()) return;
  ++ping_number;
  std::array<char, sizeof ping_number> data;
  std::memcpy(data.data(), &ping_number, sizeof ping_number);
  if (!writer.write_ping(out, std::string_view(data.data(), data.size()))) return;
  ++statistics.pings_sent;
  ping_sent_at = loop.refresh_now();
  loop.timers().arm(pong_timer, detail::deadline_after(ping_sent_at, options.pong_timeout));
  static_cast<void>(send_queued());
}

void WebSocketConnection::State::on_pong_time() {
  if (!is_reading) {
    // The pong may be there, unread: that the user is slow is not the peer's fault.
    loop.timers().arm(pong_timer, detail::deadline_after(loop.now(), options.pong_timeout));
    return;
  }
  fail_with({ErrorCode::timed_out, transport->info().peer + ": no answer to a WebSocket ping in time", false, nullptr},
            false);
}

void WebSocketConnection::State::on_silence() {
  if (close_after_flush) {
    close_transport();
    return;
  }
  if (!is_reading) {
    loop.timers().arm(silence_timer, detail::deadline_after(loop.now(), options.silence_timeout));
    return;
  }
  fail_with({ErrorCode::timed_out, transport->info().peer + ": silent for too long", false, nullptr}, false);
}

}  // namespace marketprism::net
