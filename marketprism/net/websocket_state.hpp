#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/wire/websocket_writer.hpp"

namespace marketprism::net {

/// Everything of a WebSocketConnection. Shared by the connection and its coroutines (a read, a flush, a close),
/// whichever lives longest. Internal to net.
struct WebSocketConnection::State : std::enable_shared_from_this<WebSocketConnection::State> {
  State(TransportPtr the_transport, WebSocketRole role, wire::WebSocketAgreement the_agreement,
        const WebSocketOptions& the_options);

  /// A copy of a message, with what its view leads to.
  struct Kept {
    WebSocketReceived message;
    std::string data;
  };

  /// A close that waits for the end while another coroutine reads, on its frame.
  struct Closer {
    explicit Closer(State& the_state) : state(the_state), ended(the_state.loop) { state.closers.push_back(&ended); }
    ~Closer() { std::erase(state.closers, &ended); }
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    State& state;
    async::Signal ended;
  };

  // Reading.
  static Task<Result<>> read(std::shared_ptr<State> self);
  const WebSocketReceived* next();
  void deliver(WebSocketMessageKind kind, std::string_view data);
  void on_bad_bytes(Error error);
  void on_control_frame(const wire::WebSocketMessage& message);
  void on_pong(std::string_view data);
  void on_close_frame(const wire::WebSocketMessage& message);

  // While nobody uses it.
  bool watch(Unused what);
  static Task<> read_unused(std::shared_ptr<State> self);
  bool drop_unused();
  bool keep(const WebSocketReceived& message);
  const WebSocketReceived* next_kept();
  static Task<Result<>> take_over(std::shared_ptr<State> self);
  static Task<Result<>> check_unused(std::shared_ptr<State> self, Instant deadline);

  // Writing.
  Result<> check_room(std::size_t bytes);
  Result<> send_queued();
  static Task<> flush_loop(std::shared_ptr<State> self);
  static Task<Result<>> flush(std::shared_ptr<State> self);
  [[nodiscard]] std::size_t queued_bytes() const { return out.size() + in_flight.size(); }

  // Ending.
  static Task<Result<>> close(std::shared_ptr<State> self, WebSocketCloseCode code, std::string reason,
                              Instant deadline);
  /// What is queued goes out, by the deadline, unless it is cancelled; then the transport is closed.
  static Task<> close_when_flushed(std::shared_ptr<State> self, Instant deadline);
  /// Remembers the first error and closes the transport, at once or when what is queued is out.
  void fail_with(Error error, bool send_first);
  void close_transport();

  // Keeping alive.
  void arm_timers();
  void on_ping_time();
  void on_pong_time();
  void on_silence();

  TransportPtr transport;
  EventLoop& loop;
  WebSocketOptions options;
  wire::WebSocketAgreement agreement;
  wire::WebSocketParser parser;
  wire::WebSocketWriter writer;
  Statistics statistics;

  std::optional<Error> failure;
  WebSocketReceived received;  // what `next` gave last; its time is that of the last read
  Instant last_receive{};
  WebSocketCloseCode close_code = WebSocketCloseCode::none;
  std::string close_reason;
  bool is_reading = false;
  bool has_remainder = false;  // bytes read together with the handshake wait in the parser
  bool close_received = false;
  bool close_after_flush = false;
  bool is_unused = false;         // nobody but the background reads
  bool is_watched = false;        // the background's loop runs
  Unused unused = Unused::close;  // what to do with a message that comes meanwhile
  std::vector<Kept> kept;         // those that wait for the next user, oldest first
  std::size_t kept_bytes = 0;
  Kept given;  // the one that the user is looking at
  std::function<void()> closed_callback;
  async::Signal handed_over;            // the background has read for a user who waits
  async::Signal pong_seen;              // or the connection has failed; for a check that waits
  std::vector<async::Signal*> closers;  // set with `failure`: closes that wait while another coroutine reads

  std::string out;        // queued frames
  std::string in_flight;  // what the flush loop is writing
  std::size_t corks = 0;
  bool is_flushing = false;
  async::Signal flushed;

  async::Timer ping_timer;
  async::Timer pong_timer;
  async::Timer silence_timer;
  std::uint64_t ping_number = 0;
  Instant ping_sent_at{};
};

}  // namespace marketprism::net
