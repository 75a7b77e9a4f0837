#include "marketprism/collector/venue_collector.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"

namespace marketprism::collector {

using exchange::BookRule;
using exchange::Channel;
using exchange::ControlMessage;
using exchange::Stream;
using tape::Direction;
using tape::FrameKind;

namespace {

UnixTime wall_clock() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); }

pool::RateConfig rate_of(const exchange::Limit& limit) {
  return {static_cast<std::uint32_t>(limit.count),
          limit.per.count() > 0 ? Nanoseconds(limit.per) : Nanoseconds(std::chrono::seconds(1)), 0};
}

feed::SnapshotSchedule::Options snapshot_options(const exchange::Facts& facts) {
  if (facts.book.snapshot == BookRule::Snapshot::rest) return {};
  return {.in_flight_max = 64,
          .retry_first = std::chrono::seconds(5)};  // a subscription's first message may take a while
}

}  // namespace

/// The pool of one of the venue's WebSocket URLs and what its connections say.
class VenueCollector::Endpoint final : public net::WebSocketStreamHandler {
 public:
  Endpoint(VenueCollector& owner, const wire::Url& url)
      : owner_(owner), pool_(owner.around_.loop, options_of(owner), {url}, *this) {
    pool_.use_connect_budget(owner.connect_budget_);
    pool_.start();
  }

  net::WebSocketConnectionPool& pool() { return pool_; }
  const net::WebSocketConnectionPool& pool() const { return pool_; }

  std::vector<std::string> greeting() override { return adapter().greeting(); }
  std::string subscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return adapter().subscribe_text(streams, id);
  }
  std::string unsubscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return adapter().unsubscribe_text(streams, id);
  }
  void on_open(std::uint32_t connection, const wire::Url& url) override {
    record(connection, {.kind = FrameKind::connect, .url = url.to_string(), .payload = {}});
  }
  void on_sent(std::uint32_t connection, std::string_view text) override {
    record(connection, {.direction = Direction::sent, .kind = FrameKind::text, .url = {}, .payload = text});
  }
  void on_message(std::uint32_t connection, const net::WebSocketReceived& message) override {
    owner_.on_frame(*this, connection, message);
  }
  void on_close(std::uint32_t connection, net::WebSocketCloseCode code, std::string_view reason,
                bool is_ours) override {
    const UnixTime now = wall_clock();
    record(connection, {.receive_time = now,
                        .direction = is_ours ? Direction::sent : Direction::received,
                        .kind = FrameKind::close,
                        .url = {},
                        .code = static_cast<int>(code),
                        .payload = reason});
    if (is_ours) return;
    ++owner_.connections_lost_;
    owner_.report(fmt::format("connection {} was lost (close code {}{}{}); its streams move", connection,
                              static_cast<int>(code), reason.empty() ? "" : ": ", reason));
    owner_.session_.on_lost(connection, now);
  }
  void on_dial_failed(const Error& error) override {
    ++owner_.dials_failed_;
    owner_.last_error_ = error.to_string();
    owner_.report(owner_.last_error_);
  }
  void on_stream_up(std::string_view name, std::uint32_t) override {
    const auto found = owner_.streams_.find(std::string(name));
    if (found == owner_.streams_.end() || found->second.channel != Channel::book) return;
    if (adapter().facts().book.snapshot == BookRule::Snapshot::rest &&
        owner_.session_.book(found->second.symbol) == nullptr) {
      owner_.want_snapshot(found->second.symbol);
    }
  }
  void on_stream_end(std::string_view name, const std::optional<Error>& error) override {
    if (!error) return;
    owner_.report(fmt::format("stream {} ends: {}", name, error->to_string()));
    owner_.streams_.erase(std::string(name));
  }

 private:
  static net::WebSocketPoolOptions options_of(VenueCollector& owner) {
    const exchange::Facts& facts = owner.session_.adapter().facts();
    net::WebSocketPoolOptions options;
    options.connections.name = owner.config_.name;
    options.connections.type = pool::PoolType::websocket;
    options.connections.max_size = 128;
    options.connections.min_size = 0;
    const Nanoseconds lifetime = facts.connection_lifetime;
    options.connections.max_lifetime =
        lifetime > std::chrono::minutes(30) ? lifetime - std::chrono::minutes(15) : lifetime;
    const std::size_t capacity = owner.config_.streams_per_connection != 0 ? owner.config_.streams_per_connection
                                 : facts.streams_per_connection > 0
                                     ? static_cast<std::size_t>(facts.streams_per_connection)
                                     : 500;
    options.slots.streams_per_connection = capacity;
    options.slots.streams_per_message = std::min(capacity, static_cast<std::size_t>(facts.streams_per_request));
    options.slots.messages = rate_of(facts.messages_per_connection);
    options.websocket.silence_timeout = facts.silence_max;
    options.tls = owner.around_.tls;
    options.ping_text = facts.ping_text;
    options.ping_text_after = facts.ping_after;
    options.next_connection = [&owner] { return ++owner.last_connection_; };
    return options;
  }

  exchange::Adapter& adapter() { return owner_.session_.adapter(); }
  void record(std::uint32_t connection, tape::Frame frame) {
    if (owner_.around_.tape == nullptr) return;
    if (frame.receive_time == UnixTime{}) frame.receive_time = wall_clock();
    frame.exchange = owner_.config_.name;
    frame.connection = connection;
    owner_.around_.tape->append(frame);
  }

  VenueCollector& owner_;
  net::WebSocketConnectionPool pool_;
};

VenueCollector::VenueCollector(ExchangeConfig config, Surroundings surroundings)
    : config_(std::move(config)),
      around_(std::move(surroundings)),
      session_(exchange::make_adapter(config_.name).value(), around_.events, *this),
      connect_budget_(rate_of(session_.adapter().facts().connects)),
      snapshots_(snapshot_options(session_.adapter().facts())),
      snapshot_timer_([](void* self) { static_cast<VenueCollector*>(self)->serve_snapshots(); }, this) {}

VenueCollector::~VenueCollector() { *is_stopping_ = true; }

void VenueCollector::report(std::string_view text) const {
  if (around_.on_problem) around_.on_problem(config_.name, text);
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
  rest_ = std::make_unique<RestClient>(around_.loop, std::move(*base), around_.tls, facts.rest_limit);
  for (const exchange::WebSocketUrl& socket : facts.websockets) {
    auto url = websocket_url(socket);
    if (!url) return fail_because(url.error(), config_.name + ": the WebSocket address of " + std::string(socket.name));
    endpoints_.push_back(std::make_unique<Endpoint>(*this, *url));
  }
  return {};
}

async::Task<Result<>> VenueCollector::start() {
  if (auto made = make_endpoints(); !made) co_return made;
  if (auto fetched = co_await fetch_instruments(); !fetched) co_return fetched;
  if (auto selected = apply_selection(); !selected) co_return selected;
  around_.loop.spawn(run_housekeeping());
  co_return Result<>{};
}

async::Task<Result<>> VenueCollector::fetch_instruments() {
  for (const exchange::RestRequest& request : session_.adapter().instrument_requests()) {
    auto answer = co_await rest_->get(request.target, request.weight);
    if (*is_stopping_) co_return Result<>{};
    if (!answer) co_return fail_because(answer.error(), config_.name + ": cannot fetch the instruments");
    if (answer->status != 200) {
      co_return fail_because(session_.adapter().rest_error(answer->status, answer->body),
                             config_.name + ": cannot fetch the instruments");
    }
    on_rest(request.target, *answer);
  }
  co_return Result<>{};
}

void VenueCollector::on_rest(const std::string& target, const RestAnswer& answer) {
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
  for (const std::string& problem : selection.problems) report(problem);
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
  std::vector<exchange::RestRequest> added;
  for (const auto& [target, request] : wanted) {
    if (!polls_.contains(target)) added.push_back(request);
  }
  polls_ = std::move(wanted);
  for (const exchange::RestRequest& request : added) around_.loop.spawn(poll(request));
}

async::Task<> VenueCollector::poll(exchange::RestRequest request) {
  const auto is_stopping = is_stopping_;
  const Nanoseconds interval = config_.poll_interval.count() > 0
                                   ? Nanoseconds(config_.poll_interval)
                                   : Nanoseconds(session_.adapter().facts().poll_interval);
  while (!*is_stopping && polls_.contains(request.target)) {
    const auto answer = co_await rest_->get(request.target, request.weight);
    if (*is_stopping) co_return;
    if (answer) {
      on_rest(request.target, *answer);
    } else {
      ++rest_failures_;
      last_error_ = answer.error().to_string();
    }
    co_await around_.loop.sleep_for(interval);
  }
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
  if (auto fetched = co_await fetch_instruments(); !fetched) co_return fetched;
  config_.symbols = std::move(symbols);
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

void VenueCollector::want_snapshot(std::string_view symbol) {
  if (*is_stopping_ || !book_streams_.contains(std::string(symbol))) return;
  snapshots_.want(symbol, around_.loop.now());
  around_.loop.timers().arm(snapshot_timer_, around_.loop.now());  // not from within the decoding of a frame
}

void VenueCollector::serve_snapshots() {
  if (*is_stopping_) return;
  const Instant now = around_.loop.now();
  while (auto symbol = snapshots_.next(now)) {
    if (session_.book(*symbol) != nullptr) {
      snapshots_.finished(*symbol, true, now);
    } else if (session_.adapter().facts().book.snapshot == BookRule::Snapshot::rest) {
      around_.loop.spawn(fetch_snapshot(*symbol));
    } else {
      resubscribe_book(*symbol);
      snapshots_.finished(*symbol, false, now);  // looked at again later: done if the book is there by then
    }
  }
  if (const Instant wake = snapshots_.wake_at(); wake != Instant::max())
    around_.loop.timers().arm(snapshot_timer_, wake);
}

void VenueCollector::resubscribe_book(const std::string& symbol) {
  const auto name = book_streams_.find(symbol);
  if (name == book_streams_.end()) return;
  const auto stream = streams_.find(name->second);
  if (stream != streams_.end()) endpoints_[stream->second.endpoint]->pool().resubscribe(stream->first);
}

async::Task<> VenueCollector::fetch_snapshot(std::string symbol) {
  const auto is_stopping = is_stopping_;
  const int depth = config_.snapshot_depth > 0 ? config_.snapshot_depth : session_.adapter().facts().snapshot_depth;
  const exchange::RestRequest request = session_.adapter().snapshot_request(symbol, depth);
  const auto answer = co_await rest_->get(request.target, request.weight);
  if (*is_stopping) co_return;
  if (answer) on_rest(request.target, *answer);
  if (!answer || answer->status != 200) {
    ++rest_failures_;
    last_error_ =
        answer ? session_.adapter().rest_error(answer->status, answer->body).to_string() : answer.error().to_string();
    report(fmt::format("no snapshot of {}: {}; it will be asked for again", symbol, last_error_));
  }
  snapshots_.finished(symbol, session_.book(symbol) != nullptr, around_.loop.now());
  serve_snapshots();
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
