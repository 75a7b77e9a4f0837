#include "marketprism/net/websocket_connection_pool.hpp"

#include <algorithm>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/websocket_connection_pool_state.hpp"

namespace marketprism::net {

using pool::StreamHandle;

WebSocketConnectionPool::WebSocketConnectionPool(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<WebSocketConnectionPool> WebSocketConnectionPool::create(EventLoop& loop, WebSocketPoolOptions options,
                                                                const std::vector<wire::Url>& urls,
                                                                WebSocketStreamHandler& handler) {
  options = State::settled(std::move(options));
  if (auto ok = State::check(options); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = State::check(options, urls); !ok) return std::unexpected(std::move(ok.error()));
  return WebSocketConnectionPool(std::make_shared<State>(loop, std::move(options), urls, handler));
}

WebSocketConnectionPool::WebSocketConnectionPool(WebSocketConnectionPool&&) noexcept = default;
WebSocketConnectionPool& WebSocketConnectionPool::operator=(WebSocketConnectionPool&& other) noexcept {
  if (this != &other) {
    stop_now();
    state_ = std::move(other.state_);
  }
  return *this;
}
WebSocketConnectionPool::~WebSocketConnectionPool() { stop_now(); }

void WebSocketConnectionPool::stop_now() {
  if (!state_) return;
  state_->is_gone = true;
  if (state_->permit_link) state_->permit_link->end();
  state_->timer.disarm();
  state_->leases.stop();
  for (auto& [id, connection] : state_->connections) connection->socket->cut();
  if (state_->loop.is_ending()) return;
  const std::vector<State::Dialing> dialing = state_->dialing;
  for (const State::Dialing& dial : dialing) state_->abort_dial(dial.slot);
}

void WebSocketConnectionPool::use_connect_budget(pool::ConnectBudget& budget) {
  state_->slots.use_connect_budget(budget);
  state_->leases.use_connect_budget(budget);
}

Result<> WebSocketConnectionPool::use_ledger(std::shared_ptr<pool::PermitLedger> ledger) {
  if (auto ok = state_->use_ledger(ledger); !ok) return ok;
  state_->leases.use_ledger(std::move(ledger));
  return {};
}

Result<> WebSocketConnectionPool::reconfigure(pool::PoolConfig config) {
  config.close_timeout = state_->options.config.close_timeout;
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
  config.close_timeout = state_->options.config.close_timeout;
  return state_->leases.reconfigure(std::move(config));
}

Result<> WebSocketConnectionPool::set_endpoints(const std::vector<wire::Url>& urls) {
  if (auto ok = State::check(state_->options, urls); !ok) return ok;
  const std::vector<pool::Endpoint> endpoints = State::endpoints_of(urls);
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

Result<> WebSocketConnectionPool::send(std::uint32_t connection, std::string_view text) {
  if (const auto found = state_->connection_of(connection)) {
    Result<> sent = state_->send(*found, text);
    if (!sent) state_->slots.count_error(found->slot);
    return sent;
  }
  return fail(ErrorCode::closed, "pool '" + state_->slots.config().name + "': there is no connection " +
                                     std::to_string(connection) + " any more");
}

Task<Result<WebSocketLease>> WebSocketConnectionPool::acquire(Nanoseconds timeout, std::source_location where) {
  return state_->leases.acquire(timeout, where);
}

Task<std::size_t> WebSocketConnectionPool::drain(Instant deadline) {
  const auto state = state_;
  state->slots.drain(state->loop.refresh_now());
  state->pump();
  const std::size_t left = co_await state->leases.drain(deadline - state->loop.now());
  co_await State::wait_for_end(state, deadline);
  co_return left;
}

pool::PoolStats WebSocketConnectionPool::stats() const {
  pool::PoolStats stats = state_->slots.stats(state_->loop.now());
  for (const auto& [id, connection] : state_->connections) stats.connection_bytes += connection->socket->memory_bytes();
  return stats;
}

pool::SlotStats WebSocketConnectionPool::slot_stats() const { return state_->slots.slot_stats(); }
std::vector<pool::ConnectionInfo> WebSocketConnectionPool::connections() const {
  auto all = state_->slots.connections(state_->loop.now());
  for (auto& info : all) {
    const auto found = state_->connections.find(info.id);
    if (found == state_->connections.end()) continue;
    info.health_checks = found->second->socket->statistics().pongs_received;
    info.memory_bytes = found->second->socket->memory_bytes();
  }
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
