#pragma once
// The inside of WebSocketConnectionPool; included by its .cpp files only.
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

#include "marketprism/net/permit_link.hpp"
#include "marketprism/net/websocket_connection_pool.hpp"
#include "marketprism/net/websocket_leases.hpp"

namespace marketprism::net {

/// Carries out what the slots' state machine asks for. Shared by the pool and the tasks of its connections.
struct WebSocketConnectionPool::State : std::enable_shared_from_this<State> {
  using SlotConnection = pool::SlotConnection;
  using StreamHandle = pool::StreamHandle;

  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  /// Requests not answered yet are remembered up to here; the subscribe timeout looks after older ones.
  static constexpr std::size_t requests_max = 4096;
  /// So long a connection that takes over waits for the one before it to say the rest.
  static constexpr Nanoseconds handover_max = std::chrono::seconds(1);
  /// And so long where only some of the streams have moved so far: for what is on its way.
  static constexpr Nanoseconds handover_pause = std::chrono::milliseconds(50);

  struct Connection {
    SlotConnection slot;
    std::uint32_t number = 0;
    std::unique_ptr<WebSocketConnection> socket;
    Instant pinged_at{};
    bool is_being_read = false;  // its reader waits for bytes
    bool is_closing = false;     // by us
    bool is_muted = false;       // it is dead to us: what it still says is not heard
    bool has_ended = false;
    std::shared_ptr<Connection> predecessor;  // is not read on before that one has said all
    Instant held_until = Instant::min();      // nor before this
  };
  struct Dialing {
    SlotConnection slot;
    std::shared_ptr<boost::asio::cancellation_signal> stop;
    bool is_aborted = false;
  };
  /// At the end of each of the pool's tasks, on its frame.
  struct TaskEnd {
    State& state;
    ~TaskEnd() { --state.tasks; }
  };
  struct Request {
    std::int64_t id = 0;
    SlotConnection slot;
    std::vector<StreamHandle> streams;
  };

  State(EventLoop& event_loop, WebSocketPoolOptions pool_options, const std::vector<wire::Url>& endpoint_urls,
        WebSocketStreamHandler& stream_handler);
  ~State();

  Result<> use_ledger(std::shared_ptr<pool::PermitLedger> shared);

  static void on_timer(void* self) { static_cast<State*>(self)->tick(); }

  void tick() {
    const auto keep = shared_from_this();
    const Instant now = loop.now();
    slots.tick(now);
    for (auto& [id, connection] : connections) send_ping_text(*connection, now);
    pump();
  }

  void send_ping_text(Connection& connection, Instant now) {
    if (options.ping_text.empty() || connection.is_closing) return;
    const Instant quiet_since = std::max(connection.socket->last_receive(), connection.pinged_at);
    if (now - quiet_since < options.ping_text_after) return;
    connection.pinged_at = now;
    // That it does not go out is no news: without an answer the connection ends.
    static_cast<void>(send(connection, options.ping_text));
  }

  /// Carries out what the state machine asks for. Handlers called from here may call back into the pool.
  void pump() {
    if (is_pumping) return;
    is_pumping = true;
    while (!is_gone) {
      auto action = slots.next_action();
      if (!action) break;
      std::visit([this](auto& what) { carry_out(what); }, *action);
    }
    is_pumping = false;
    arm();
  }

  void arm() {
    if (is_gone) return;
    Instant wake = slots.wake_at();
    if (!options.ping_text.empty() && !is_drained) wake = std::min(wake, loop.now() + std::chrono::seconds(1));
    if (wake != Instant::max()) loop.timers().arm(timer, std::max(wake, loop.now()));
  }

  void carry_out(const pool::SlotDial& what) { begin_dial(what); }
  void carry_out(const pool::SlotAbortDial& what) { abort_dial(what.connection); }
  void carry_out(const pool::SlotClose& close) {
    const auto found = connections.find(close.connection.id);
    if (found == connections.end()) return;
    const std::shared_ptr<Connection> connection = found->second;
    forget(*connection);
    if (connection->is_closing) return;
    connection->is_closing = true;
    // What a connection that was replaced has not delivered yet comes before the peer's answer to our close, and
    // counts. Its successor waits for it, so that everything is heard in the peer's order.
    connection->is_muted = close.reason == pool::CloseReason::broken || close.reason == pool::CloseReason::unhealthy;
    if (close.reason == pool::CloseReason::lifetime && successor) hold(*successor, handover_max, connection);
    closing.push_back(connection);
    loop.spawn(say_goodbye(shared_from_this(), connection, close.reason));
  }
  void carry_out(const pool::SlotCut& cut) {
    abort_dial(cut.connection);
    const std::vector<std::shared_ptr<Connection>> all = closing;  // one may leave the list inside the call
    for (const auto& connection : all) {
      if (connection->slot == cut.connection) connection->socket->cut();
    }
  }
  /// The socket of a connection, or what was left of its dial, is closed.
  void tell_closed(SlotConnection slot) {
    slots.closed(slot, loop.refresh_now());
    pump();
  }
  /// Lets nothing of the connection be heard for a while, or until the other one has ended.
  void hold(Connection& connection, Nanoseconds time, std::shared_ptr<Connection> predecessor) {
    if (predecessor) connection.predecessor = std::move(predecessor);
    connection.held_until = std::max(connection.held_until, loop.now() + time);
  }
  void confirm(const std::shared_ptr<Connection>& connection, StreamHandle stream);
  void carry_out(const pool::Subscribe& subscribe) { ask(subscribe.connection, subscribe.streams, true); }
  void carry_out(const pool::Unsubscribe& unsubscribe) { ask(unsubscribe.connection, unsubscribe.streams, false); }
  void carry_out(const pool::StreamUp& up) {
    const auto found = connections.find(up.connection.id);
    if (found != connections.end()) handler.on_stream_up(name_of_stream(up.stream), found->second->number);
  }
  void carry_out(const pool::StreamDown& down) { handler.on_stream_down(name_of_stream(down.stream), down.why); }
  void carry_out(const pool::StreamEnd& end) {
    const auto found = names.find(end.stream.id);
    if (found == names.end()) return;
    const std::string name = found->second;
    names.erase(found);
    if (const auto stream = streams.find(name); stream != streams.end() && stream->second == end.stream)
      streams.erase(stream);
    handler.on_stream_end(name, end.error);
  }
  void carry_out(const pool::SlotsDrained&) {
    is_drained = true;
    timer.disarm();
  }

  std::string_view name_of_stream(StreamHandle stream) const {
    const auto found = names.find(stream.id);
    return found == names.end() ? std::string_view() : std::string_view(found->second);
  }

  void ask(SlotConnection slot, const std::vector<StreamHandle>& handles, bool is_subscribe);
  /// `exhausted` when the peer reads too slowly, `malformed` for text that is not UTF-8; nothing is sent then.
  Result<> send(Connection& connection, std::string_view text);
  Result<> write(Connection& connection, std::string_view text);

  std::shared_ptr<Connection> connection_of(std::uint32_t number) const {
    const auto found = by_number.find(number);
    return found == by_number.end() ? nullptr : found->second;
  }

  std::optional<Request> take_request(std::uint32_t number, std::int64_t id) {
    const auto connection = connection_of(number);
    const auto found = std::ranges::find(requests, id, &Request::id);
    if (!connection || found == requests.end() || !(found->slot == connection->slot)) return std::nullopt;
    Request request = std::move(*found);
    requests.erase(found);
    return request;
  }

  void forget(const Connection& connection) {
    by_number.erase(connection.number);
    connections.erase(connection.slot.id);
  }

  static Result<> check(const WebSocketPoolOptions& options);
  static Result<> check(const WebSocketPoolOptions& options, const std::vector<wire::Url>& urls);
  static WebSocketPoolOptions settled(WebSocketPoolOptions options);
  static std::vector<pool::Endpoint> endpoints_of(const std::vector<wire::Url>& urls);
  void begin_dial(const pool::SlotDial& what);
  void abort_dial(SlotConnection slot);
  static Task<> dial(std::shared_ptr<State> self, pool::SlotDial what);
  static Task<> read(std::shared_ptr<State> self, std::shared_ptr<Connection> connection);
  static Task<> wait_for_end(std::shared_ptr<State> self, Instant deadline);
  static Task<> say_goodbye(std::shared_ptr<State> self, std::shared_ptr<Connection> connection,
                            pool::CloseReason reason);
  static Task<> wait_until_released(std::shared_ptr<State> self, std::shared_ptr<Connection> connection);
  bool deliver(Connection& connection);
  static Task<bool> read_until_end(std::shared_ptr<State> self, std::shared_ptr<Connection> connection);
  std::shared_ptr<Connection> add_connection(SlotConnection slot, std::unique_ptr<WebSocketConnection> socket);

  EventLoop& loop;
  WebSocketPoolOptions options;
  std::vector<wire::Url> urls;
  WebSocketStreamHandler& handler;
  pool::SlotPool slots;
  std::shared_ptr<pool::PermitLedger> ledger;
  std::shared_ptr<detail::PermitLink> permit_link;
  std::uint32_t ledger_member = pool::PermitLedger::no_member;
  WebSocketLeases leases;
  WebSocketTraffic past;  // of connections that have ended
  async::Timer timer;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections;        // by the slot's id
  std::unordered_map<std::uint32_t, std::shared_ptr<Connection>> by_number;          // the same
  std::vector<std::shared_ptr<Connection>> closing;                                  // those we say goodbye to
  std::unordered_map<std::uint64_t, std::string> names;                              // of streams, by the handle's id
  std::unordered_map<std::string, StreamHandle, NameHash, std::equal_to<>> streams;  // looked up by views too
  std::vector<Request> requests;                                                     // oldest first
  std::vector<Dialing> dialing;
  std::size_t tasks = 0;                  // dials and readers
  std::shared_ptr<Connection> successor;  // whose acknowledgement is being carried out
  std::int64_t next_id = 1;
  std::uint32_t last_number = 0;
  bool is_pumping = false;
  bool is_drained = false;
  bool is_gone = false;  // the pool was destroyed: the handler must not be called any more
};

}  // namespace marketprism::net
