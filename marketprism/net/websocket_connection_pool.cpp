#include "marketprism/net/websocket_connection_pool.hpp"

#include <algorithm>
#include <unordered_map>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {
namespace {

using pool::SlotConnection;
using pool::StreamHandle;

pool::Endpoint endpoint_of(const wire::Url& url) {
  return {.host = url.host, .port = url.port, .is_tls = url.is_secure(), .target = url.target()};
}

std::vector<pool::Endpoint> endpoints_of(const std::vector<wire::Url>& urls) {
  std::vector<pool::Endpoint> endpoints;
  for (const wire::Url& url : urls) {
    endpoints.push_back(endpoint_of(url));
    endpoints.back().priority = static_cast<std::uint32_t>(endpoints.size() - 1);
  }
  return endpoints;
}

/// Requests not answered yet are remembered up to here; the subscribe timeout looks after older ones.
constexpr std::size_t requests_max = 4096;

}  // namespace

struct WebSocketConnectionPool::State : std::enable_shared_from_this<State> {
  struct Connection {
    SlotConnection slot;
    std::uint32_t number = 0;
    std::unique_ptr<WebSocketConnection> socket;
    Instant pinged_at{};
    bool is_closing = false;  // by us
  };
  struct Request {
    std::int64_t id = 0;
    SlotConnection slot;
    std::vector<StreamHandle> streams;
  };

  State(EventLoop& event_loop, WebSocketPoolOptions pool_options, const std::vector<wire::Url>& endpoint_urls,
        WebSocketStreamHandler& stream_handler)
      : loop(event_loop),
        options(std::move(pool_options)),
        urls(endpoint_urls),
        handler(stream_handler),
        slots(options.connections, options.slots, endpoints_of(endpoint_urls)),
        timer(&State::on_timer, this) {}

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
    send(connection, options.ping_text);
  }

  /// Carries out what the state machine asks for. Handlers called from here may call back into the pool.
  void pump() {
    if (is_pumping) return;
    is_pumping = true;
    while (auto action = slots.next_action()) {
      std::visit([this](auto& what) { carry_out(what); }, *action);
    }
    is_pumping = false;
    arm();
  }

  void arm() {
    if (is_drained) return;
    Instant wake = slots.wake_at();
    if (!options.ping_text.empty()) wake = std::min(wake, loop.now() + std::chrono::seconds(1));
    if (wake != Instant::max()) loop.timers().arm(timer, std::max(wake, loop.now()));
  }

  void carry_out(const pool::SlotDial& dial) { loop.spawn(run(shared_from_this(), dial)); }
  void carry_out(const pool::SlotAbortDial&) {}  // a late answer is refused by the state machine
  void carry_out(const pool::SlotClose& close) {
    const auto found = connections.find(close.connection.id);
    if (found == connections.end()) return;
    const std::shared_ptr<Connection> connection = found->second;
    connections.erase(found);
    if (connection->is_closing) return;
    connection->is_closing = true;
    handler.on_close(connection->number, WebSocketCloseCode::normal, name_of(close.reason), true);
    loop.spawn(say_goodbye(shared_from_this(), connection));
  }
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

  void ask(SlotConnection slot, const std::vector<StreamHandle>& handles, bool is_subscribe) {
    const auto found = connections.find(slot.id);
    if (found == connections.end()) return;
    std::vector<std::string> texts;
    for (const StreamHandle handle : handles) {
      if (const std::string_view name = name_of_stream(handle); !name.empty()) texts.emplace_back(name);
    }
    if (texts.empty()) return;
    const std::int64_t id = next_id++;
    if (is_subscribe) {
      if (requests.size() == requests_max) requests.erase(requests.begin());
      requests.push_back({id, slot, handles});
    }
    write(*found->second, is_subscribe ? handler.subscribe_text(texts, id) : handler.unsubscribe_text(texts, id));
  }

  void send(Connection& connection, std::string_view text) {
    slots.count_message(connection.slot, loop.now());
    write(connection, text);
  }
  void write(Connection& connection, std::string_view text) {
    handler.on_sent(connection.number, text);
    // A write that fails shows as the end of the connection at its next read.
    static_cast<void>(connection.socket->send_text(text));
  }

  std::shared_ptr<Connection> connection_of(std::uint32_t number) const {
    for (const auto& [id, connection] : connections) {
      if (connection->number == number) return connection;
    }
    return nullptr;
  }

  std::optional<Request> take_request(std::uint32_t number, std::int64_t id) {
    const auto connection = connection_of(number);
    const auto found = std::ranges::find(requests, id, &Request::id);
    if (!connection || found == requests.end() || !(found->slot == connection->slot)) return std::nullopt;
    Request request = std::move(*found);
    requests.erase(found);
    return request;
  }

  static Task<> run(std::shared_ptr<State> self, pool::SlotDial dial);
  static Task<> say_goodbye(std::shared_ptr<State> self, std::shared_ptr<Connection> connection);
  static Task<bool> read_until_end(std::shared_ptr<State> self, std::shared_ptr<Connection> connection);
  std::shared_ptr<Connection> add_connection(SlotConnection slot, std::unique_ptr<WebSocketConnection> socket);

  EventLoop& loop;
  WebSocketPoolOptions options;
  std::vector<wire::Url> urls;
  WebSocketStreamHandler& handler;
  pool::SlotPool slots;
  async::Timer timer;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections;  // by the slot's id
  std::unordered_map<std::uint64_t, std::string> names;                        // of streams, by the handle's id
  std::unordered_map<std::string, StreamHandle> streams;
  std::vector<Request> requests;  // oldest first
  std::int64_t next_id = 1;
  std::uint32_t last_number = 0;
  std::size_t goodbyes = 0;
  bool is_pumping = false;
  bool is_drained = false;
  bool is_gone = false;  // the pool was destroyed: the handler must not be called any more
};

std::shared_ptr<WebSocketConnectionPool::State::Connection> WebSocketConnectionPool::State::add_connection(
    SlotConnection slot, std::unique_ptr<WebSocketConnection> socket) {
  auto connection = std::make_shared<Connection>();
  connection->slot = slot;
  connection->number = options.next_connection ? options.next_connection() : ++last_number;
  connection->socket = std::move(socket);
  connection->pinged_at = loop.now();
  connections.emplace(slot.id, connection);
  return connection;
}

Task<> WebSocketConnectionPool::State::run(std::shared_ptr<State> self, pool::SlotDial dial) {
  const wire::Url url = self->urls[dial.endpoint];
  WebSocketConnectTarget target;
  target.url = url;
  target.tls = self->options.tls;
  auto connected =
      co_await WebSocketConnection::connect(self->loop, std::move(target), dial.deadline, self->options.websocket);
  if (self->is_gone) co_return;
  const Instant now = self->loop.refresh_now();
  if (!connected) {
    self->handler.on_dial_failed(connected.error());
    self->slots.dial_failed(dial.connection, std::move(connected.error()), now);
    self->pump();
    co_return;
  }
  if (!self->slots.dialed(dial.connection, now)) co_return;
  const auto connection = self->add_connection(dial.connection, std::move(*connected));
  self->handler.on_open(connection->number, url);
  for (const std::string& text : self->handler.greeting()) self->send(*connection, text);
  self->pump();
  const bool is_lost = co_await read_until_end(self, connection);
  if (!is_lost || self->is_gone) co_return;
  connection->is_closing = true;
  self->connections.erase(connection->slot.id);
  self->handler.on_close(connection->number, connection->socket->close_code(), connection->socket->close_reason(),
                         false);
  self->slots.lost(connection->slot, self->loop.now());
  self->pump();
}

/// True if the connection ended by itself, false if we closed it.
Task<bool> WebSocketConnectionPool::State::read_until_end(std::shared_ptr<State> self,
                                                          std::shared_ptr<Connection> connection) {
  for (;;) {
    const Result<> read = co_await connection->socket->read_some();
    while (const auto message = connection->socket->next_message()) {
      // While we say goodbye somebody must go on reading: that is how the peer's answer is seen.
      if (!connection->is_closing && !self->is_gone) self->handler.on_message(connection->number, *message);
    }
    if (self->is_gone) co_return false;
    if (!connection->is_closing) self->pump();
    if (!read) co_return !connection->is_closing;
  }
}

Task<> WebSocketConnectionPool::State::say_goodbye(std::shared_ptr<State> self,
                                                   std::shared_ptr<Connection> connection) {
  ++self->goodbyes;
  const Instant deadline = self->loop.refresh_now() + self->options.close_timeout;
  // Closing is best effort: whether the peer answers changes nothing for us.
  static_cast<void>(co_await connection->socket->close(WebSocketCloseCode::normal, "", deadline));
  connection->socket->cancel();
  --self->goodbyes;
}

WebSocketConnectionPool::WebSocketConnectionPool(EventLoop& loop, WebSocketPoolOptions options,
                                                 const std::vector<wire::Url>& urls, WebSocketStreamHandler& handler)
    : state_(std::make_shared<State>(loop, std::move(options), urls, handler)) {}

WebSocketConnectionPool::~WebSocketConnectionPool() {
  state_->is_gone = true;
  state_->timer.disarm();
  for (auto& [id, connection] : state_->connections) connection->socket->cancel();
}

void WebSocketConnectionPool::use_connect_budget(pool::ConnectBudget& budget) {
  state_->slots.use_connect_budget(budget);
}

void WebSocketConnectionPool::start() {
  state_->slots.start(state_->loop.refresh_now());
  state_->pump();
}

Result<> WebSocketConnectionPool::subscribe(std::string_view stream) {
  const std::string name(stream);
  if (state_->streams.contains(name))
    return fail(ErrorCode::already_exists, "stream " + name + " is subscribed already");
  const auto handle = state_->slots.place(state_->loop.now());
  if (!handle) return std::unexpected(handle.error());
  state_->streams[name] = *handle;
  state_->names[handle->id] = name;
  state_->pump();
  return {};
}

bool WebSocketConnectionPool::unsubscribe(std::string_view stream) {
  const auto found = state_->streams.find(std::string(stream));
  if (found == state_->streams.end()) return false;
  const StreamHandle handle = found->second;
  state_->streams.erase(found);
  state_->slots.remove(handle, state_->loop.now());
  state_->pump();
  return true;
}

void WebSocketConnectionPool::resubscribe(std::string_view stream) {
  const auto found = state_->streams.find(std::string(stream));
  if (found == state_->streams.end()) return;
  const auto carrier = state_->connections.find(state_->slots.carrier_of(found->second).id);
  if (carrier == state_->connections.end()) return;  // it will be asked for on its next connection
  const std::vector<std::string> names{found->first};
  state_->send(*carrier->second, state_->handler.unsubscribe_text(names, state_->next_id++));
  state_->send(*carrier->second, state_->handler.subscribe_text(names, state_->next_id++));
  state_->arm();
}

void WebSocketConnectionPool::acknowledge(std::uint32_t connection, std::int64_t id) {
  if (const auto request = state_->take_request(connection, id)) {
    for (const StreamHandle stream : request->streams)
      state_->slots.subscribed(request->slot, stream, state_->loop.now());
    state_->pump();
  }
}

void WebSocketConnectionPool::acknowledge(std::uint32_t connection, std::string_view stream) {
  const auto carrier = state_->connection_of(connection);
  const auto found = state_->streams.find(std::string(stream));
  if (!carrier || found == state_->streams.end()) return;
  state_->slots.subscribed(carrier->slot, found->second, state_->loop.now());
  state_->pump();
}

void WebSocketConnectionPool::refuse(std::uint32_t connection, std::int64_t id, const Error& error) {
  if (const auto request = state_->take_request(connection, id)) {
    for (const StreamHandle stream : request->streams)
      state_->slots.refused(request->slot, stream, error, state_->loop.now());
    state_->pump();
  }
}

void WebSocketConnectionPool::refuse(std::uint32_t connection, std::string_view stream, const Error& error) {
  const auto carrier = state_->connection_of(connection);
  const auto found = state_->streams.find(std::string(stream));
  if (!carrier || found == state_->streams.end()) return;
  state_->slots.refused(carrier->slot, found->second, error, state_->loop.now());
  state_->pump();
}

void WebSocketConnectionPool::announce_closing(std::uint32_t connection) {
  if (const auto found = state_->connection_of(connection)) {
    state_->slots.closing(found->slot, state_->loop.now());
    state_->pump();
  }
}

void WebSocketConnectionPool::send(std::uint32_t connection, std::string_view text) {
  if (const auto found = state_->connection_of(connection)) state_->send(*found, text);
}

Task<> WebSocketConnectionPool::drain(Instant deadline) {
  const auto state = state_;
  state->slots.drain(state->loop.refresh_now());
  state->pump();
  while (state->goodbyes > 0 && state->loop.refresh_now() < deadline) {
    co_await state->loop.sleep_for(std::chrono::milliseconds(5));
  }
}

pool::PoolStats WebSocketConnectionPool::stats() const { return state_->slots.stats(state_->loop.now()); }
pool::SlotStats WebSocketConnectionPool::slot_stats() const { return state_->slots.slot_stats(); }
std::vector<pool::ConnectionInfo> WebSocketConnectionPool::connections() const {
  return state_->slots.connections(state_->loop.now());
}

}  // namespace marketprism::net
