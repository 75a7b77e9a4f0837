#include "marketprism/emulator/venue.hpp"

#include <algorithm>
#include <cassert>

namespace marketprism::emulator {
namespace {

constexpr Nanoseconds tick_interval = std::chrono::milliseconds(50);

Limits effective_limits(const Dialect& dialect, const VenueOptions& options) {
  Limits limits = options.limits.value_or(dialect.limits());
  if (options.connection_lifetime.count() > 0) {
    limits.connection_lifetime = options.connection_lifetime;
    // A venue whose notice is longer than a connection lives would warn each one as soon as it is open.
    limits.closing_notice = std::min(limits.closing_notice, limits.connection_lifetime / 4);
  }
  if (options.enforces_limits || options.limits) return limits;
  // Pings stay: they are a habit of the venue, no limit.
  return {.connection_lifetime = limits.connection_lifetime,
          .closing_notice = limits.closing_notice,
          .ping_interval = limits.ping_interval,
          .pong_timeout = limits.pong_timeout};
}

}  // namespace

Venue::Venue(std::unique_ptr<Dialect> dialect, Outbox& outbox, VenueOptions options)
    : dialect_(std::move(dialect)),
      outbox_(outbox),
      options_(std::move(options)),
      limits_(effective_limits(*dialect_, options_)),
      dice_(options_.faults),
      has_frame_faults_(options_.faults.touches_frames()),
      connects_(limits_.connects),
      weight_(limits_.weight_max, limits_.weight_window) {}

Venue::~Venue() = default;

void Venue::set_source(std::unique_ptr<Source> source, bool is_recorded) {
  assert(!source_);
  source_ = std::move(source);
  is_recorded_ = is_recorded;
}

void Venue::set_faults(const FaultPlan& plan) {
  options_.faults = plan;
  dice_ = FaultDice(plan);
  has_frame_faults_ = plan.touches_frames();
}

Client* Venue::find(ClientId id) {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second.get();
}

std::optional<RestAnswer> Venue::accept(Moment moment) {
  moment_ = moment;
  std::optional<RestAnswer> refusal;
  if (options_.faults.refuse_upgrades > 0) {
    --options_.faults.refuse_upgrades;
    refusal = RestAnswer{.status = 503, .body = "{}"};
  } else if (limits_.connections_max != 0 && clients_.size() >= limits_.connections_max) {
    refusal = dialect_->too_many_requests(std::chrono::seconds(1));
  } else if (!connects_.pass(moment.now)) {
    refusal = dialect_->too_many_requests(limits_.connects.per);
  }
  if (refusal) ++counters_.refused;
  return refusal;
}

std::optional<RestAnswer> Venue::opened(ClientId id, std::string_view target, Moment moment) {
  moment_ = moment;
  auto [at, is_new] = clients_.emplace(id, std::make_unique<Client>(id, limits_, moment.now));
  assert(is_new);
  std::optional<RestAnswer> refusal = dialect_->open(*at->second, RestQuery::of(target), *this);
  if (refusal) {
    closed(id, moment);
    ++counters_.refused;
  } else {
    ++counters_.connections;
  }
  return refusal;
}

void Venue::receive(ClientId id, std::string_view text, Moment moment) {
  moment_ = moment;
  Client* const client = find(id);
  if (client == nullptr || client->is_closing) return;
  ++counters_.requests;
  client->last_received = moment.now;
  dialect_->receive(*client, text, *this);
  source_->on_request(moment);
}

void Venue::closed(ClientId id, Moment moment) {
  moment_ = moment;
  Client* const client = find(id);
  if (client == nullptr) return;
  for (const Subscription& subscription : client->subscriptions) streams_.remove(subscription.stream, *client);
  clients_.erase(id);
}

RestAnswer Venue::limited(Nanoseconds retry_after) {
  ++counters_.rest_limited;
  RestAnswer answer = dialect_->too_many_requests(retry_after);
  dialect_->add_usage(answer, weight_.used());
  return answer;
}

RestAnswer Venue::rest(std::string_view target, Moment moment) {
  moment_ = moment;
  ++counters_.rest_requests;
  const RestQuery query = RestQuery::of(target);
  const bool is_within = weight_.add(moment.utc, dialect_->weight_of(query));
  RestAnswer answer;
  if (options_.faults.rest_rejections > 0) {
    --options_.faults.rest_rejections;
    answer = limited(std::chrono::seconds(1));
  } else if (!is_within) {
    answer = limited(weight_.rest_of_window(moment.utc));
  } else if (options_.faults.rest_failures > 0) {
    --options_.faults.rest_failures;
    answer = {.status = 500, .body = "{}"};
  } else {
    std::optional<RestAnswer> found = dialect_->always(query, moment);
    if (!found) found = source_->rest(query, moment);
    answer = found ? std::move(*found) : dialect_->not_found(query);
    dialect_->add_usage(answer, weight_.used());
  }
  answer.delay = options_.faults.rest_delay;
  return answer;
}

bool Venue::advance(Moment moment) {
  moment_ = moment;
  if (moment.now >= next_tick_) {
    next_tick_ = moment.now + tick_interval;
    tick_clients();
  }
  if (outbox_.is_congested()) return false;
  const bool has_more = source_->advance(moment);
  if (options_.closes_when_finished && source_->progress().is_finished) close_all(1000, "the recording is over");
  return has_more;
}

void Venue::close_all(int code, std::string_view reason) {
  for (const auto& [id, client] : clients_) close(*client, code, reason);
}

void Venue::tick_clients() {
  for (const auto& [id, client] : clients_) {
    if (client->is_closing) continue;
    dialect_->tick(*client, *this);
    end_of_life(*client);
  }
}

void Venue::end_of_life(Client& client) {
  if (limits_.connection_lifetime.count() == 0 || client.is_closing) return;
  const Nanoseconds age = moment_.now - client.opened;
  if (age >= limits_.connection_lifetime) {
    close(client, 1001, "connection lifetime is over");
  } else if (limits_.closing_notice.count() != 0 && !client.was_warned &&
             age >= limits_.connection_lifetime - limits_.closing_notice) {
    client.was_warned = true;
    dialect_->warn_of_closing(client, *this);
  }
}

void Venue::warn_all(Moment moment) {
  moment_ = moment;
  for (const auto& [id, client] : clients_) {
    client->was_warned = true;
    dialect_->warn_of_closing(*client, *this);
  }
}

VenueCounters Venue::counters() const {
  VenueCounters counters = counters_;
  counters.open = clients_.size();
  counters.subscribed = streams_.subscribed_count();
  return counters;
}

void Venue::send(Client& client, std::string_view text) {
  if (client.is_closing) return;
  ++counters_.replies;
  client.last_sent = moment_.now;
  outbox_.send_text(client.id, text);
}

void Venue::close(Client& client, int code, std::string_view reason) {
  if (client.is_closing) return;
  client.is_closing = true;
  outbox_.close(client.id, code, reason);
}

bool Venue::offers(std::string_view stream) { return source_->resolve(stream).has_value(); }

void Venue::subscribe(Client& client, std::string_view name) {
  const std::optional<StreamIndex> stream = source_->resolve(name);
  const auto by_name = [](const Subscription& s) -> std::string_view { return s.name; };
  if (std::ranges::find(client.subscriptions, name, by_name) != client.subscriptions.end()) return;
  if (!stream) return;
  source_->before_subscribe(*stream, moment_);
  client.subscriptions.push_back({std::string(name), *stream});
  if (streams_.add(*stream, client)) source_->after_subscribe(client, *stream, moment_);
}

bool Venue::unsubscribe(Client& client, std::string_view name) {
  const auto by_name = [](const Subscription& s) -> std::string_view { return s.name; };
  const auto found = std::ranges::find(client.subscriptions, name, by_name);
  if (found == client.subscriptions.end()) return false;
  const StreamIndex stream = found->stream;
  client.subscriptions.erase(found);
  const auto by_stream = [](const Subscription& s) { return s.stream; };
  if (std::ranges::find(client.subscriptions, stream, by_stream) == client.subscriptions.end()) {
    streams_.remove(stream, client);
  }
  return true;
}

std::size_t Venue::publish(StreamIndex stream, std::string_view frame) {
  std::size_t count = 0;
  for (Client* const client : streams_.subscribers(stream)) {
    if (client->is_closing) continue;
    deliver(*client, dialect_->shape(*client, frame, streams_.name(stream), scratch_));
    ++count;
  }
  return count;
}

void Venue::send_data(Client& client, std::string_view frame) {
  if (!client.is_closing) deliver(client, frame);
}

void Venue::deliver(Client& client, std::string_view frame) {
  ++client.frames;
  if (has_frame_faults_) return deliver_with_faults(client, frame);
  send_frame(client, frame);
}

void Venue::send_frame(Client& client, std::string_view frame) {
  ++counters_.frames;
  client.last_sent = moment_.now;
  outbox_.send_text(client.id, frame);
}

void Venue::deliver_with_faults(Client& client, std::string_view frame) {
  const FrameFault fault = client.has_held_frame ? FrameFault::none : dice_.next(client.frames);
  if (fault != FrameFault::none) ++counters_.faults;
  switch (fault) {
    case FrameFault::none: send_frame(client, frame); break;
    case FrameFault::lose: return;
    case FrameFault::duplicate:
      send_frame(client, frame);
      send_frame(client, frame);
      return;
    case FrameFault::reorder:
      client.held_frame = frame;
      client.has_held_frame = true;
      return;
    case FrameFault::garbage: return send_frame(client, dice_.damage(frame));
    case FrameFault::abort: client.is_closing = true; return outbox_.abort(client.id);
    case FrameFault::half_frame: client.is_closing = true; return outbox_.abort_inside(client.id, frame);
    case FrameFault::stall: client.is_closing = true; return outbox_.stall(client.id);
  }
  if (!client.has_held_frame) return;
  client.has_held_frame = false;
  send_frame(client, client.held_frame);
}

}  // namespace marketprism::emulator
