#include "marketprism/net/http_server.hpp"

#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "marketprism/async/signal.hpp"
#include "marketprism/base/log.hpp"
#include "marketprism/net/deadline.hpp"
#include "marketprism/net/http_parser.hpp"
#include "marketprism/net/http_reply.hpp"
#include "marketprism/net/http_router.hpp"
#include "marketprism/net/listener.hpp"
#include "marketprism/net/tcp_transport.hpp"
#include "marketprism/net/tls_transport.hpp"

namespace marketprism::net {
namespace {

// One accepted connection, from the handshake until it is closed or upgraded. Lives on the frame of its serving task.
struct Session {
  Session(TransportPtr the_transport, const HttpParserOptions& options)
      : transport(std::move(the_transport)), parser(options) {}

  TransportPtr transport;
  HttpParser parser;
  std::string out;
};

int status_for(const Error& error, bool has_head) {
  switch (error.code) {
    case ErrorCode::timed_out: return 408;
    case ErrorCode::too_large: return has_head ? 413 : 431;
    case ErrorCode::unsupported: return has_head ? 501 : 505;
    default: return 400;
  }
}

// RFC 9112, section 3.2: without exactly one Host it is not clear whom the request is for.
Result<> check_host(const HttpHead& head) {
  const std::size_t hosts = head.count("Host");
  if (hosts == 1 || (hosts == 0 && head.minor_version() == 0)) return {};
  return fail(ErrorCode::malformed,
              "HTTP: " + std::string(hosts == 0 ? "the Host header is missing" : "more than one Host header"));
}

// Says goodbye and reads on for a moment: closing with unread bytes would reset the connection, and the peer might lose
// the reply that tells it what was wrong.
Task<> linger(Session& session) {
  constexpr std::size_t drained_bytes_max = 1024 * 1024;
  EventLoop& loop = session.transport->loop();
  const Deadline deadline(loop, loop.now() + std::chrono::seconds(2), *session.transport);
  std::array<std::byte, 4096> waste;
  auto goes_on = co_await session.transport->shutdown();
  for (std::size_t drained = 0; goes_on && drained < drained_bytes_max;) {
    const auto count = co_await session.transport->read_some(waste);
    if (!count) co_return;
    drained += *count;
  }
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(EventLoop& the_loop, HttpServerOptions the_options)
      : loop(the_loop), options(std::move(the_options)), listener(the_loop), all_closed(the_loop) {}

  struct Open {
    Transport* transport = nullptr;
    bool is_idle = false;
    Instant idle_since{};
  };

  void watch(Transport& transport, std::uint64_t id);
  bool close_longest_idle();
  [[nodiscard]] HttpParserOptions parser_options() const;

  static Task<> accept_loop(std::shared_ptr<State> self);
  static Task<> serve(std::shared_ptr<State> self, Socket socket);
  Task<> serve_requests(Session& session, std::uint64_t id);
  Task<Result<>> read_request(Session& session, std::uint64_t id);
  Task<Result<>> continue_if_expected(Session& session, bool& was_continued);
  Task<bool> answer(Session& session);
  static Task<> hand_over(Session& session, const HttpUpgradeHandler& handler, const HttpServerRequest& request);
  Task<Result<>> send_reply(Session& session, HttpReply reply, bool is_head, bool keeps_alive);

  EventLoop& loop;
  HttpServerOptions options;
  Listener listener;
  std::uint16_t port = 0;
  HttpRouter<HttpHandler> routes;
  HttpRouter<HttpUpgradeHandler> upgrades;
  HttpRouter<HttpUpgradeHandler> streams;
  std::unordered_map<std::uint64_t, Open> open;
  std::size_t handshakes = 0;  // in progress
  std::uint64_t next_id = 1;
  bool is_stopping = false;
  async::Signal all_closed;
  Statistics statistics;
};

HttpParserOptions HttpServer::State::parser_options() const {
  HttpParserOptions out;
  out.is_response = false;
  out.head_bytes_max = options.head_bytes_max;
  out.body_bytes_max = options.body_bytes_max;
  out.fields_max = options.fields_max;
  return out;
}

void HttpServer::State::watch(Transport& transport, std::uint64_t id) {
  open[id].transport = &transport;
  transport.on_destroyed([state = weak_from_this(), id] {
    const auto self = state.lock();
    if (self == nullptr) return;
    self->open.erase(id);
    if (self->open.empty() && self->is_stopping) self->all_closed.set();
  });
}

// Connections that say nothing must not keep others out. False: none is idle.
bool HttpServer::State::close_longest_idle() {
  Open* longest = nullptr;
  for (auto& [id, connection] : open) {
    if (connection.is_idle && (longest == nullptr || connection.idle_since < longest->idle_since))
      longest = &connection;
  }
  if (longest == nullptr) return false;
  longest->is_idle = false;
  longest->transport->close();
  ++statistics.refused;
  return true;
}

Task<> HttpServer::State::accept_loop(std::shared_ptr<State> self) {
  while (self->listener.is_open()) {
    auto socket = co_await self->listener.accept();
    if (!socket) {
      if (socket.error().code == ErrorCode::cancelled) co_return;
      if (socket.error().code == ErrorCode::connection_reset) continue;  // the client left before it was accepted
      log(LogLevel::warning, "http_server", socket.error().message + "; connections wait");
      co_await self->loop.sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    ++self->statistics.accepted;
    if (self->open.size() + self->handshakes >= self->options.connections_max && !self->close_longest_idle()) {
      ++self->statistics.refused;
      continue;  // closes it
    }
    self->loop.spawn(serve(self, std::move(*socket)));
  }
}

Task<> HttpServer::State::serve(std::shared_ptr<State> self, Socket socket) {
  TransportPtr transport;
  if (self->options.tls != nullptr) {
    const Instant deadline = self->loop.now() + self->options.handshake_timeout;
    ++self->handshakes;
    auto accepted = co_await accept_tls(std::move(socket), self->options.tls, deadline);
    --self->handshakes;
    if (!accepted) {
      ++self->statistics.failed;
      co_return;
    }
    transport = std::move(*accepted);
  } else {
    transport = make_tcp_transport(std::move(socket));
  }
  if (self->is_stopping) co_return;
  const std::uint64_t id = self->next_id++;
  self->watch(*transport, id);
  Session session(std::move(transport), self->parser_options());
  co_await self->serve_requests(session, id);
}

Task<> HttpServer::State::serve_requests(Session& session, std::uint64_t id) {
  while (true) {
    const auto received = co_await read_request(session, id);
    if (!received) {
      if (received.error().code == ErrorCode::connection_closed) co_return;
      ++statistics.failed;
      if (!session.transport->is_open() || received.error().code == ErrorCode::cancelled ||
          received.error().code == ErrorCode::connection_reset) {
        co_return;
      }
      HttpReply reply =
          make_error_reply(status_for(received.error(), session.parser.head().size() != 0), received.error().message);
      co_await send_reply(session, std::move(reply), false, false);
      co_await linger(session);
      co_return;
    }
    ++statistics.requests;
    const bool goes_on = co_await answer(session);
    if (!goes_on || session.transport == nullptr) co_return;
    session.parser.next_message();
  }
}

// Reads until the request is whole; between requests the idle timeout holds, from its first byte on the read timeout.
Task<Result<>> HttpServer::State::read_request(Session& session, std::uint64_t id) {
  Transport& transport = *session.transport;
  std::optional<Deadline<Transport>> deadline;
  bool is_idle = !session.parser.has_begun();
  bool was_continued = false;
  deadline.emplace(loop, loop.now() + (is_idle ? options.idle_timeout : options.read_timeout), transport);
  while (true) {
    const auto complete = session.parser.parse();
    if (!complete) co_return std::unexpected(complete.error());
    if (*complete) co_return check_host(session.parser.head());
    if (is_stopping && is_idle) co_return fail(ErrorCode::connection_closed, "the server stops");
    const auto continued = co_await continue_if_expected(session, was_continued);
    if (!continued) co_return continued;
    open[id].is_idle = is_idle;
    open[id].idle_since = loop.now();
    const auto count = co_await transport.read_some(session.parser.prepare());
    open[id].is_idle = false;
    if (!count) {
      if (!deadline->has_passed()) {
        if (count.error().code == ErrorCode::connection_closed) co_return session.parser.end();
        co_return std::unexpected(count.error());
      }
      if (is_idle) co_return fail(ErrorCode::connection_closed, "idle for too long");
      co_return fail(ErrorCode::timed_out, "the request did not come in time");
    }
    session.parser.commit(*count);
    if (std::exchange(is_idle, false)) deadline.emplace(loop, loop.now() + options.read_timeout, transport);
  }
}

// RFC 9110, section 10.1.1: a client that asks waits with the body until we say so.
Task<Result<>> HttpServer::State::continue_if_expected(Session& session, bool& was_continued) {
  if (was_continued || !session.parser.has_head() || !session.parser.body().empty()) co_return Result<>();
  if (!session.parser.head().contains_token("Expect", "100-continue")) co_return Result<>();
  was_continued = true;
  co_return co_await session.transport->write("HTTP/1.1 100 Continue\r\n\r\n");
}

// Returns whether the connection goes on with another request.
Task<bool> HttpServer::State::answer(Session& session) {
  const HttpHead& head = session.parser.head();
  const HttpServerRequest request{head, session.parser.body(), session.transport->info()};
  const bool wants_upgrade = head.contains_token("Connection", "Upgrade");
  const auto taker = wants_upgrade ? upgrades.find("*", head.path()) : streams.find(head.method(), head.path());
  if (taker.handler != nullptr) {
    if (wants_upgrade) ++statistics.upgrades;
    co_await hand_over(session, *taker.handler, request);
    co_return false;
  }
  const bool is_head = head.method() == "HEAD";
  auto match = routes.find(head.method(), head.path());
  if (match.handler == nullptr && is_head) match = routes.find("GET", head.path());
  HttpReply reply;
  if (match.handler != nullptr) {
    reply = co_await (*match.handler)(request);
  } else if (match.path_exists) {
    reply = make_error_reply(405, "this path does not take the method " + std::string(head.method()));
  } else {
    reply = make_error_reply(404, "no such path: " + std::string(head.path()));
  }
  const bool keeps_alive = head.keeps_alive() && !reply.close && !is_stopping;
  const auto sent = co_await send_reply(session, std::move(reply), is_head, keeps_alive);
  if (!sent) {
    ++statistics.failed;
    co_return false;
  }
  if (!keeps_alive) co_await session.transport->shutdown();
  co_return keeps_alive;
}

Task<> HttpServer::State::hand_over(Session& session, const HttpUpgradeHandler& handler,
                                    const HttpServerRequest& request) {
  std::string remainder(session.parser.unread());
  // The request's views must live as long as the handler; the info moves away with the transport.
  const TransportInfo info = session.transport->info();
  const HttpServerRequest lasting{request.head, request.body, info};
  co_await handler(lasting, std::move(session.transport), std::move(remainder));
}

Task<Result<>> HttpServer::State::send_reply(Session& session, HttpReply reply, bool is_head, bool keeps_alive) {
  session.out.clear();
  const HttpReplyContext context{keeps_alive, is_head, options.server_name};
  append_reply_head(session.out, reply, context);
  const Deadline deadline(loop, loop.now() + options.write_timeout, *session.transport);
  constexpr std::size_t copied_body_bytes_max = 16 * 1024;  // one small copy is cheaper than a second buffer
  Result<> sent;
  if (reply.body.size() <= copied_body_bytes_max) {
    session.out += reply.body;
    const auto count = session.transport->write_now(session.out);
    if (!count) co_return std::unexpected(count.error());
    if (*count == session.out.size() && !session.transport->has_unsent()) co_return Result<>();
    sent = co_await session.transport->write(std::string_view(session.out).substr(*count));
  } else {
    const std::string_view parts[] = {session.out, reply.body};
    sent = co_await session.transport->write(parts);
  }
  co_return sent;
}

HttpServer::HttpServer(EventLoop& loop, HttpServerOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

HttpServer::~HttpServer() {
  stop_accepting();
  cut_all();
}

void HttpServer::handle(std::string_view method, std::string_view path, HttpHandler handler) {
  state_->routes.add(method, path, std::move(handler));
}

void HttpServer::handle(std::string_view method, std::string_view path, HttpFunction handler) {
  handle(method, path,
         HttpHandler([function = std::move(handler)](const HttpServerRequest& request) -> Task<HttpReply> {
           co_return function(request);
         }));
}

void HttpServer::handle_upgrade(std::string_view path, HttpUpgradeHandler handler) {
  state_->upgrades.add("*", path, std::move(handler));
}

void HttpServer::handle_stream(std::string_view method, std::string_view path, HttpUpgradeHandler handler) {
  state_->streams.add(method, path, std::move(handler));
}

Result<std::uint16_t> HttpServer::listen() {
  const auto port =
      state_->listener.listen(state_->options.address, state_->port != 0 ? state_->port : state_->options.port);
  if (!port) return port;
  state_->port = *port;
  state_->is_stopping = false;
  state_->loop.spawn(State::accept_loop(state_));
  return port;
}

std::uint16_t HttpServer::port() const { return state_->port; }

void HttpServer::stop_accepting() { state_->listener.close(); }

void HttpServer::cut_all() {
  for (auto& [id, connection] : state_->open) connection.transport->close();
}

Task<> HttpServer::wait_until_closed(std::shared_ptr<State> state, Instant deadline) {
  while (!state->open.empty()) {
    const auto outcome = co_await state->all_closed.wait(deadline);
    if (outcome != async::Signal::Outcome::set) break;
  }
}

Task<std::size_t> HttpServer::stop(Instant deadline) {
  const auto state = state_;
  state->is_stopping = true;
  state->listener.close();
  for (auto& [id, connection] : state->open) {
    if (connection.is_idle) connection.transport->close();
  }
  co_await wait_until_closed(state, deadline);
  const std::size_t cut = state->open.size();
  for (auto& [id, connection] : state->open) connection.transport->close();
  // Handlers see the cut and end; what they use may be destroyed after this.
  co_await wait_until_closed(state, state->loop.refresh_now() + std::chrono::milliseconds(500));
  co_return cut;
}

HttpServer::Statistics HttpServer::statistics() const {
  Statistics out = state_->statistics;
  out.open = state_->open.size();
  return out;
}

}  // namespace marketprism::net
