// How the tasks of a WebSocketConnectionPool dial, read and say goodbye.
#include "marketprism/net/websocket_connection_pool_state.hpp"

#include <algorithm>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

namespace marketprism::net {
namespace {

using pool::SlotConnection;
using pool::StreamHandle;

pool::Endpoint endpoint_of(const wire::Url& url) {
  return {.host = url.host, .port = url.port, .is_tls = url.is_secure(), .target = url.target()};
}

pool::PoolConfig lease_config(const WebSocketPoolOptions& options) {
  pool::PoolConfig config = options.leases.value_or(options.config.connections);
  if (!options.leases) config.min_size = 0;
  config.close_timeout = options.config.close_timeout;
  config.name = options.config.connections.name + " leases";
  config.type = pool::PoolType::websocket;
  return config;
}

// All but the url.
WebSocketConnectTarget target_of(const WebSocketPoolOptions& options) {
  WebSocketConnectTarget target;
  target.tls = options.tls;
  target.route = options.route;
  target.subprotocols = options.subprotocols;
  target.deflate = options.deflate;
  target.headers = options.headers;
  return target;
}

WebSocketConnector lease_connector(EventLoop& loop, const WebSocketPoolOptions& options) {
  return WebSocketConnector(loop, target_of(options), options.websocket, options.config.close_timeout);
}

}  // namespace

// What is said in two places counts where the pool's config says it.
WebSocketPoolOptions WebSocketConnectionPool::State::settled(WebSocketPoolOptions options) {
  options.config.connections.type = pool::PoolType::websocket;
  options.websocket.ping_interval = options.config.ping_interval;
  options.websocket.pong_timeout = options.config.pong_timeout;
  options.config.connections.close_timeout = options.config.close_timeout;
  return options;
}

Result<> WebSocketConnectionPool::State::check(const WebSocketPoolOptions& options) {
  if (auto ok = options.config.validate(); !ok) return ok;
  if (auto ok = lease_config(options).validate(); !ok) return ok;
  const std::string name = "pool '" + options.config.connections.name + "'";
  if (auto ok = options.websocket.validate(); !ok) return fail_because(std::move(ok.error()), name);
  if (!options.ping_text.empty() && options.ping_text_after.count() <= 0) {
    return fail(ErrorCode::invalid_argument, name + ": ping_text_after must be longer than 0 with a ping_text", true);
  }
  return {};
}

Result<> WebSocketConnectionPool::State::check(const WebSocketPoolOptions& options,
                                               const std::vector<wire::Url>& urls) {
  const std::string name = "pool '" + options.config.connections.name + "'";
  if (urls.empty()) return fail(ErrorCode::invalid_argument, name + " has no url to connect to", true);
  for (const wire::Url& url : urls) {
    if (auto ok = check_websocket_url(url, options.tls); !ok) return fail_because(std::move(ok.error()), name);
  }
  return {};
}

std::vector<pool::Endpoint> WebSocketConnectionPool::State::endpoints_of(const std::vector<wire::Url>& urls) {
  std::vector<pool::Endpoint> endpoints;
  for (const wire::Url& url : urls) {
    endpoints.push_back(endpoint_of(url));
    endpoints.back().priority = static_cast<std::uint32_t>(endpoints.size() - 1);
  }
  return endpoints;
}

WebSocketConnectionPool::State::State(EventLoop& event_loop, WebSocketPoolOptions pool_options,
                                      const std::vector<wire::Url>& endpoint_urls,
                                      WebSocketStreamHandler& stream_handler)
    : loop(event_loop),
      options(std::move(pool_options)),
      urls(endpoint_urls),
      handler(stream_handler),
      slots(options.config.connections, options.config.slots, endpoints_of(endpoint_urls)),
      leases(event_loop, lease_config(options), endpoints_of(endpoint_urls), lease_connector(event_loop, options)),
      timer(&State::on_timer, this) {}

WebSocketConnectionPool::State::~State() {
  if (ledger == nullptr) return;
  permit_link->end();
  connections.clear();
  by_number.clear();
  closing.clear();
  slots.give_up_permits();
  ledger->leave(ledger_member);
}

Result<> WebSocketConnectionPool::State::use_ledger(std::shared_ptr<pool::PermitLedger> shared) {
  auto link = std::make_shared<detail::PermitLink>(loop, [this](pool::PermitNotice notice) {
    const auto keep = shared_from_this();
    slots.permit_notice(notice, loop.now());
    pump();
  });
  const std::uint32_t member = shared->join(link);
  if (member == pool::PermitLedger::no_member) {
    return fail(ErrorCode::exhausted,
                "pool '" + options.config.connections.name + "': the permit ledger has no room for it");
  }
  permit_link = std::move(link);
  ledger = std::move(shared);
  ledger_member = member;
  slots.use_ledger(*ledger, member);
  return {};
}

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

// Each dial has its own cancellation. `keep` owns it, since Asio uses the slot until the very end of the task.
void WebSocketConnectionPool::State::begin_dial(const pool::SlotDial& what) {
  auto stop = std::make_shared<boost::asio::cancellation_signal>();
  dialing.push_back({what.connection, stop});
  ++tasks;
  boost::asio::co_spawn(
      loop.context(), dial(shared_from_this(), what),
      boost::asio::bind_cancellation_slot(stop->slot(), [keep = stop](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
      }));
}

void WebSocketConnectionPool::State::abort_dial(SlotConnection slot) {
  const auto found = std::ranges::find(dialing, slot, &Dialing::slot);
  if (found == dialing.end()) return;
  found->is_aborted = true;
  const auto stop = found->stop;  // the dial may end, and leave the list, inside the call
  stop->emit(boost::asio::cancellation_type::terminal);
}

Task<> WebSocketConnectionPool::State::dial(std::shared_ptr<State> self, pool::SlotDial what) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const TaskEnd end{*self};
  const wire::Url url = self->urls[what.endpoint];
  WebSocketConnectTarget target = target_of(self->options);
  target.url = url;
  auto connected =
      co_await WebSocketConnection::connect(self->loop, std::move(target), what.deadline, self->options.websocket);
  const auto entry = std::ranges::find(self->dialing, what.connection, &Dialing::slot);
  const bool is_aborted = entry->is_aborted;
  self->dialing.erase(entry);
  if (self->is_gone) co_return;
  if (is_aborted) {
    if (connected) connected->reset();
    self->tell_closed(what.connection);
    co_return;
  }
  const Instant now = self->loop.refresh_now();
  if (!connected) {
    self->handler.on_dial_failed(connected.error());
    self->slots.dial_failed(what.connection, std::move(connected.error()), now);
    self->pump();
    co_return;
  }
  if (!self->slots.dialed(what.connection, now)) co_return;
  const auto connection = self->add_connection(what.connection, std::move(*connected));
  self->handler.on_open(connection->number, url);
  for (const std::string& text : self->handler.greeting()) {
    if (!self->send(*connection, text)) connection->socket->cancel();  // without its greeting it is of no use
  }
  self->pump();
  ++self->tasks;
  self->loop.spawn(read(self, connection));  // a task of its own: reads need no cancellation slot
}

Task<> WebSocketConnectionPool::State::read(std::shared_ptr<State> self, std::shared_ptr<Connection> connection) {
  const TaskEnd end{*self};
  const bool is_lost = co_await read_until_end(self, connection);
  if (!is_lost || self->is_gone) co_return;
  connection->is_closing = true;
  self->forget(*connection);
  self->past.add(connection->socket->statistics());
  self->handler.on_close(connection->number, connection->socket->close_code(), connection->socket->close_reason(),
                         false);
  self->slots.lost(connection->slot, self->loop.now());
  self->pump();
  // Our answer to the peer's close may still be on its way out.
  const Instant deadline = detail::deadline_after(self->loop.now(), self->options.config.close_timeout);
  static_cast<void>(co_await connection->socket->close(WebSocketCloseCode::normal, "", deadline));
  self->tell_closed(connection->slot);
}

// After the drain has begun: until nothing of the pool runs. What has not ended by the deadline is cut.
Task<> WebSocketConnectionPool::State::wait_for_end(std::shared_ptr<State> self, Instant deadline) {
  const Instant give_up = detail::deadline_after(deadline, std::chrono::seconds(1));
  while (self->tasks > 0 || !self->closing.empty()) {
    const Instant now = self->loop.refresh_now();
    if (now >= give_up) co_return;
    if (now >= deadline) {
      const auto left = self->closing;  // each may leave the list inside its call
      for (const auto& connection : left) connection->socket->cancel();
    }
    // A cancellation is lost on an operation that has just ended, so it comes again for the next one.
    const std::vector<Dialing> open = self->dialing;
    for (const Dialing& one : open) one.stop->emit(boost::asio::cancellation_type::terminal);
    co_await self->loop.sleep_for(std::chrono::milliseconds(2));
  }
}

void WebSocketConnectionPool::State::ask(SlotConnection slot, const std::vector<StreamHandle>& handles,
                                         bool is_subscribe) {
  const auto found = connections.find(slot.id);
  if (found == connections.end()) return;
  const std::shared_ptr<Connection> connection = found->second;
  std::vector<std::string> texts;
  for (const StreamHandle handle : handles) {
    if (const std::string_view name = name_of_stream(handle); !name.empty()) texts.emplace_back(name);
  }
  if (texts.empty()) return;
  const std::int64_t id = next_id++;
  const std::string text = is_subscribe ? handler.subscribe_text(texts, id) : handler.unsubscribe_text(texts, id);
  const Result<> sent = write(*connection, text);
  if (sent && is_subscribe) {
    if (requests.size() == requests_max) requests.erase(requests.begin());
    requests.push_back({id, slot, handles});
  }
  if (sent) return;
  if (is_subscribe && sent.error().code == ErrorCode::malformed) {
    if (handles.size() > 1) {  // each by itself: one bad name must not end the others
      for (const StreamHandle handle : handles) {
        slots.count_message(slot, loop.now());
        ask(slot, {handle}, true);
      }
      return;
    }
    Error refusal = sent.error();
    refusal.is_terminal = true;  // no connection could send it
    slots.refused(slot, handles.front(), refusal, loop.now());
  } else {
    // What the peer carries is not what we think it does: its end, seen at the next read, puts that right.
    connection->socket->cancel();
  }
}

Result<> WebSocketConnectionPool::State::send(Connection& connection, std::string_view text) {
  Result<> sent = write(connection, text);
  if (sent) slots.count_message(connection.slot, loop.now());
  return sent;
}

Result<> WebSocketConnectionPool::State::write(Connection& connection, std::string_view text) {
  Result<> sent = connection.socket->send_text(text);
  if (sent) handler.on_sent(connection.number, text);
  return sent;
}

/// Gives the handler what has been read; false when the connection is held back before all is given.
bool WebSocketConnectionPool::State::deliver(Connection& connection) {
  const async::HandlerScope scope(loop.pulse(), "WebSocket messages");
  while (connection.held_until == Instant::min()) {
    const auto message = connection.socket->next_message();
    if (!message) return true;
    // While we say goodbye somebody must go on reading: that is how the peer's answer is seen.
    if (!connection.is_muted && !is_gone) handler.on_message(connection.number, *message);
  }
  return false;
}

/// True if the connection ended by itself, false if we closed it.
Task<bool> WebSocketConnectionPool::State::read_until_end(std::shared_ptr<State> self,
                                                          std::shared_ptr<Connection> connection) {
  for (;;) {
    connection->is_being_read = true;
    const Result<> read = co_await connection->socket->read_some();
    connection->is_being_read = false;
    while (!self->deliver(*connection)) co_await wait_until_released(self, connection);
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
  if (connection->is_muted && !self->is_gone)
    self->handler.on_close(connection->number, WebSocketCloseCode::abnormal, name_of(reason), false);
  // A connection that is held has one before it to wait for, and then its own messages to deliver; whatever its reader
  // does, it reads again within `handover_max`. Only then can the close rely on it to see the peer's answer.
  while (!connection->is_being_read && connection->socket->is_open() && !self->is_gone)
    co_await self->loop.sleep_for(std::chrono::milliseconds(1));
  // Nobody waits for the answer of what does not answer: its place is needed.
  const Nanoseconds patience = connection->is_muted ? Nanoseconds(0) : self->options.config.close_timeout;
  const Instant deadline = detail::deadline_after(self->loop.refresh_now(), patience);
  // Closing is best effort: whether the peer answers changes nothing for us.
  static_cast<void>(co_await connection->socket->close(WebSocketCloseCode::normal, "", deadline));
  connection->socket->cut();
  connection->has_ended = true;
  if (!connection->is_muted && !self->is_gone)
    self->handler.on_close(connection->number, WebSocketCloseCode::normal, name_of(reason), true);
  connection->is_muted = true;
  self->past.add(connection->socket->statistics());
  std::erase(self->closing, connection);
  self->tell_closed(connection->slot);
}

/// A stream is acknowledged. Where it comes from a connection that still brings it, that one is let go first.
void WebSocketConnectionPool::State::confirm(const std::shared_ptr<Connection>& connection, StreamHandle stream) {
  const SlotConnection carrier = slots.carrier_of(stream);
  if (!(carrier == connection->slot) && connections.contains(carrier.id)) hold(*connection, handover_pause, nullptr);
  slots.subscribed(connection->slot, stream, loop.now());
}

}  // namespace marketprism::net
