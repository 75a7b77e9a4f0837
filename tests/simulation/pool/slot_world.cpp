#include "tests/simulation/pool/slot_world.hpp"

#include <algorithm>

namespace marketprism::simulation {
namespace {

using namespace std::chrono_literals;

const char* const names[] = {"advance_little", "advance_much", "tick",    "place",       "remove",
                             "dial_ends",      "dial_fails",   "confirm", "confirm_all", "refuse",
                             "message",        "lose",         "closing", "stale_call",  "drain"};

}  // namespace

std::vector<std::uint32_t> SlotWorld::weights() { return {20, 3, 30, 20, 6, 16, 4, 20, 12, 3, 20, 4, 3, 4, 0}; }

std::string SlotWorld::describe(const Step& step) {
  return std::string(names[step.kind]) + " " + std::to_string(step.a) + " " + std::to_string(step.b);
}

SlotWorld::SlotWorld(std::uint64_t seed) : random_(seed) {
  config_.name = "simulated";
  config_.max_size = 1 + random_.below(4);
  config_.min_size = 0;
  config_.max_connecting = 1 + random_.below(3);
  config_.max_idle_time = std::chrono::milliseconds(random_.between(100, 2000));
  config_.max_lifetime = random_.chance(0.2) ? 0ms : std::chrono::milliseconds(random_.between(500, 5000));
  config_.connect_timeout = std::chrono::milliseconds(random_.between(50, 500));
  config_.dial_backoff = {10ms, 400ms, 0ms};
  config_.seed = random_.next();
  slots_.streams_per_connection = 1 + random_.below(6);
  slots_.streams_per_message = 1 + random_.below(4);
  slots_.messages = {static_cast<std::uint32_t>(1 + random_.below(5)), 100ms, 0};
  slots_.subscribe_timeout = std::chrono::milliseconds(random_.between(50, 500));
  slots_.overlap_timeout = std::chrono::milliseconds(random_.between(100, 2000));
  slots_.max_streams = 1 + random_.below(24);
  std::vector<pool::Endpoint> endpoints;
  for (std::size_t i = 0; i <= random_.below(2); ++i)
    endpoints.push_back({"host" + std::to_string(i), 1, true, "/ws", 0, 1});
  pool_ = std::make_unique<pool::SlotPool>(config_, slots_, endpoints);
  now_ = Instant(Nanoseconds(random_.between(0, 1'000'000'000'000)));
  pool_->start(now_);
}

std::optional<std::string> SlotWorld::run(std::uint64_t seed, const Schedule& schedule) {
  SlotWorld world(seed);
  for (const Step& step : schedule) {
    world.perform(step);
    world.take_actions();
    world.check_books();
    if (world.violation_) return world.violation_;
  }
  world.settle_down();
  return world.violation_;
}

void SlotWorld::require(bool condition, const char* rule) {
  if (!condition && !violation_) violation_ = rule;
}

std::vector<SlotWorld::Wire*> SlotWorld::wires(bool is_up) {
  std::vector<Wire*> found;
  for (auto& [id, wire] : wires_) {
    if (wire.is_up == is_up) found.push_back(&wire);
  }
  return found;
}

SlotWorld::Wish* SlotWorld::wish(pool::StreamHandle handle) {
  const auto found = wishes_.find(handle.id);
  return found == wishes_.end() ? nullptr : &found->second;
}

SlotWorld::Wish* SlotWorld::nth_wish(std::uint32_t which) {
  if (wishes_.empty()) return nullptr;
  return &std::next(wishes_.begin(), static_cast<std::ptrdiff_t>(which % wishes_.size()))->second;
}

void SlotWorld::perform(const Step& step) {
  switch (step.kind) {
    case advance_little: now_ += std::chrono::microseconds(step.a % 30'000); return;
    case advance_much: now_ += std::chrono::milliseconds(step.a % (step.b % 8 == 0 ? 50'000 : 1'000)); return;
    case tick: return pool_->tick(now_);
    case place: {
      const auto limit = step.a % 2 == 0 ? 0ms : std::chrono::milliseconds(50 + step.b % 1'000);
      const std::size_t most = std::min(slots_.max_streams, config_.max_size * slots_.streams_per_connection);
      const auto placed = pool_->place(now_, limit);
      require(placed.has_value() == (!is_draining_ && wishes_.size() < most), "a stream was refused or taken wrongly");
      if (placed) wishes_[placed->id] = {*placed, 0, false, false};
      return;
    }
    case remove:
      if (Wish* removed = nth_wish(step.a)) {
        const bool was_there = pool_->remove(removed->handle, now_);
        require(was_there == !removed->is_removed || removed->was_refused, "a removal had the wrong answer");
        removed->is_removed = true;
        removed->carrier = 0;
      }
      return;
    case dial_ends: return end_dial(step.a, true);
    case dial_fails: return end_dial(step.a, false);
    case confirm: return answer(step.a, true, false);
    case confirm_all: return answer_all();
    case refuse: return answer(step.a, false, step.b % 4 == 0);
    case message:
      for (Wire* wire : wires(true)) {
        for (const auto id : wire->confirmed) {
          if (wishes_.contains(id) && (step.a >> (id % 32)) % 2 == 0)
            pool_->message(wire->handle, wishes_[id].handle, now_);
        }
      }
      return;
    case lose:
      if (const auto up = wires(true); !up.empty()) {
        Wire* lost = up[step.a % up.size()];
        lost->asked.clear();
        lost->confirmed.clear();
        pool_->lost(lost->handle, now_);
      }
      return;
    case closing:
      if (const auto up = wires(true); !up.empty()) pool_->closing(up[step.a % up.size()]->handle, now_);
      return;
    case stale_call: return do_stale(step);
    case drain: is_draining_ = true; return pool_->drain(now_);
    default: return;
  }
}

void SlotWorld::answer(std::uint32_t which, bool is_ok, bool is_terminal) {
  for (Wire* wire : wires(true)) {
    if (wire->asked.empty()) continue;
    const auto at = std::next(wire->asked.begin(), static_cast<std::ptrdiff_t>(which % wire->asked.size()));
    const std::uint64_t id = *at;
    wire->asked.erase(at);
    if (is_ok) wire->confirmed.insert(id);
    const auto handle = wishes_.contains(id) ? wishes_[id].handle : pool::StreamHandle{id, 0};
    if (is_ok) {
      pool_->subscribed(wire->handle, handle, now_);
    } else {
      if (is_terminal && wishes_.contains(id)) wishes_[id].was_refused = true;
      pool_->refused(wire->handle, handle, Error{ErrorCode::rejected, "no", is_terminal, nullptr}, now_);
    }
    return;
  }
}

void SlotWorld::answer_all() {
  for (int i = 0; i < 10'000; ++i) {
    const auto up = wires(true);
    if (std::all_of(up.begin(), up.end(), [](const Wire* wire) { return wire->asked.empty(); })) return;
    answer(0, true, false);
    take_actions();
  }
}

void SlotWorld::end_dial(std::uint32_t which, bool is_ok) {
  const auto dialing = wires(false);
  if (dialing.empty()) return;
  Wire* wire = dialing[which % dialing.size()];
  if (is_ok) {
    wire->is_up = true;
    require(pool_->dialed(wire->handle, now_), "a wanted connection was refused");
    return;
  }
  const pool::SlotConnection handle = wire->handle;
  gone_.push_back(handle);
  wires_.erase(handle.id);
  pool_->dial_failed(handle, Error{ErrorCode::connection_refused, "nobody listens", false, nullptr}, now_);
}

void SlotWorld::do_stale(const Step& step) {
  if (const auto up = wires(true); !up.empty()) {
    Wire* wire = up[step.a % up.size()];
    require(!pool_->dialed(wire->handle, now_), "a connection was taken twice");
    pool_->dial_failed(wire->handle, Error{}, now_);
    if (Wish* other = nth_wish(step.b)) {
      if (!wire->asked.contains(other->handle.id)) pool_->subscribed(wire->handle, other->handle, now_);
    }
  }
  if (!ended_.empty()) {
    const auto ended = ended_[step.b % ended_.size()];
    require(!pool_->remove(ended, now_), "a stream was removed twice");
    if (const auto up = wires(true); !up.empty()) {
      pool_->message(up[0]->handle, ended, now_);
      pool_->refused(up[0]->handle, ended, Error{}, now_);
    }
  }
  if (gone_.empty()) return;
  const auto gone = gone_[step.a % gone_.size()];
  require(!pool_->dialed(gone, now_), "a dial that was given up was taken");
  pool_->lost(gone, now_);
  pool_->closing(gone, now_);
  if (Wish* some = nth_wish(step.b)) pool_->subscribed(gone, some->handle, now_);
}

// Faults stop: every stream must come up and stay, and only what is wanted may be subscribed at the venue.
void SlotWorld::settle_down() {
  const auto is_settled = [this] {
    return std::all_of(wishes_.begin(), wishes_.end(),
                       [](const auto& w) { return w.second.carrier != 0 && !w.second.is_removed; });
  };
  for (int i = 0; i < 5'000 && !is_draining_ && !violation_ && !is_settled(); ++i) {
    pool_->tick(now_);
    take_actions();
    now_ += 1ms;
    while (!wires(false).empty()) end_dial(0, true);
    take_actions();
    answer_all();
    for (auto& [id, wanted] : wishes_) {
      if (wanted.carrier != 0) pool_->message(wires_.at(wanted.carrier).handle, wanted.handle, now_);
    }
    take_actions();
    check_books();
  }
  require(is_draining_ || is_settled(), "a stream never came up although the faults had stopped");
  for (auto& [id, wire] : wires_) {
    for (const auto stream : wire.confirmed) {
      const bool is_wanted = wishes_.contains(stream) && wishes_[stream].carrier == id;
      const bool is_leaving = pool_->used_slots(wire.handle) > 0;  // its Unsubscribe may wait for its turn
      require(is_wanted || is_leaving, "something is still subscribed that nobody wants");
    }
  }
  is_draining_ = true;
  pool_->drain(now_);
  take_actions();
  check_books();
  require(is_drained_ && wires_.empty() && wishes_.empty(), "something was left after the drain");
  require(pool_->stats(now_).counters.created == pool_->stats(now_).counters.closed_total(),
          "created and closed differ");
}

void SlotWorld::take_actions() {
  while (auto action = pool_->next_action()) {
    require(!is_drained_, "an action after the end");
    std::visit([this](const auto& a) { on(a); }, *action);
  }
}

void SlotWorld::on(const pool::SlotDial& action) {
  require(!is_draining_, "a dial after drain");
  require(!wires_.contains(action.connection.id), "an id was used twice");
  wires_[action.connection.id].handle = action.connection;
  require(wires_.size() <= config_.max_size + 1, "more connections than max_size and one for a rotation");
}

void SlotWorld::on(const pool::SlotAbortDial& action) {
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && !found->second.is_up, "a dial was given up that is not running");
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
}

void SlotWorld::on(const pool::SlotClose& action) {
  const auto found = wires_.find(action.connection.id);
  require(found != wires_.end() && found->second.is_up, "a connection was closed that is not up");
  if (action.reason != pool::CloseReason::drained) {
    for (const auto& [id, wanted] : wishes_) {
      require(wanted.carrier != action.connection.id, "a connection was closed that still carries a stream");
    }
  }
  gone_.push_back(action.connection);
  wires_.erase(action.connection.id);
}

void SlotWorld::check_rate(Wire& wire) {
  wire.sent.push_back(now_);
  const auto since = now_ - slots_.messages.interval;
  const auto recent = std::count_if(wire.sent.begin(), wire.sent.end(), [since](Instant at) { return at > since; });
  require(recent <= 2 * static_cast<std::ptrdiff_t>(slots_.messages.count), "more messages than the bucket can give");
}

void SlotWorld::on(const pool::Subscribe& action) {
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
  require(up->carrier == action.previous.id, "a move from a connection that did not carry the stream");
  if (action.previous)
    require(wires_.contains(action.previous.id), "the old connection went before the new one was up");
  up->carrier = action.connection.id;
}

void SlotWorld::on(const pool::StreamDown& action) {
  Wish* down = wish(action.stream);
  require(down != nullptr && down->carrier != 0, "a stream went down that was not up");
  if (down != nullptr) down->carrier = 0;
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
