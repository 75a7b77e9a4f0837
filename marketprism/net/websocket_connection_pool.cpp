#include "marketprism/net/websocket_connection_pool.hpp"

#include <algorithm>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/websocket_connection_pool_state.hpp"

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

pool::PoolConfig lease_config(const WebSocketPoolOptions& options) {
  pool::PoolConfig config = options.leases.value_or(options.connections);
  if (!options.leases) config.min_size = 0;
  config.name = options.connections.name + " leases";
  config.type = pool::PoolType::websocket;
  return config;
}

WebSocketConnector lease_connector(EventLoop& loop, const WebSocketPoolOptions& options) {
  WebSocketConnectTarget target;
  target.tls = options.tls;
  target.route = options.route;
  return WebSocketConnector(loop, std::move(target), options.websocket, options.close_timeout);
}

}  // namespace

WebSocketConnectionPool::State::State(EventLoop& event_loop, WebSocketPoolOptions pool_options,
                                      const std::vector<wire::Url>& endpoint_urls,
                                      WebSocketStreamHandler& stream_handler)
    : loop(event_loop),
      options(std::move(pool_options)),
      urls(endpoint_urls),
      handler(stream_handler),
      slots(options.connections, options.slots, endpoints_of(endpoint_urls)),
      leases(event_loop, lease_config(options), endpoints_of(endpoint_urls), lease_connector(event_loop, options)),
      timer(&State::on_timer, this) {}

std::shared_ptr<WebSocketConnectionPool::State::Connection> WebSocketConnectionPool::State::add_connection(
    SlotConnection slot, std::unique_ptr<WebSocketConnection> socket) {
  auto connection = std::make_shared<Connection>();
  connection->slot = slot;
  connection->number = options.next_connection ? options.next_connection() : ++last_number;
  connection->socket = std::move(socket);
  connection->pinged_at = loop.now();
  connections.emplace(slot.id, connection);
  by_number.emplace(connection->number, connection);
  return connection;
}

Task<> WebSocketConnectionPool::State::run(std::shared_ptr<State> self, pool::SlotDial dial) {
  const wire::Url url = self->urls[dial.endpoint];
  WebSocketConnectTarget target;
  target.url = url;
  target.tls = self->options.tls;
  target.route = self->options.route;
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
  self->forget(*connection);
  self->past.add(connection->socket->statistics());
  self->handler.on_close(connection->number, connection->socket->close_code(), connection->socket->close_reason(),
                         false);
  self->slots.lost(connection->slot, self->loop.now());
  self->pump();
}

/// True if the connection ended by itself, false if we closed it.
Task<bool> WebSocketConnectionPool::State::read_until_end(std::shared_ptr<State> self,
                                                          std::shared_ptr<Connection> connection) {
  for (;;) {
    connection->is_being_read = true;
    const Result<> read = co_await connection->socket->read_some();
    connection->is_being_read = false;
    for (;;) {
      if (connection->held_until != Instant::min()) co_await wait_until_released(self, connection);
      const auto message = connection->socket->next_message();
      if (!message) break;
      // While we say goodbye somebody must go on reading: that is how the peer's answer is seen.
      if (!connection->is_muted && !self->is_gone) self->handler.on_message(connection->number, *message);
    }
    if (self->is_gone) co_return false;
    if (!connection->is_closing) self->pump();
    if (!read) co_return !connection->is_closing;
  }
}

/// What the peer sends meanwhile stays in the socket.
Task<> WebSocketConnectionPool::State::wait_until_released(std::shared_ptr<State> self,
                                                           std::shared_ptr<Connection> connection) {
  const auto is_held = [&] {
    const bool is_alone = connection->predecessor && connection->predecessor->has_ended;
    return !is_alone && !self->is_gone && !connection->is_muted && self->loop.refresh_now() < connection->held_until;
  };
  while (is_held()) co_await self->loop.sleep_for(std::chrono::milliseconds(1));
  connection->predecessor.reset();
  connection->held_until = Instant::min();
}

Task<> WebSocketConnectionPool::State::say_goodbye(std::shared_ptr<State> self, std::shared_ptr<Connection> connection,
                                                   pool::CloseReason reason) {
  // We drop it, but because it had failed its streams: to them it was lost.
  if (connection->is_muted)
    self->handler.on_close(connection->number, WebSocketCloseCode::abnormal, name_of(reason), false);
  // A connection that is held has one before it to wait for, and then its own messages to deliver; whatever its reader
  // does, it reads again within `handover_max`. Only then can the close rely on it to see the peer's answer.
  while (!connection->is_being_read && connection->socket->is_open() && !self->is_gone)
    co_await self->loop.sleep_for(std::chrono::milliseconds(1));
  const Instant deadline = self->loop.refresh_now() + self->options.close_timeout;
  // Closing is best effort: whether the peer answers changes nothing for us.
  static_cast<void>(co_await connection->socket->close(WebSocketCloseCode::normal, "", deadline));
  connection->socket->cancel();
  connection->has_ended = true;
  if (!connection->is_muted && !self->is_gone)
    self->handler.on_close(connection->number, WebSocketCloseCode::normal, name_of(reason), true);
  connection->is_muted = true;
  self->past.add(connection->socket->statistics());
  std::erase(self->closing, connection);
}

/// A stream is acknowledged. Where it comes from a connection that still brings it, that one is let go first.
void WebSocketConnectionPool::State::confirm(const std::shared_ptr<Connection>& connection, StreamHandle stream) {
  const SlotConnection carrier = slots.carrier_of(stream);
  if (!(carrier == connection->slot) && connections.contains(carrier.id)) hold(*connection, handover_pause, nullptr);
  slots.subscribed(connection->slot, stream, loop.now());
}

WebSocketConnectionPool::WebSocketConnectionPool(EventLoop& loop, WebSocketPoolOptions options,
                                                 const std::vector<wire::Url>& urls, WebSocketStreamHandler& handler)
    : state_(std::make_shared<State>(loop, std::move(options), urls, handler)) {}

WebSocketConnectionPool::~WebSocketConnectionPool() {
  state_->is_gone = true;
  state_->timer.disarm();
  state_->leases.stop();
  for (auto& [id, connection] : state_->connections) connection->socket->cancel();
}

void WebSocketConnectionPool::use_connect_budget(pool::ConnectBudget& budget) {
  state_->slots.use_connect_budget(budget);
  state_->leases.use_connect_budget(budget);
}

void WebSocketConnectionPool::use_ledger(std::shared_ptr<pool::PermitLedger> ledger) {
  state_->leases.use_ledger(std::move(ledger));
}

Result<> WebSocketConnectionPool::reconfigure(pool::PoolConfig config) {
  auto done = state_->slots.reconfigure(std::move(config), state_->loop.refresh_now());
  state_->pump();
  return done;
}

Result<> WebSocketConnectionPool::resize(std::size_t max_size) {
  auto done = state_->slots.resize(max_size, state_->loop.refresh_now());
  state_->pump();
  return done;
}

Result<> WebSocketConnectionPool::reconfigure_leases(pool::PoolConfig config) {
  return state_->leases.reconfigure(std::move(config));
}

Result<> WebSocketConnectionPool::set_endpoints(const std::vector<wire::Url>& urls) {
  const std::vector<pool::Endpoint> endpoints = endpoints_of(urls);
  if (auto done = state_->slots.set_endpoints(endpoints, state_->loop.refresh_now()); !done) return done;
  const pool::EndpointSet& known = state_->slots.endpoints();
  state_->urls.resize(known.size());
  for (std::uint32_t i = 0; i < known.size(); ++i) {
    const auto named = std::ranges::find(endpoints, known[i]);
    if (named != endpoints.end()) state_->urls[i] = urls[static_cast<std::size_t>(named - endpoints.begin())];
  }
  state_->pump();
  return state_->leases.set_endpoints(endpoints);
}

std::size_t WebSocketConnectionPool::close_idle() { return state_->leases.close_idle(); }

void WebSocketConnectionPool::start() {
  state_->slots.start(state_->loop.refresh_now());
  state_->pump();
}

Result<> WebSocketConnectionPool::subscribe(std::string_view stream, Nanoseconds silence_limit) {
  const std::string name(stream);
  if (state_->streams.contains(stream))
    return fail(ErrorCode::already_exists, "stream " + name + " is subscribed already");
  const auto handle = state_->slots.place(state_->loop.now(), silence_limit);
  if (!handle) return std::unexpected(handle.error());
  state_->streams[name] = *handle;
  state_->names[handle->id] = name;
  state_->pump();
  return {};
}

bool WebSocketConnectionPool::unsubscribe(std::string_view stream) {
  const auto found = state_->streams.find(stream);
  if (found == state_->streams.end()) return false;
  const StreamHandle handle = found->second;
  state_->streams.erase(found);
  state_->slots.remove(handle, state_->loop.now());
  state_->pump();
  return true;
}

void WebSocketConnectionPool::resubscribe(std::string_view stream) {
  const auto found = state_->streams.find(stream);
  if (found == state_->streams.end()) return;
  state_->slots.resubscribe(found->second, state_->loop.now());
  state_->pump();
}

void WebSocketConnectionPool::acknowledge(std::uint32_t connection, std::int64_t id) {
  if (const auto request = state_->take_request(connection, id)) {
    state_->successor = state_->connection_of(connection);
    for (const StreamHandle stream : request->streams) state_->confirm(state_->successor, stream);
    state_->pump();
    state_->successor.reset();
  }
}

void WebSocketConnectionPool::acknowledge(std::uint32_t connection, std::string_view stream) {
  const auto carrier = state_->connection_of(connection);
  const auto found = state_->streams.find(stream);
  if (!carrier || found == state_->streams.end()) return;
  state_->successor = carrier;
  state_->confirm(carrier, found->second);
  state_->pump();
  state_->successor.reset();
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
  const auto found = state_->streams.find(stream);
  if (!carrier || found == state_->streams.end()) return;
  state_->slots.refused(carrier->slot, found->second, error, state_->loop.now());
  state_->pump();
}

void WebSocketConnectionPool::on_stream_message(std::uint32_t connection, std::string_view stream) {
  const auto found = state_->streams.find(stream);
  const auto carrier = state_->connection_of(connection);
  if (!carrier || found == state_->streams.end()) return;
  state_->slots.message(carrier->slot, found->second, state_->loop.now());
  if (state_->slots.has_actions()) state_->pump();
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

Task<Result<WebSocketLease>> WebSocketConnectionPool::acquire(Nanoseconds timeout, std::source_location where) {
  return state_->leases.acquire(timeout, where);
}

Task<std::size_t> WebSocketConnectionPool::drain(Instant deadline) {
  const auto state = state_;
  state->slots.drain(state->loop.refresh_now());
  state->pump();
  const std::size_t left = co_await state->leases.drain(deadline - state->loop.now());
  while (!state->closing.empty() && state->loop.refresh_now() < deadline) {
    co_await state->loop.sleep_for(std::chrono::milliseconds(5));
  }
  co_return left;
}

pool::PoolStats WebSocketConnectionPool::stats() const { return state_->slots.stats(state_->loop.now()); }
pool::SlotStats WebSocketConnectionPool::slot_stats() const { return state_->slots.slot_stats(); }
std::vector<pool::ConnectionInfo> WebSocketConnectionPool::connections() const {
  auto all = state_->slots.connections(state_->loop.now());
  for (auto& lent : state_->leases.connections()) all.push_back(std::move(lent));
  return all;
}

std::optional<pool::PoolStats> WebSocketConnectionPool::lease_stats() const { return state_->leases.stats(); }

void WebSocketTraffic::add(const WebSocketConnection::Statistics& one) {
  messages_received += one.messages_received;
  messages_sent += one.messages_sent;
  bytes_received += one.bytes_received;
  bytes_sent += one.bytes_sent;
  pings_sent += one.pings_sent;
  pongs_received += one.pongs_received;
  round_trip_max = std::max(round_trip_max, one.round_trip_last);
  if (one.round_trip_min.count() == 0) return;
  if (round_trip_min.count() == 0 || one.round_trip_min < round_trip_min) round_trip_min = one.round_trip_min;
}

WebSocketTraffic WebSocketConnectionPool::traffic() const {
  WebSocketTraffic sum = state_->past;
  sum.round_trip_max = Nanoseconds(0);
  for (const auto& [id, connection] : state_->connections) sum.add(connection->socket->statistics());
  for (const auto& connection : state_->closing) sum.add(connection->socket->statistics());
  return sum;
}

}  // namespace marketprism::net
