// The world's own books: what it makes of the pool's actions, and the rules it holds the pool to.
#include <algorithm>

#include "tests/simulation/pool/slot_world.hpp"

namespace marketprism::simulation {

void SlotWorld::take_actions() {
  while (auto action = pool_->next_action()) {
    require(!is_drained_ || std::holds_alternative<pool::SlotCut>(*action), "an action after the end");
    std::visit([this](const auto& a) { on(a); }, *action);
  }
  for (const auto handle : std::exchange(closed_now_, {})) tell_closed(handle);
  is_ticking_ = false;
  fallen_from_.clear();
}

void SlotWorld::on(const pool::SlotDial& action) {
  require(!is_draining_, "a dial after drain");
  require(!wires_.contains(action.connection.id), "an id was used twice");
  wires_[action.connection.id].handle = action.connection;
  wires_[action.connection.id].endpoint = action.endpoint;
  wires_[action.connection.id].give_up = action.deadline + config_.connect_timeout / 8;
  require(!pool_->endpoints().is_removed(action.endpoint), "a dial to an endpoint that is gone");
  require(sockets_open() <= std::max(config_.max_size + 1, sockets_allowed_),
          "more sockets than max_size and one for a rotation");
}

void SlotWorld::on(const pool::SlotAbortDial& action) {
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && !found->second.is_up, "a dial was given up that is not running");
  ++books_.dials;
  ++(is_ticking_ && found->second.give_up <= now_ ? books_.failures : books_.abandoned);
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
  begin_close(action.connection);
}

// Its socket lives on.
void SlotWorld::begin_close(pool::SlotConnection handle) {
  closing_.push_back({handle, now_ + config_.close_timeout});
  if (closes_at_once_) close_socket(handle);
}

void SlotWorld::close_socket(pool::SlotConnection handle) {
  std::erase_if(closing_, [&](const Closing& c) { return c.handle == handle; });
  closed_now_.push_back(handle);
}

void SlotWorld::on(const pool::SlotCut& action) {
  const auto cut =
      std::find_if(closing_.begin(), closing_.end(), [&](const Closing& c) { return c.handle == action.connection; });
  require(cut != closing_.end() && cut->cut_at <= now_, "a close was cut before its time, or twice");
  close_socket(action.connection);
}

void SlotWorld::on(const pool::SlotClose& action) {
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && found->second.is_up, "a connection was closed that is not up");
  ++books_.closed[static_cast<std::size_t>(action.reason)];
  if (action.reason == pool::CloseReason::lifetime || action.reason == pool::CloseReason::evicted) {
    require(std::find(fallen_from_.begin(), fallen_from_.end(), action.connection.id) == fallen_from_.end(),
            "a stream was interrupted by what was planned");
  }
  if (action.reason != pool::CloseReason::drained) {
    for (const auto& [id, wanted] : wishes_) {
      require(wanted.carrier != action.connection.id, "a connection was closed that still carries a stream");
    }
  }
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
  begin_close(action.connection);
}

void SlotWorld::check_rate(Wire& wire) {
  wire.sent.push_back(now_);
  const auto since = now_ - slots_.messages.interval;
  const auto recent = std::count_if(wire.sent.begin(), wire.sent.end(), [since](Instant at) { return at > since; });
  require(recent <= 2 * static_cast<std::ptrdiff_t>(slots_.messages.count), "more messages than the bucket can give");
}

void SlotWorld::on(const pool::Subscribe& action) {
  ++stream_books_.subscribe_messages;
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && found->second.is_up, "a message for a connection that is not up");
  if (found == wires_.end()) return;
  check_rate(found->second);
  require(!action.streams.empty() && action.streams.size() <= slots_.streams_per_message,
          "a message of the wrong size");
  for (const auto stream : action.streams) {
    require(wish(stream) != nullptr, "a subscription to a stream that has ended");
    require(!found->second.confirmed.contains(stream.id), "subscribed twice on one connection");
    found->second.asked.insert(stream.id);
  }
  require(found->second.asked.size() + found->second.confirmed.size() <= slots_.streams_per_connection,
          "more streams on a connection than it can carry");
}

void SlotWorld::on(const pool::Unsubscribe& action) {
  ++stream_books_.unsubscribe_messages;
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && found->second.is_up, "a message for a connection that is not up");
  if (found == wires_.end()) return;
  check_rate(found->second);
  for (const auto stream : action.streams) {
    require(wish(stream) != nullptr, "the driver no longer knows the name of a stream it must unsubscribe");
    require(wish(stream) == nullptr || wish(stream)->carrier != action.connection.id || wish(stream)->is_removed,
            "unsubscribed where it is carried");
    found->second.asked.erase(stream.id);
    found->second.confirmed.erase(stream.id);
  }
}

void SlotWorld::on(const pool::StreamUp& action) {
  Wish* up = wish(action.stream);
  require(up != nullptr && !up->is_removed, "a stream came up that has ended");
  const auto carrier = wires_.find(action.connection.id);
  require(carrier != wires_.end() && carrier->second.confirmed.contains(action.stream.id),
          "up without the venue's word");
  if (up == nullptr) return;
  if (carrier != wires_.end()) carrier->second.is_proven = true;
  require(up->carrier == action.previous.id, "a move from a connection that did not carry the stream");
  stream_books_.moved += action.previous ? 1 : 0;
  if (action.previous)
    require(wires_.contains(action.previous.id), "the old connection went before the new one was up");
  up->carrier = action.connection.id;
}

void SlotWorld::on(const pool::StreamDown& action) {
  Wish* down = wish(action.stream);
  require(down != nullptr && down->carrier != 0, "a stream went down that was not up");
  ++stream_books_.interrupted;
  if (down == nullptr) return;
  const bool is_streams_own = action.why == "silent" || action.why == "refused" || action.why == "not confirmed" ||
                              action.why == "asked for anew";
  if (!is_streams_own) fallen_from_.push_back(down->carrier);
  down->carrier = 0;
}

void SlotWorld::on(const pool::StreamEnd& action) {
  require(wish(action.stream) != nullptr, "a stream ended twice");
  require(is_draining_ || action.error || wish(action.stream) == nullptr || wish(action.stream)->is_removed,
          "ended for no reason");
  ended_.push_back(action.stream);
  wishes_.erase(action.stream.id);
}

void SlotWorld::on(const pool::SlotsDrained&) {
  require(is_draining_ && !is_drained_, "drained twice, or without being asked");
  is_drained_ = true;
}

void SlotWorld::check_books() {
  const pool::SlotStats stats = pool_->slot_stats();
  require(stats.streams == wishes_.size(), "number of streams");
  require(stats.connections == wires_.size(), "number of connections");
  require(pool_->stats(now_).gauges.closing == closing_.size(), "gauge closing");
  for (const Closing& goodbye : closing_)
    require(pool_->wake_at() <= goodbye.cut_at, "would wake after the end of a close's time");
  const std::size_t most = config_.max_size + 1;  // one for a rotation
  sockets_allowed_ = sockets_open() <= most ? 0 : std::min(sockets_allowed_, sockets_open());
  require(sockets_open() <= std::max(most, sockets_allowed_), "more sockets than max_size and one for a rotation");
  require(pool_->counters() == books_, "the counters differ from the fold of the trace");
  require(stats.moved == stream_books_.moved && stats.interrupted == stream_books_.interrupted,
          "moved or interrupted streams differ from the fold of the trace");
  require(stats.subscribe_messages == stream_books_.subscribe_messages &&
              stats.unsubscribe_messages == stream_books_.unsubscribe_messages,
          "sent messages differ from the fold of the trace");
  const auto up = std::count_if(wishes_.begin(), wishes_.end(),
                                [](const auto& w) { return w.second.carrier != 0 && !w.second.is_removed; });
  require(stats.up == static_cast<std::size_t>(up), "number of streams up");
  for (auto& [id, wire] : wires_) {
    require(pool_->used_slots(wire.handle) <= slots_.streams_per_connection, "a connection over its capacity");
  }
  for (auto& [id, wanted] : wishes_) {
    if (!wanted.is_removed)
      require(pool_->carrier_of(wanted.handle).id == wanted.carrier, "the carrier is not the one told");
  }
}

}  // namespace marketprism::simulation
