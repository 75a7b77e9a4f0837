// The part of HttpConnection that sends a body while its source makes it.
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "marketprism/net/http_connection_state.hpp"

namespace marketprism::net {
namespace {

// As much as has to go out within write_timeout. Larger pieces are sent in several steps.
constexpr std::size_t slice_bytes_max = 64 * 1024;

// What a source of announced length gives last is kept back until it says that this is the end.
constexpr std::size_t kept_bytes_max = 4 * 1024;

std::string described(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "an unknown exception";
  }
}

// Counts what a source gives against what it announced.
struct SourceLength {
  std::optional<std::uint64_t> announced;
  std::uint64_t given = 0;

  [[nodiscard]] bool is_reached() const { return announced && given == *announced; }
  // Of the next piece, or of the end.
  Result<> add(std::size_t bytes) {
    given += bytes;
    if (!announced || (bytes > 0 && given <= *announced) || given == *announced) return {};
    return fail(ErrorCode::invalid_argument,
                bytes > 0 ? "it gave more than the " + std::to_string(*announced) + " bytes announced"
                          : "it ended after " + std::to_string(given) + " of the " + std::to_string(*announced) +
                                " bytes announced",
                true);
  }
};

}  // namespace

HttpBodySource::~HttpBodySource() = default;

Result<> HttpBodySource::rewind() {
  return fail(ErrorCode::unsupported, "the source of the body cannot be read a second time", true);
}

// A write or a read of the source that waits is ended; the response is still wanted.
void HttpConnection::State::give_up_body() {
  if (std::exchange(is_body_given_up, true)) return;
  is_waiting_for_source = false;
  stop_body.emit(boost::asio::cancellation_type::all);
}

void HttpConnection::State::fail_body(Error error) {
  progress = HttpProgress::source_failed;
  error.message = transport->info().peer + ": the source of the request's body failed: " + error.message;
  fail_with(std::move(error));
}

void HttpConnection::State::on_body_ended(const std::exception_ptr& thrown) {
  is_sending_body = is_waiting_for_source = false;
  if (thrown && wants_body()) fail_body({ErrorCode::io_failed, described(thrown), false, nullptr});
  if (!is_writing && is_busy) {
    arm_for_response();
    if (has_streamed_head) done.set();
  }
  body_ended.set();
}

Task<Result<>> HttpConnection::State::write_all(std::string_view bytes) {
  arm("while sending the request", options.write_timeout);
  const auto taken = transport->write_now(bytes);
  if (!taken) co_return std::unexpected(taken.error());
  const bool is_out = *taken == bytes.size() && !transport->has_unsent();
  if (progress == HttpProgress::nothing_written && (*taken > 0 || !is_out)) progress = HttpProgress::written;
  if (is_out) co_return Result<>();
  co_return co_await transport->write(bytes.substr(*taken));
}

Task<Result<>> HttpConnection::State::write_piece(std::string_view bytes, bool is_chunked) {
  Result<> written;
  std::string chunk;
  while (written && !bytes.empty() && wants_body()) {
    const std::string_view slice = bytes.substr(0, slice_bytes_max);
    if (is_chunked) {
      std::array<char, 16> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), slice.size(), 16).ptr;
      chunk.assign(digits.data(), end).append("\r\n").append(slice).append("\r\n");
    }
    written = co_await write_all(is_chunked ? std::string_view(chunk) : slice);
    bytes.remove_prefix(slice.size());
  }
  co_return written;
}

// Takes the body from its source and writes it, until it is out or nobody wants the rest. Runs beside the coroutine of
// the request, which waits for the response: that may come first.
Task<> HttpConnection::send_body(std::shared_ptr<State> state, std::string_view head, HttpBodySourcePtr source) {
  State& self = *state;
  SourceLength length{source->size()};
  const bool is_chunked = !length.announced;
  std::string kept;
  auto written = co_await self.write_all(head);
  while (written && self.wants_body()) {
    self.has_read_source = self.is_waiting_for_source = true;
    self.arm("waiting for the source of the request's body", Nanoseconds::max());
    const auto read = co_await source->read();
    self.is_waiting_for_source = false;
    if (!self.wants_body()) co_return;
    const auto right = read ? length.add(read->size()) : Result<>(std::unexpected(read.error()));
    if (!right) {
      self.fail_body(right.error());
      co_return;
    }
    std::string_view piece = *read;
    if (piece.empty()) {
      written = co_await self.write_all(is_chunked ? std::string_view("0\r\n\r\n") : std::string_view(kept));
      self.is_writing = !written;
      break;
    }
    // Nobody shall take a body for whole whose source has more to say.
    if (length.is_reached()) {
      kept = piece.substr(piece.size() - std::min(piece.size(), kept_bytes_max));
      piece.remove_suffix(kept.size());
    }
    written = co_await self.write_piece(piece, is_chunked);
  }
  if (!written && self.wants_body()) self.on_write_error(std::move(written.error()));
}

Task<Result<HttpResponse*>> HttpConnection::exchange_with_body(std::shared_ptr<State> state, std::string_view head,
                                                               SendOptions options) {
  namespace asio = boost::asio;
  State& self = *state;
  self.progress = HttpProgress::nothing_written;
  if (!self.is_open) co_return std::unexpected(*self.refusal());
  self.start_exchange(options);
  if (!self.forward_prefix.empty()) [[unlikely]]
    head = self.in_absolute_form(head);
  State::Guard guard(self);
  // A cancelled request still waits for the read of the source, which is cancelled with it.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  self.is_writing = self.is_sending_body = true;
  self.body_ended.reset();
  asio::co_spawn(self.loop.executor(), send_body(state, head, options.body),
                 asio::bind_cancellation_slot(self.stop_body.slot(), [state](const std::exception_ptr& thrown) {
                   state->on_body_ended(thrown);
                 }));
  auto outcome = async::Signal::Outcome::set;
  if (!self.done.take()) outcome = co_await self.done.wait_unset();
  const bool is_cancelled = outcome != async::Signal::Outcome::set;
  if (is_cancelled) self.fail_with({ErrorCode::cancelled, "", false, nullptr});
  if (self.is_sending_body) self.give_up_body();
  while (self.is_sending_body) co_await self.body_ended.wait();
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (is_cancelled) co_return fail(ErrorCode::cancelled, self.transport->info().peer + ": the request was cancelled");
  guard.end();
  if (self.failure) co_return std::unexpected(*self.failure);
  co_return &self.response;
}

}  // namespace marketprism::net
