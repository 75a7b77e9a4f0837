#include "marketprism/emulator/server.hpp"

#include <algorithm>
#include <chrono>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/wire/http_message.hpp"

namespace marketprism::emulator {
namespace {

constexpr Nanoseconds close_timeout = std::chrono::seconds(2);

net::HttpServerOptions http_options(const EmulatorOptions& options, const EmulatedVenue& what, net::TlsContextPtr tls) {
  net::HttpServerOptions out;
  out.address = options.address;
  out.port = what.port;
  out.tls = std::move(tls);
  out.server_name = "";
  return out;
}

}  // namespace

Emulator::Server::Server(async::EventLoop& loop, const EmulatorOptions& options, EmulatedVenue what,
                         std::unique_ptr<Dialect> dialect, net::TlsContextPtr tls)
    : loop_(loop),
      options_(options),
      what_(std::move(what)),
      venue_(std::move(dialect), *this, what_.rules),
      http_(loop, http_options(options, what_, std::move(tls))) {
  options_.venues.clear();
  if (what_.recording) {
    venue_.set_source(
        std::make_unique<RecordedSource>(what_.recording, venue_.dialect(), what_.playing, venue_.streams(), venue_),
        true);
  } else {
    venue_.set_source(
        std::make_unique<SyntheticSource>(what_.exchange, what_.market, venue_.streams(), venue_, moment()), false);
  }
}

Moment Emulator::Server::moment() const {
  return {loop_.refresh_now(), std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now())};
}

net::WebSocketServerOptions Emulator::Server::websocket_options() const {
  net::WebSocketServerOptions out;
  if (options_.compress) out.policy.deflate.emplace();
  out.connection.ping_interval = venue_.limits().ping_interval;
  out.connection.pong_timeout = venue_.limits().pong_timeout;
  out.connection.write_queue_bytes_max = options_.congestion_bytes + 64 * 1024 * 1024;
  out.connection.message_bytes_max = 1024 * 1024;
  out.connection.read_bytes_start = 4 * 1024;
  out.connection.check_utf8 = false;  // what we send is ASCII or was received
  return out;
}

Result<> Emulator::Server::start() {
  const Weak weak = weak_from_this();
  http_.handle("GET", "/*",
               net::HttpHandler([weak](const net::HttpServerRequest& request) { return answer(weak, request); }));
  http_.handle_upgrade(
      "/*", [weak](const net::HttpServerRequest& request, net::TransportPtr transport, std::string remainder) {
        return upgrade(weak, request, std::move(transport), std::move(remainder));
      });
  const Result<std::uint16_t> port = http_.listen();
  if (!port) return fail_because(port.error(), "emulator of " + what_.exchange);
  loop_.spawn(tick_forever(weak, loop_));
  return {};
}

void Emulator::Server::stop() {
  is_stopped_ = true;
  http_.stop_accepting();
  http_.cut_all();
}

VenueStatus Emulator::Server::status() const {
  return {what_.exchange, http_.port(), venue_.counters(), venue_.progress(), bytes_, slow_clients_};
}

net::Task<> Emulator::Server::tick_forever(Weak weak, async::EventLoop& loop) {
  while (true) {
    Nanoseconds pause{0};
    {
      const std::shared_ptr<Server> self = weak.lock();
      if (!self || self->is_stopped_) co_return;
      if (!self->tick()) pause = self->options_.tick;
    }
    co_await loop.sleep_for(pause);
  }
}

bool Emulator::Server::tick() {
  watch_queues();
  const bool has_more = venue_.advance(moment());
  send_queued();
  return has_more;
}

// Who takes nothing is cut in the end, so that one client cannot stop the market for all others for good.
void Emulator::Server::watch_queues() {
  is_congested_ = false;
  std::vector<ClientId> stuck;
  const Instant now = loop_.now();
  for (auto& [id, session] : sessions_) {
    if (session.connection == nullptr) continue;
    const std::uint64_t sent = session.connection->statistics().bytes_sent;
    const bool is_behind = session.connection->write_queue_bytes() > options_.congestion_bytes;
    if (!is_behind || sent != session.bytes_sent) {
      session.last_progress = now;
    } else if (now - session.last_progress > options_.slow_client_timeout) {
      stuck.push_back(id);
    }
    session.bytes_sent = sent;
    is_congested_ = is_congested_ || is_behind;
  }
  slow_clients_ += stuck.size();
  for (const ClientId id : stuck) abort(id);
}

net::Task<net::HttpReply> Emulator::Server::answer(Weak weak, const net::HttpServerRequest& request) {
  net::HttpReply reply;
  async::EventLoop* loop = nullptr;
  Nanoseconds delay{0};
  {
    const std::shared_ptr<Server> self = weak.lock();
    if (!self) co_return net::HttpReply{.status = 503};
    RestAnswer answer = self->venue_.rest(request.head.target(), self->moment());
    self->send_queued();
    reply.status = answer.status;
    reply.body = std::move(answer.body);
    for (const auto& [name, value] : answer.headers) reply.headers.add(name, value);
    self->bytes_ += reply.body.size();
    delay = answer.delay;
    loop = &self->loop_;
  }
  if (delay.count() > 0) co_await loop->sleep_for(delay);
  co_return reply;
}

net::Task<> Emulator::Server::upgrade(Weak weak, const net::HttpServerRequest& request, net::TransportPtr transport,
                                      std::string remainder) {
  std::shared_ptr<Server> self = weak.lock();
  if (!self) co_return;
  async::EventLoop& loop = self->loop_;
  if (const Nanoseconds delay = self->venue_.faults().upgrade_delay; delay.count() > 0) {
    self.reset();
    co_await loop.sleep_for(delay);
    self = weak.lock();
    if (!self) co_return;
  }
  std::optional<RestAnswer> refusal = self->venue_.accept(self->moment());
  const ClientId id = ++self->last_id_;
  auto wrapped = std::make_unique<FaultyTransport>(std::move(transport));
  if (!refusal) {
    Session& session = self->sessions_[id];
    session.transport = wrapped.get();
    session.last_progress = loop.now();
    refusal = self->venue_.opened(id, request.head.target(), self->moment());
  }
  if (refusal) {
    self->sessions_.erase(id);
    self.reset();
    co_await refuse(*wrapped, *refusal);
    co_return;
  }
  const net::HttpUpgradeHandler accept = net::accept_websocket(
      self->websocket_options(), [weak, id](net::WebSocketConnection& connection, const net::HttpServerRequest&) {
        return converse(weak, id, connection);
      });
  self.reset();
  co_await accept(request, std::move(wrapped), std::move(remainder));
  self = weak.lock();
  if (!self) co_return;
  self->sessions_.erase(id);
  self->venue_.closed(id, self->moment());
}

net::Task<> Emulator::Server::refuse(net::Transport& transport, const RestAnswer& answer) {
  wire::HttpResponseHead head;
  head.status = answer.status;
  head.reason = "Refused";
  for (const auto& [name, value] : answer.headers) head.headers.add(name, value);
  head.headers.add("Content-Type", "application/json");
  head.headers.add("Content-Length", std::to_string(answer.body.size()));
  head.headers.add("Connection", "close");
  std::string text;
  if (!wire::append_head(text, head)) co_return;
  text += answer.body;
  const auto written = co_await transport.write(text);
  if (written) static_cast<void>(co_await transport.shutdown());
}

net::Task<> Emulator::Server::converse(Weak weak, ClientId id, net::WebSocketConnection& connection) {
  {
    const std::shared_ptr<Server> self = weak.lock();
    Session* const session = self ? self->find(id) : nullptr;
    if (session == nullptr) co_return;
    session->connection = &connection;
    session->is_reading = true;
    for (const std::string& text : std::exchange(session->early, {})) self->send_text(id, text);
    self->send_queued();
  }
  bool goes_on = true;
  while (goes_on) {
    const auto received = co_await connection.read_some();
    std::optional<std::pair<int, std::string>> end;
    Instant deadline;
    {
      const std::shared_ptr<Server> self = weak.lock();
      if (!self) co_return;
      goes_on = self->take_messages(id, connection) && received && connection.is_open();
      if (Session* const session = self->find(id)) end = std::exchange(session->end, std::nullopt);
      if (!goes_on || end) self->sessions_.erase(id);
      deadline = self->loop_.now() + close_timeout;
    }
    if (!end) continue;
    static_cast<void>(
        co_await connection.close(static_cast<net::WebSocketCloseCode>(end->first), end->second, deadline));
    co_return;
  }
}

// False if the session is gone.
bool Emulator::Server::take_messages(ClientId id, net::WebSocketConnection& connection) {
  if (Session* const session = find(id)) session->is_reading = false;
  while (const auto message = connection.next_message()) venue_.receive(id, message->data, moment());
  send_queued();
  Session* const session = find(id);
  if (session != nullptr) session->is_reading = true;
  return session != nullptr;
}

Emulator::Server::Session* Emulator::Server::find(ClientId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

void Emulator::Server::send_text(ClientId client, std::string_view text) {
  Session* const session = find(client);
  if (session == nullptr) return;
  bytes_ += text.size();
  if (session->connection == nullptr) {
    session->early.emplace_back(text);
    return;
  }
  if (!session->is_corked) {
    session->is_corked = true;
    session->connection->cork();
    corked_.push_back(client);
  }
  const Result<> sent = session->connection->send_text(text);
  if (sent || sent.error().code != ErrorCode::exhausted) return;  // an end is the reader's to find
  ++slow_clients_;
  session->connection->cancel();
}

void Emulator::Server::send_queued() {
  for (const ClientId client : corked_) {
    Session* const session = find(client);
    if (session == nullptr || !session->is_corked) continue;
    session->is_corked = false;
    if (session->connection != nullptr) static_cast<void>(session->connection->uncork());
  }
  corked_.clear();
}

void Emulator::Server::close(ClientId client, int code, std::string_view reason) {
  Session* const session = find(client);
  if (session == nullptr || session->connection == nullptr) return;
  send_queued();
  if (!session->is_reading) {
    session->end.emplace(code, reason);
    return;
  }
  loop_.spawn([](net::Task<Result<>> task) -> net::Task<> {
    static_cast<void>(co_await std::move(task));
  }(session->connection->close(static_cast<net::WebSocketCloseCode>(code), reason, loop_.now() + close_timeout)));
}

void Emulator::Server::abort(ClientId client) {
  Session* const session = find(client);
  if (session == nullptr || session->connection == nullptr) return;
  send_queued();
  if (session->connection != nullptr) session->connection->cancel();
}

void Emulator::Server::abort_inside(ClientId client, std::string_view text) {
  Session* const session = find(client);
  if (session == nullptr || session->connection == nullptr) return;
  send_queued();
  session->transport->halve_next();
  static_cast<void>(session->connection->send_text(text));
}

void Emulator::Server::stall(ClientId client) {
  Session* const session = find(client);
  if (session == nullptr || session->connection == nullptr) return;
  send_queued();
  session->transport->swallow();
}

}  // namespace marketprism::emulator
