#include "marketprism/net/http_connection.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <optional>
#include <utility>

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/http_connection_state.hpp"

namespace marketprism::net {
namespace {

std::chrono::seconds parse_keep_alive(const HttpHead& head) {
  const auto value = head.find("Keep-Alive");
  if (!value) return {};
  const std::size_t at = value->find("timeout=");
  if (at == std::string_view::npos) return {};
  const std::string_view digits = value->substr(at + 8);
  int seconds = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error != std::errc() || seconds < 0) return {};
  return std::chrono::seconds(seconds);
}

}  // namespace

HttpParserOptions HttpConnection::State::parser_options(const HttpConnectionOptions& options) {
  HttpParserOptions out;
  out.is_response = true;
  out.head_bytes_max = options.head_bytes_max;
  out.body_bytes_max = options.body_bytes_max;
  out.fields_max = options.fields_max;
  return out;
}

// Why no request can be sent any more; none: it can.
std::optional<Error> HttpConnection::State::refusal() const {
  if (is_open) return std::nullopt;
  if (failure) return failure;
  return Error{ErrorCode::closed, transport->info().peer + ": the connection is closed", false, nullptr};
}

void HttpConnection::State::start_exchange(const SendOptions& send_options) {
  assert(!is_busy && "one request at a time");
  is_busy = true;
  failure.reset();
  write_failure.reset();
  has_read_source = is_body_given_up = false;
  done.reset();
  deadline = send_options.deadline;
  progress = HttpProgress::nothing_written;
  is_streamed = send_options.is_streamed;
  has_streamed_head = false;
  streamed_bytes = 0;
  streamed_bytes_max = send_options.body_bytes_max;
  parser.next_message(send_options.is_head, is_streamed ? options.stream_bytes : 0);
}

void HttpConnection::State::arm(std::string_view the_phase, Nanoseconds timeout) {
  phase = the_phase;
  loop.timers().arm(timer, std::min(deadline, detail::deadline_after(loop.now(), timeout)));
}

// The request is out. A response that has begun may be waiting for its reader: then only the deadline runs.
void HttpConnection::State::arm_for_response() {
  if (!parser.has_begun()) {
    arm("waiting for the response", options.head_timeout);
  } else if (is_full()) {
    arm("while the reader of the response was slow", Nanoseconds::max());
  } else {
    arm("while reading the response", options.read_timeout);
  }
}

void HttpConnection::State::on_timeout() {
  if (is_waiting_for_source) progress = HttpProgress::source_failed;
  fail_with({ErrorCode::timed_out, transport->info().peer + ": timed out " + std::string(phase), false, nullptr});
}

// Ends the exchange, if one is in progress, and the connection.
void HttpConnection::State::fail_with(Error error) {
  timer.disarm();
  is_open = false;
  transport->close();
  if (room.has_waiter()) room.set();
  const bool was_busy = std::exchange(is_busy, false);
  if (was_busy) failure = std::move(error);
  tell_closed();
  if (was_busy) done.set();
}

// Before the end of the exchange is told: who then gives the connection back gives back one that is known to be dead.
void HttpConnection::State::tell_closed() {
  if (const auto callback = std::exchange(closed_callback, nullptr)) callback();
}

Error HttpConnection::State::tell_fault(std::string_view what) {
  Error error{ErrorCode::malformed, transport->info().peer + std::string(what), false, nullptr};
  if (fault_callback) fault_callback(error);
  return error;
}

// Nothing is in progress; the error is for who comes before the pool has seen it.
void HttpConnection::State::close_idle(Error error) {
  failure = std::move(error);
  is_open = false;
  transport->close();
  tell_closed();
}

void HttpConnection::State::complete() {
  std::swap(response.head, parser.head());
  std::swap(response.body, parser.body());
  end_exchange();
}

void HttpConnection::State::end_exchange() {
  timer.disarm();
  keep_alive_hint = parse_keep_alive(response.head);
  progress = HttpProgress::complete;
  // A response that came before the request was out, or with more than it should have, leaves nothing to build on.
  const bool is_over =
      is_writing || !response.head.keeps_alive() || response.status() == 101 || !parser.unread().empty();
  if (!parser.unread().empty() && response.status() != 101) [[unlikely]] {
    tell_fault(": the server sent more than one response to one request");
  }
  is_busy = false;
  constexpr std::size_t kept_bytes_max = 256 * 1024;
  if (forwarded.capacity() > kept_bytes_max) [[unlikely]]
    forwarded = std::string();
  if (is_over) {
    is_open = false;
    transport->close();
  }
  if (!is_open) tell_closed();
  done.set();
}

void HttpConnection::State::on_bytes() {
  if (!is_busy) {
    close_idle(tell_fault(": the server sent bytes that nobody had asked for"));
    return;
  }
  progress = HttpProgress::response_begun;
  const auto parsed = parser.parse();
  if (!parsed) {
    Error error = parsed.error();
    error.message = transport->info().peer + ": " + error.message;
    fail_with(std::move(error));
    return;
  }
  // RFC 9112, section 9.3: who refuses the request before it is out need not be sent the rest.
  if (is_sending_body && parser.has_head() && parser.head().status() >= 300) [[unlikely]] {
    give_up_body();
  }
  if (is_streamed) [[unlikely]] {
    on_streamed(*parsed);
  } else if (*parsed) {
    complete();
  } else if (!is_sending_body || is_body_given_up) {  // else the time for sending runs
    arm("while reading the response", options.read_timeout);
  }
}

// The body stays in the parser until its reader takes it.
void HttpConnection::State::on_streamed(bool is_whole) {
  if (!has_streamed_head && parser.has_head()) {
    has_streamed_head = true;
    response.head = parser.head();
    response.body.clear();
  }
  if (is_whole) {
    end_exchange();
    return;
  }
  if (is_sending_body && !is_body_given_up) return;
  arm_for_response();
  if (has_streamed_head) done.set();
}

// A server may answer, and close, before it took the whole request: its answer counts then. It has come before the cut
// that stopped us, so what is still to be read tells.
void HttpConnection::State::on_write_error(Error error) {
  if (!is_busy) return;
  if (error.code != ErrorCode::connection_reset || progress == HttpProgress::nothing_written) {
    fail_with(std::move(error));
    return;
  }
  write_failure = std::move(error);
  is_writing = true;
  arm_for_response();
}

void HttpConnection::State::on_read_error(Error error) {
  if (!is_open) return;
  if (!is_busy) {
    error.message = transport->info().peer + ": the peer closed the connection while it was unused";
    close_idle(std::move(error));
    return;
  }
  if (error.code == ErrorCode::connection_closed) {
    if (parser.phase() == HttpParser::Phase::body_until_close && parser.end()) {
      is_open = false;
      transport->close();
      if (is_streamed) {
        end_exchange();
      } else {
        complete();
      }
      return;
    }
    error.message =
        transport->info().peer + (parser.has_begun() ? ": the peer closed the connection in the middle of the response"
                                                     : ": the peer closed the connection before it answered");
  }
  if (write_failure && !parser.has_begun()) error = std::move(*write_failure);
  fail_with(std::move(error));
}

Task<> HttpConnection::read_loop(std::shared_ptr<State> state) {
  while (state->is_open) {
    if (state->is_full()) [[unlikely]] {
      co_await state->room.wait();
      continue;
    }
    if (state->is_busy && state->parser.is_holding_back()) [[unlikely]] {
      state->on_bytes();  // what there was no room for
      continue;
    }
    const auto count = co_await state->transport->read_some(state->parser.prepare());
    if (!count) {
      state->on_read_error(count.error());
      co_return;
    }
    state->parser.commit(*count);
    state->on_bytes();
  }
}

HttpConnection::HttpConnection(TransportPtr transport, HttpConnectionOptions options)
    : state_(std::make_shared<State>(std::move(transport), options)) {
  state_->loop.spawn(read_loop(state_));
}

HttpConnection::~HttpConnection() {
  state_->closed_callback = nullptr;
  state_->fault_callback = nullptr;
  close();
}

Task<Result<std::unique_ptr<HttpConnection>>> HttpConnection::connect(EventLoop& loop, ConnectTarget target,
                                                                      Instant deadline, HttpConnectionOptions options) {
  auto transport = co_await net::connect(loop, std::move(target), deadline);
  if (!transport) co_return std::unexpected(std::move(transport.error()));
  co_return std::make_unique<HttpConnection>(std::move(*transport), options);
}

Task<Result<HttpResponse*>> HttpConnection::send(std::string_view request) {
  const SendOptions options;
  return send(request, options);
}

Task<Result<HttpResponse*>> HttpConnection::send(std::string_view request, SendOptions options) {
  if (options.body != nullptr) [[unlikely]]
    return exchange_with_body(state_, request, std::move(options));
  return exchange(state_, request, std::move(options));
}

Task<Result<HttpResponse*>> HttpConnection::exchange(std::shared_ptr<State> state, std::string_view request,
                                                     SendOptions options) {
  State& self = *state;
  self.progress = HttpProgress::nothing_written;
  if (!self.is_open) co_return std::unexpected(*self.refusal());
  self.start_exchange(options);
  if (!self.forward_prefix.empty()) [[unlikely]]
    request = self.in_absolute_form(request);
  State::Guard guard(self);
  self.arm("while sending the request", self.options.write_timeout);
  auto written = self.transport->write_now(request);
  if (written && *written > 0) self.progress = HttpProgress::written;
  if (written && (*written < request.size() || self.transport->has_unsent())) {
    self.is_writing = true;
    self.progress = HttpProgress::written;
    const auto rest = co_await self.transport->write(request.substr(*written));
    self.is_writing = false;
    if (!rest) written = std::unexpected(rest.error());
  }
  if (!written) self.on_write_error(written.error());
  if (self.is_busy && !self.parser.has_begun()) self.arm("waiting for the response", self.options.head_timeout);
  auto outcome = async::Signal::Outcome::set;
  if (!self.done.take()) outcome = co_await self.done.wait_unset();
  if (outcome != async::Signal::Outcome::set) {
    co_return fail(ErrorCode::cancelled, self.transport->info().peer + ": the request was cancelled");
  }
  guard.end();
  if (self.failure) co_return std::unexpected(*self.failure);
  co_return &self.response;
}

Task<Result<std::string_view>> HttpConnection::read_body() {
  assert(state_->is_streamed);
  return read_piece(state_);
}

Task<Result<std::string_view>> HttpConnection::read_piece(std::shared_ptr<State> state) {
  State& self = *state;
  State::Guard guard(self);
  self.piece.clear();
  while (self.parser.body().empty()) {
    if (self.failure) co_return std::unexpected(*self.failure);
    if (!self.is_busy) {
      guard.end();
      co_return std::string_view();
    }
    const auto outcome = co_await self.done.wait();
    if (outcome == async::Signal::Outcome::set) continue;
    co_return fail(ErrorCode::cancelled, self.transport->info().peer + ": reading the response was cancelled");
  }
  const bool was_full = self.is_full();
  std::swap(self.piece, self.parser.body());
  self.streamed_bytes += self.piece.size();
  if (self.streamed_bytes_max != 0 && self.streamed_bytes > self.streamed_bytes_max) {
    Error error{
        ErrorCode::too_large,
        self.transport->info().peer + ": the body is larger than " + std::to_string(self.streamed_bytes_max) + " bytes",
        false, nullptr};
    self.fail_with(error);
    co_return std::unexpected(std::move(error));
  }
  guard.end();
  if (was_full) {
    self.arm("while reading the response", self.options.read_timeout);
    if (self.room.has_waiter()) self.room.set();
  }
  co_return std::string_view(self.piece);
}

HttpProgress HttpConnection::progress() const { return state_->progress; }
bool HttpConnection::has_read_source() const { return state_->has_read_source; }
bool HttpConnection::is_reusable() const { return state_->is_open && !state_->is_busy; }
bool HttpConnection::is_open() const { return state_->is_open; }
void HttpConnection::on_closed(std::function<void()> callback) { state_->closed_callback = std::move(callback); }
void HttpConnection::on_fault(std::function<void(const Error&)> callback) {
  state_->fault_callback = std::move(callback);
}
std::chrono::seconds HttpConnection::keep_alive_hint() const { return state_->keep_alive_hint; }
const TransportInfo& HttpConnection::info() const { return state_->transport->info(); }

std::size_t HttpConnection::memory_bytes() const {
  return sizeof(State) + state_->parser.memory_bytes() + state_->response.body.capacity() +
         state_->forwarded.capacity();
}

void HttpConnection::close() {
  if (!state_->is_open) return;
  state_->fail_with(
      {ErrorCode::cancelled, state_->transport->info().peer + ": the connection was closed here", false, nullptr});
}

}  // namespace marketprism::net
