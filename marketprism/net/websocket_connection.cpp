#include "marketprism/net/websocket_connection.hpp"

#include <array>
#include <utility>

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/secure_random.hpp"
#include "marketprism/net/websocket_state.hpp"

namespace marketprism::net {
namespace {

struct Handshake {
  wire::WebSocketAgreement agreement;
  std::string remainder;
};

Task<Result<Handshake>> shake_hands(Transport& transport, const wire::WebSocketOffer& offer) {
  std::array<std::byte, 16> random_bytes;
  fill_secure_random(random_bytes);
  const std::string key = wire::make_websocket_key(random_bytes);
  const auto request = wire::make_websocket_request(offer, key);
  if (!request) co_return std::unexpected(request.error());
  const auto written = co_await transport.write(*request);
  if (!written) co_return std::unexpected(written.error());
  wire::HttpHeadReader reader;
  while (!reader.is_complete()) {
    const auto count = co_await transport.read_some(reader.prepare());
    if (!count) co_return std::unexpected(count.error());
    const auto committed = reader.commit(*count);
    if (!committed) co_return std::unexpected(committed.error());
  }
  const auto response = wire::parse_response_head(reader.head());
  if (!response) co_return std::unexpected(response.error());
  auto agreement = wire::check_websocket_response(offer, key, *response);
  if (!agreement) co_return std::unexpected(std::move(agreement.error()));
  Handshake done{std::move(*agreement), std::string(reader.remainder())};
  co_return std::move(done);
}

}  // namespace

Result<> check_websocket_url(const wire::Url& url, const TlsContextPtr& tls) {
  if (url.scheme != "ws" && url.scheme != "wss") {
    return fail(ErrorCode::unsupported, url.to_string() + ": the scheme is not ws or wss", true);
  }
  if (url.is_secure() && tls == nullptr) {
    return fail(ErrorCode::invalid_argument, url.to_string() + ": wss needs a TLS context", true);
  }
  return {};
}

Result<> WebSocketOptions::validate() const {
  const auto refuse = [](const char* what) { return fail(ErrorCode::invalid_argument, what, true); };
  if (ping_interval.count() < 0) return refuse("websocket.ping_interval is negative");
  if (pong_timeout.count() <= 0) return refuse("websocket.pong_timeout must be longer than 0");
  if (silence_timeout.count() < 0) return refuse("websocket.silence_timeout is negative");
  if (write_queue_bytes_max == 0) return refuse("websocket.write_queue_bytes_max is 0: nothing could be sent");
  if (message_bytes_max == 0) return refuse("websocket.message_bytes_max is 0: no message could come in");
  if (read_bytes_start == 0) return refuse("websocket.read_bytes_start is 0: nothing could be read");
  if (read_bytes_max < read_bytes_start) return refuse("websocket.read_bytes_max is less than read_bytes_start");
  return {};
}

Task<Result<std::unique_ptr<WebSocketConnection>>> WebSocketConnection::connect(EventLoop& loop,
                                                                                WebSocketConnectTarget target,
                                                                                Instant deadline,
                                                                                WebSocketOptions options) {
  const wire::Url& url = target.url;
  if (auto ok = check_websocket_url(url, target.tls); !ok) co_return std::unexpected(std::move(ok.error()));
  ConnectTarget where;
  where.host = url.host;
  where.port = url.port;
  if (url.is_secure()) where.tls = target.tls;
  where.connect_to = target.connect_to;
  where.route = target.route;
  auto transport = co_await net::connect(loop, std::move(where), deadline);
  if (!transport) co_return std::unexpected(std::move(transport.error()));

  wire::WebSocketOffer offer;
  offer.host = url.host_header();
  offer.target = url.target();
  offer.subprotocols = std::move(target.subprotocols);
  offer.deflate = target.deflate;
  offer.headers = std::move(target.headers);
  const Deadline guard(loop, deadline, **transport);
  auto handshake = co_await shake_hands(**transport, offer);
  if (!handshake) {
    if (guard.has_passed()) {
      co_return fail(ErrorCode::timed_out, url.to_string() + ": the WebSocket handshake took too long");
    }
    co_return fail_because(std::move(handshake.error()), url.to_string() + ": the WebSocket handshake failed");
  }
  co_return std::make_unique<WebSocketConnection>(std::move(*transport), WebSocketRole::client,
                                                  std::move(handshake->agreement), options, handshake->remainder);
}

WebSocketConnection::WebSocketConnection(TransportPtr transport, WebSocketRole role, wire::WebSocketAgreement agreement,
                                         WebSocketOptions options, std::string_view remainder)
    : state_(std::make_shared<State>(std::move(transport), role, std::move(agreement), options)) {
  if (!remainder.empty()) {
    state_->parser.append(remainder);
    state_->has_remainder = true;
    state_->statistics.bytes_received += remainder.size();
    state_->received.receive_time = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  }
  state_->arm_timers();
}

WebSocketConnection::~WebSocketConnection() {
  state_->closed_callback = nullptr;
  cancel();
}

Task<Result<>> WebSocketConnection::read_some() {
  if (state_->is_watched || !state_->kept.empty()) [[unlikely]]
    return State::take_over(state_);
  return State::read(state_);
}
const WebSocketReceived* WebSocketConnection::next_message() {
  if (!state_->kept.empty()) [[unlikely]]
    return state_->next_kept();
  return state_->next();
}

bool WebSocketConnection::watch_unused(Unused what) { return state_->watch(what); }
Task<Result<>> WebSocketConnection::check_unused(Instant deadline) { return State::check_unused(state_, deadline); }
void WebSocketConnection::on_closed(std::function<void()> callback) { state_->closed_callback = std::move(callback); }

Result<> WebSocketConnection::send_text(std::string_view text) {
  state_->is_unused = false;
  if (auto room = state_->check_room(text.size()); !room) return room;
  if (auto written = state_->writer.write_text(state_->out, text); !written) return written;
  ++state_->statistics.messages_sent;
  return state_->send_queued();
}

Result<> WebSocketConnection::send_binary(std::string_view data) {
  state_->is_unused = false;
  if (auto room = state_->check_room(data.size()); !room) return room;
  if (auto written = state_->writer.write_binary(state_->out, data); !written) return written;
  ++state_->statistics.messages_sent;
  return state_->send_queued();
}

Result<> WebSocketConnection::send_ping(std::string_view data) {
  state_->is_unused = false;
  if (auto room = state_->check_room(data.size()); !room) return room;
  if (auto written = state_->writer.write_ping(state_->out, data); !written) return written;
  ++state_->statistics.pings_sent;
  return state_->send_queued();
}

void WebSocketConnection::cork() { ++state_->corks; }

Result<> WebSocketConnection::uncork() {
  if (state_->corks > 0) --state_->corks;
  return state_->send_queued();
}

Task<Result<>> WebSocketConnection::flush() { return State::flush(state_); }

Task<Result<>> WebSocketConnection::close(WebSocketCloseCode code, std::string_view reason, Instant deadline) {
  return State::close(state_, code, std::string(reason), deadline);
}

void WebSocketConnection::cancel() {
  if (state_->failure && !state_->close_after_flush) {
    state_->close_transport();
    return;
  }
  if (state_->close_after_flush) return;  // the flush loop closes it, within a deadline
  cut();
}

void WebSocketConnection::cut() {
  state_->fail_with(
      {ErrorCode::cancelled, state_->transport->info().peer + ": the connection was cut here", false, nullptr}, false);
}

bool WebSocketConnection::is_open() const { return !state_->failure; }
WebSocketCloseCode WebSocketConnection::close_code() const { return state_->close_code; }
std::string_view WebSocketConnection::close_reason() const { return state_->close_reason; }
const std::string& WebSocketConnection::subprotocol() const { return state_->agreement.subprotocol; }
bool WebSocketConnection::is_compressed() const { return state_->agreement.deflate.has_value(); }
std::size_t WebSocketConnection::write_queue_bytes() const { return state_->queued_bytes(); }
Instant WebSocketConnection::last_receive() const { return state_->last_receive; }
const WebSocketConnection::Statistics& WebSocketConnection::statistics() const { return state_->statistics; }
const TransportInfo& WebSocketConnection::info() const { return state_->transport->info(); }

std::size_t WebSocketConnection::memory_bytes() const {
  return sizeof(State) + state_->parser.memory_bytes() + state_->out.capacity() + state_->in_flight.capacity() +
         state_->kept_bytes;
}

}  // namespace marketprism::net
