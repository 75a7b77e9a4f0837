#include "marketprism/collector/venue_endpoint.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace marketprism::collector {

Result<std::unique_ptr<VenueCollector::Endpoint>> VenueCollector::Endpoint::create(VenueCollector& owner,
                                                                                   std::string_view name,
                                                                                   const wire::Url& url) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint(owner, name));
  auto made = net::WebSocketConnectionPool::create(owner.around_.loop, options_of(owner, name), {url}, *endpoint);
  if (!made) return std::unexpected(std::move(made.error()));
  endpoint->pool_.emplace(std::move(*made));
  endpoint->pool().use_connect_budget(owner.connect_budget_);
  endpoint->pool().start();
  return endpoint;
}

void VenueCollector::Endpoint::on_close(std::uint32_t connection, net::WebSocketCloseCode code, std::string_view reason,
                                        bool is_ours) {
  const UnixTime now = wall_clock();
  record(connection, {.receive_time = now,
                      .direction = is_ours ? tape::Direction::sent : tape::Direction::received,
                      .kind = tape::FrameKind::close,
                      .url = {},
                      .code = static_cast<int>(code),
                      .payload = reason});
  if (is_ours) return;
  ++owner_.connections_lost_;
  owner_.report(fmt::format("connection {} was lost (close code {}{}{}); its streams move", connection,
                            static_cast<int>(code), reason.empty() ? "" : ": ", reason));
  owner_.session_.on_lost(connection, now);
}

void VenueCollector::Endpoint::on_stream_up(std::string_view name, std::uint32_t) {
  const auto found = owner_.streams_.find(std::string(name));
  if (found == owner_.streams_.end() || found->second.channel != exchange::Channel::book) return;
  if (adapter().facts().book.snapshot == exchange::BookRule::Snapshot::rest &&
      owner_.session_.book(found->second.symbol) == nullptr) {
    owner_.want_snapshot(found->second.symbol);
  }
}

void VenueCollector::Endpoint::on_stream_end(std::string_view name, const std::optional<Error>& error) {
  if (!error) return;
  owner_.report(
      fmt::format("stream {} ends: {}; it is tried again at the next reload or start", name, error->to_string()));
  owner_.streams_.erase(std::string(name));
}

net::WebSocketPoolOptions VenueCollector::Endpoint::options_of(VenueCollector& owner, std::string_view name) {
  const exchange::Facts& facts = owner.session_.adapter().facts();
  net::WebSocketPoolOptions options;
  options.config.connections.name = fmt::format("{} {}", owner.config_.name, name);
  options.config.connections.max_size = 128;
  options.config.connections.min_size = 0;
  options.config.close_timeout = std::chrono::seconds(2);
  const Nanoseconds lifetime = facts.connection_lifetime;
  options.config.connections.max_lifetime = owner.config_.connection_lifetime.count() > 0
                                                ? Nanoseconds(owner.config_.connection_lifetime)
                                            : lifetime > std::chrono::minutes(30) ? lifetime - std::chrono::minutes(15)
                                                                                  : lifetime;
  const std::size_t capacity = owner.config_.streams_per_connection != 0 ? owner.config_.streams_per_connection
                               : facts.streams_per_connection > 0
                                   ? static_cast<std::size_t>(facts.streams_per_connection)
                                   : 500;
  options.config.slots.streams_per_connection = capacity;
  options.config.slots.streams_per_message = std::min(capacity, static_cast<std::size_t>(facts.streams_per_request));
  options.config.slots.messages = rate_of(facts.messages_per_connection);
  options.websocket.silence_timeout = facts.silence_max;
  options.tls = owner.around_.tls;
  options.route = owner.route_;
  options.ping_text = facts.ping_text;
  options.ping_text_after = facts.ping_after;
  options.next_connection = [&owner] { return ++owner.last_connection_; };
  return options;
}

}  // namespace marketprism::collector
