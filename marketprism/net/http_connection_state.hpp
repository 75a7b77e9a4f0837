#pragma once
// The inside of HttpConnection; included by its .cpp files only.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/cancellation_signal.hpp>

#include "marketprism/async/signal.hpp"
#include "marketprism/async/timer_wheel.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_parser.hpp"

namespace marketprism::net {

// Shared by the connection, its read loop and a `send` in progress, whichever lives longest.
struct HttpConnection::State {
  State(TransportPtr the_transport, HttpConnectionOptions the_options)
      : transport(std::move(the_transport)),
        loop(transport->loop()),
        options(the_options),
        parser(parser_options(the_options)),
        done(loop),
        timer([](void* self) { static_cast<State*>(self)->on_timeout(); }, this),
        room(loop),
        body_ended(loop) {
    options.stream_bytes = std::max<std::size_t>(options.stream_bytes, 1);
  }

  static HttpParserOptions parser_options(const HttpConnectionOptions& options);
  [[nodiscard]] std::optional<Error> refusal() const;
  void start_exchange(const SendOptions& send_options);
  void arm(std::string_view phase, Nanoseconds timeout);
  void on_timeout();
  void on_bytes();
  void on_streamed(bool is_whole);
  [[nodiscard]] bool is_full() const { return is_streamed && is_busy && parser.body().size() >= options.stream_bytes; }
  void on_read_error(Error error);
  void on_write_error(Error error);
  void arm_for_response();
  void complete();
  void end_exchange();
  void fail_with(Error error);
  void close_idle(Error error);
  void tell_closed();
  std::string_view in_absolute_form(std::string_view request);
  // http_connection_body.cpp: a body that comes from a source.
  [[nodiscard]] bool wants_body() const { return is_busy && !is_body_given_up; }
  Task<Result<>> write_all(std::string_view bytes);
  Task<Result<>> write_piece(std::string_view bytes, bool is_chunked);
  void give_up_body();
  void fail_body(Error error);
  void on_body_ended(const std::exception_ptr& thrown);
  Error tell_fault(std::string_view what);

  // Lies on the frame of whoever works on the exchange. A cancelled coroutine may be left by an exception: half a
  // request may be written then, and nobody waits for the response any more.
  class Guard {
   public:
    explicit Guard(State& state) : state_(state) {}
    ~Guard() {
      if (!has_ended_ && !state_.loop.is_ending()) state_.fail_with({ErrorCode::cancelled, "", false, nullptr});
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    void end() { has_ended_ = true; }

   private:
    State& state_;
    bool has_ended_ = false;
  };

  TransportPtr transport;
  EventLoop& loop;
  HttpConnectionOptions options;
  HttpParser parser;
  HttpResponse response;
  async::Signal done;  // the response is complete, or the connection failed
  async::Timer timer;
  std::optional<Error> failure;
  std::optional<Error> write_failure;  // told if no response comes either
  std::function<void()> closed_callback;
  std::function<void(const Error&)> fault_callback;
  async::Signal room;          // the reader of a streamed body has taken what was there
  std::string piece;           // what it is looking at
  std::string forward_prefix;  // "http://host:port" if a proxy forwards the requests
  std::string forward_header;  // its Proxy-Authorization, with the end of the line before
  std::string forwarded;       // the request as the proxy gets it
  std::uint64_t streamed_bytes = 0;
  std::uint64_t streamed_bytes_max = 0;
  Instant deadline = Instant::max();
  std::string_view phase;
  HttpProgress progress = HttpProgress::nothing_written;
  std::chrono::seconds keep_alive_hint{0};
  bool is_open = true;
  bool is_busy = false;
  bool is_writing = false;  // the request is not all out
  bool is_streamed = false;
  bool has_streamed_head = false;
  bool is_sending_body = false;   // the coroutine that takes the body from its source runs
  bool is_body_given_up = false;  // it is to end: nobody wants the rest
  bool is_waiting_for_source = false;
  bool has_read_source = false;  // since the exchange began
  async::Signal body_ended;      // is_sending_body has become false
  boost::asio::cancellation_signal stop_body;
};

}  // namespace marketprism::net
