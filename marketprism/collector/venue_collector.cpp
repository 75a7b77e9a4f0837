#include "marketprism/collector/venue_collector.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "marketprism/collector/venue_endpoint.hpp"
#include "marketprism/exchange/registry.hpp"

namespace marketprism::collector {

using exchange::BookRule;
using exchange::Channel;
using exchange::ControlMessage;
using exchange::Stream;
using tape::Direction;
using tape::FrameKind;

namespace {

constexpr int instrument_attempts_max = 6;

feed::SnapshotSchedule::Options snapshot_options(const exchange::Facts& facts) {
  if (facts.book.snapshot == BookRule::Snapshot::rest) return {};
  return {.in_flight_max = 64,
          .retry_first = std::chrono::seconds(5)};  // a subscription's first message may take a while
}

}  // namespace

VenueCollector::VenueCollector(ExchangeConfig config, Surroundings surroundings)
    : config_(std::move(config)),
      around_(std::move(surroundings)),
      session_(exchange::make_adapter(config_.name).value(), around_.events, *this, {.books = around_.books}),
      connect_budget_(rate_of(session_.adapter().facts().connects)),
      snapshots_(snapshot_options(session_.adapter().facts())),
      snapshot_timer_([](void* self) { static_cast<VenueCollector*>(self)->serve_snapshots(); }, this) {
  if (around_.is_resumed) session_.resume();
}

VenueCollector::~VenueCollector() { *is_stopping_ = true; }

void VenueCollector::report(std::string_view text, LogLevel level, const std::source_location& site) const {
  if (around_.on_message) around_.on_message(level, config_.name, text, &site);
}

Result<wire::Url> VenueCollector::websocket_url(const exchange::WebSocketUrl& socket) const {
  const auto overridden = config_.websocket_urls.find(std::string(socket.name));
  if (overridden != config_.websocket_urls.end()) return wire::parse_url(overridden->second);
  auto url = wire::parse_url(socket.url);
  if (!url || config_.address.empty()) return url;
  const auto address = wire::parse_url(config_.address);
  if (!address) return address;
  url->scheme = address->is_secure() ? "wss" : "ws";
  url->host = address->host;
  url->port = address->port;
  url->is_ipv6 = address->is_ipv6;
  return url;
}

Result<> VenueCollector::make_endpoints() {
  const exchange::Facts& facts = session_.adapter().facts();
  const std::string rest = !config_.rest_url.empty()  ? config_.rest_url
                           : !config_.address.empty() ? config_.address
                                                      : std::string(facts.rest_url);
  auto base = wire::parse_url(rest);
  if (!base) return fail_because(base.error(), config_.name + ": the REST address " + rest);
  auto proxies = net::ProxySettings::parse(config_.proxy);
  if (!proxies) return fail_because(proxies.error(), config_.name + ": proxy");
  route_.proxies = std::make_shared<const net::ProxySettings>(std::move(*proxies));
  route_.dns = std::make_shared<net::DnsCache>(around_.loop);
  auto client =
      RestClient::open(around_.loop, std::move(*base), around_.tls, facts.rest_limit, connect_budget_, route_);
  if (!client) return std::unexpected(client.error());
  rest_ = std::move(*client);
  for (const exchange::WebSocketUrl& socket : facts.websockets) {
    auto url = websocket_url(socket);
    if (!url) return fail_because(url.error(), config_.name + ": the WebSocket address of " + std::string(socket.name));
    auto endpoint = Endpoint::create(*this, socket.name, *url);
    if (!endpoint) return std::unexpected(std::move(endpoint.error()));
    endpoints_.push_back(std::move(*endpoint));
  }
  return {};
}

async::Task<Result<>> VenueCollector::start() {
  const auto is_stopping = is_stopping_;
  Result<> begun = co_await begin();
  if (*is_stopping) co_return fail(ErrorCode::closed, "the collector stops");
  is_started_ = begun.has_value();
  if (!begun) last_error_ = begun.error().to_string();
  co_return begun;
}

async::Task<Result<>> VenueCollector::begin() {
  if (endpoints_.empty()) {
    if (auto made = make_endpoints(); !made) co_return made;
    if (around_.tape != nullptr) {
      around_.tape->append({.receive_time = wall_clock(),
                            .exchange = config_.name,
                            .kind = FrameKind::start,
                            .url = {},
                            .payload = around_.is_resumed ? tape::resumed : std::string_view()});
    }
  }
  if (auto fetched = co_await fetch_instruments(); !fetched) co_return fetched;
  if (auto selected = apply_selection(); !selected) co_return selected;
  around_.loop.spawn(run_housekeeping());
  co_return Result<>{};
}

async::Task<Result<>> VenueCollector::fetch_instruments() {
  for (const exchange::RestRequest& request : session_.adapter().instrument_requests()) {
    for (int attempt = 1;; ++attempt) {
      auto answer = co_await rest_->get(request.target, request.weight);
      if (*is_stopping_) co_return fail(ErrorCode::closed, config_.name + ": stopped before it had the instruments");
      if (!answer) co_return fail_because(answer.error(), config_.name + ": cannot fetch the instruments");
      if (answer->status == 200) {
        on_rest(request.target, *answer);
        break;
      }
      Error error = session_.adapter().rest_error(answer->status, answer->body);
      const bool may_pass = answer->status == 429 || answer->status == 418 || answer->status >= 500;
      if (!may_pass || attempt == instrument_attempts_max)
        co_return fail_because(std::move(error), config_.name + ": cannot fetch the instruments");
      report(fmt::format("cannot fetch the instruments yet: {}", error.to_string()));
      // Where the venue said when to come back, the client waits for that on its own.
      co_await around_.loop.sleep_for(std::chrono::milliseconds(500) * attempt);
    }
  }
  co_return Result<>{};
}

void VenueCollector::on_rest(const std::string& target, const RestAnswer& answer) {
  const async::HandlerScope scope(around_.loop.pulse(), "a REST answer");
  if (around_.tape != nullptr) {
    const std::string url = rest_->url_of(target);
    around_.tape->append({.receive_time = answer.receive_time,
                          .exchange = config_.name,
                          .kind = FrameKind::http_response,
                          .url = url,
                          .code = answer.status,
                          .symbol_hint = {},
                          .payload = answer.body});
  }
  session_.on_rest(target, answer.status, answer.body, answer.receive_time);
}

Result<> VenueCollector::apply_selection() {
  const Selection selection = select(session_.instruments(), config_.symbols);
  for (const std::string& problem : selection.problems) {
    if (around_.on_message) around_.on_message(LogLevel::warning, config_.name, problem, nullptr);
  }
  if (selection.instruments.empty()) {
    return fail(ErrorCode::not_found, fmt::format("{}: none of the symbols can be collected", config_.name), true);
  }
  const auto wanted = wanted_streams(selection);
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    if (wanted.contains(stream->first)) {
      ++stream;
      continue;
    }
    endpoints_[stream->second.endpoint]->pool().unsubscribe(stream->first);
    if (stream->second.channel == Channel::book) snapshots_.forget(stream->second.symbol);
    stream = streams_.erase(stream);
  }
  book_streams_.clear();
  for (const auto& [name, stream] : wanted) {
    if (stream.channel == Channel::book) book_streams_[stream.symbol] = name;
    if (!streams_.emplace(name, stream).second) continue;
    if (auto placed = endpoints_[stream.endpoint]->pool().subscribe(name); !placed) {
      streams_.erase(name);
      report(fmt::format("stream {} cannot be subscribed: {}", name, placed.error().to_string()));
    }
  }
  symbols_ = selection.instruments.size();
  refresh_polls(selection);
  note_wanted(selection);
  return {};
}

// Several channels may come by one stream, and the first of them names it.
std::map<std::string, Stream> VenueCollector::wanted_streams(const Selection& selection) {
  std::map<std::string, Stream> wanted;
  for (const market::Instrument& instrument : selection.instruments) {
    for (const Channel channel : config_.channels) {
      auto streams = session_.adapter().streams(channel, instrument, config_.streams);
      if (!streams) {
        report(streams.error().to_string());
        continue;
      }
      for (Stream& stream : *streams) wanted.emplace(stream.name, stream);
    }
  }
  return wanted;
}

void VenueCollector::refresh_polls(const Selection& selection) {
  std::unordered_map<std::string, exchange::RestRequest> wanted;
  for (const market::Instrument& instrument : selection.instruments) {
    for (const Channel channel : config_.channels) {
      for (const auto& request : session_.adapter().poll_requests(channel, instrument))
        wanted.emplace(request.target, request);
    }
  }
  polls_ = std::move(wanted);
  // One that was dropped and is wanted again may still have its task, asleep until the next time.
  std::vector<exchange::RestRequest> added;
  for (const auto& [target, request] : polls_) {
    if (polling_.insert(target).second) added.push_back(request);
  }
  for (const exchange::RestRequest& request : added) around_.loop.spawn(poll(request));
}

async::Task<> VenueCollector::run_housekeeping() {
  const auto is_stopping = is_stopping_;
  while (!*is_stopping) {
    co_await around_.loop.sleep_for(std::chrono::hours(24));
    if (*is_stopping) co_return;
    if (const auto fetched = co_await fetch_instruments(); !fetched && !*is_stopping)
      report(fetched.error().to_string());
  }
}

async::Task<Result<>> VenueCollector::change_symbols(std::vector<std::string> symbols) {
  config_.symbols = std::move(symbols);
  if (!rest_) co_return Result<>{};  // not started yet: the start will use them
  if (auto fetched = co_await fetch_instruments(); !fetched) co_return fetched;
  co_return apply_selection();
}

void VenueCollector::on_frame(Endpoint& endpoint, std::uint32_t connection, const net::WebSocketReceived& message) {
  if (around_.tape != nullptr) {
    around_.tape->append(
        {.receive_time = message.receive_time,
         .exchange = config_.name,
         .connection = connection,
         .kind = message.kind == net::WebSocketMessageKind::binary ? FrameKind::binary : FrameKind::text,
         .url = {},
         .symbol_hint = {},
         .payload = message.data});
  }
  current_endpoint_ = &endpoint;
  session_.on_frame(connection, message.data, message.receive_time);
}

void VenueCollector::on_control(std::uint32_t connection, const ControlMessage& message) {
  net::WebSocketConnectionPool& pool = current_endpoint_->pool();
  switch (message.kind) {
    case ControlMessage::Kind::subscribed:
      if (message.stream.empty()) {
        pool.acknowledge(connection, message.id);
      } else {
        pool.acknowledge(connection, message.stream);
      }
      return;
    case ControlMessage::Kind::refused: {
      const Error error{message.is_temporary ? ErrorCode::rate_limited : ErrorCode::rejected,
                        fmt::format("{} refuses ({}): {}", config_.name, message.code, message.text),
                        !message.is_temporary, nullptr};
      if (message.stream.empty()) {
        pool.refuse(connection, message.id, error);
      } else {
        pool.refuse(connection, message.stream, error);
      }
      return;
    }
    case ControlMessage::Kind::must_reply: pool.send(connection, message.text); return;
    case ControlMessage::Kind::closing:
      report(
          fmt::format("connection {} will be cut by the venue ({}); its streams move now", connection, message.text));
      pool.announce_closing(connection);
      return;
    case ControlMessage::Kind::unsubscribed:
    case ControlMessage::Kind::heartbeat: return;
  }
}

async::Task<> VenueCollector::drain(Instant deadline) {
  *is_stopping_ = true;
  snapshot_timer_.disarm();
  for (const auto& endpoint : endpoints_) co_await endpoint->pool().drain(deadline);
  if (rest_) co_await rest_->drain(deadline);
}

VenueStatus VenueCollector::status() const {
  VenueStatus status;
  status.exchange = config_.name;
  status.is_started = is_started_;
  status.feed = session_.stats();
  status.symbols = symbols_;
  status.streams = streams_.size();
  status.books_live = session_.books_live();
  status.connections_lost = connections_lost_;
  status.dials_failed = dials_failed_;
  status.rest_failures = rest_failures_;
  status.last_error = last_error_;
  for (const auto& endpoint : endpoints_) {
    const pool::SlotStats slots = endpoint->pool().slot_stats();
    status.streams_up += slots.up;
    status.connections += slots.connections;
  }
  return status;
}

}  // namespace marketprism::collector
