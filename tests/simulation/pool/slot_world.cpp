#include "tests/simulation/pool/slot_world.hpp"

#include <algorithm>
#include <utility>

namespace marketprism::simulation {
namespace {

using namespace std::chrono_literals;

const char* const names[] = {"advance_little", "advance_much", "tick",        "place",     "remove",  "dial_ends",
                             "dial_fails",     "confirm",      "confirm_all", "refuse",    "message", "lose",
                             "closing",        "stale_call",   "resize",      "endpoints", "drain",   "resubscribe",
                             "notice",         "close_ends",   "close_hangs"};
static_assert(std::size(names) == SlotWorld::kind_count);

// `which` decides how many of the hosts there are, and their priorities.
std::vector<pool::Endpoint> make_endpoints(std::uint64_t which) {
  static const char* const hosts[] = {"host0", "host1", "host2"};
  std::vector<pool::Endpoint> endpoints;
  for (const char* host : hosts) {
    if (which % 2 == 0) endpoints.push_back({host, 1, true, "/ws", static_cast<std::uint32_t>(which / 2 % 2), 1});
    which /= 4;
  }
  if (endpoints.empty()) endpoints.push_back({hosts[0], 1, true, "/ws", 0, 1});
  return endpoints;
}

}  // namespace

std::vector<std::uint32_t> SlotWorld::weights() {
  return {20, 3, 30, 20, 6, 16, 4, 20, 12, 3, 20, 4, 3, 4, 2, 1, 0, 4, 0, 12, 2};
}

std::string SlotWorld::describe(const Step& step) {
  return std::string(names[step.kind]) + " " + std::to_string(step.a) + " " + std::to_string(step.b);
}

SlotWorld::SlotWorld(std::uint64_t seed, pool::PermitLedger* ledger) : random_(seed), ledger_(ledger) {
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
  config_.ejection.time = 500ms;
  config_.ejection.time_max = 2s;
  config_.ejection.recovery = 500ms;
  config_.failback_interval = random_.chance(0.2) ? 0ms : std::chrono::milliseconds(random_.between(20, 500));
  config_.close_timeout = std::chrono::milliseconds(random_.between(10, 300));
  closes_at_once_ = random_.chance(0.4);
  pool_ = std::make_unique<pool::SlotPool>(config_, slots_, make_endpoints(random_.next()));
  if (ledger_ != nullptr) {
    ear_ = std::make_shared<Ear>();
    member_ = ledger_->join(ear_);
    pool_->use_ledger(*ledger_, member_);
  }
  now_ = Instant(Nanoseconds(random_.between(0, 1'000'000'000'000)));
  pool_->start(now_);
}

SlotWorld::~SlotWorld() {
  if (ledger_ == nullptr) return;
  while (ledger_->held(member_) > 0) ledger_->give_back(member_);  // also what a bug has left over
  ledger_->leave(member_);
}

std::optional<std::string> SlotWorld::run(std::uint64_t seed, const Schedule& schedule) {
  SlotWorld world(seed);
  for (const Step& step : schedule) {
    world.take(step);
    if (world.violation_) return world.violation_;
  }
  world.settle_down(seed % 16 == 0);
  return world.violation_;
}

void SlotWorld::take(const Step& step) {
  perform(step);
  take_actions();
  check_books();
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
    case tick: return do_tick();
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
        const std::uint32_t endpoint = lost->endpoint;
        const bool was_proven = lost->is_proven;
        pool_->lost(lost->handle, now_);
        const pool::EndpointSet& set = pool_->endpoints();
        require(was_proven || set.consecutive_failures(endpoint) > 0 || set.is_ejected(endpoint, now_),
                "a connection that ended before it was of use did not count against its endpoint");
      }
      return;
    case closing:
      if (const auto up = wires(true); !up.empty()) pool_->closing(up[step.a % up.size()]->handle, now_);
      return;
    case stale_call: return do_stale(step);
    case resize: return do_resize(step);
    case endpoints_change: return change_endpoints(step);
    case drain: is_draining_ = true; return pool_->drain(now_);
    case resubscribe:
      if (const Wish* wanted = nth_wish(step.a)) pool_->resubscribe(wanted->handle, now_);
      return;
    case notice: return deliver_notices();
    case close_ends: return end_close(step.a);
    case close_hangs:
      if (!closing_.empty()) closing_[step.a % closing_.size()].is_stuck = true;
      return;
    default: return;
  }
}

// What a tick has done may make a second one due at once, but not one after the other.
void SlotWorld::do_tick() {
  is_ticking_ = true;
  for (int i = 0; i < 4; ++i) {
    pool_->tick(now_);
    if (pool_->wake_at() <= now_) continue;
    take_actions();
    for (const Closing& goodbye : closing_) require(goodbye.cut_at > now_, "a close that takes too long was not cut");
    return;
  }
  require(false, "ticks without end");
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
  ++books_.dials;
  ++(is_ok ? books_.created : books_.failures);
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

void SlotWorld::do_resize(const Step& step) {
  if (is_draining_) return;
  const std::size_t size = 1 + step.a % 4;
  const bool fits = wishes_.size() <= size * slots_.streams_per_connection;
  require(pool_->resize(size, now_).has_value() == fits, "a new size was refused or taken wrongly");
  require(!pool_->resize(0, now_), "max_size 0 was taken");
  if (!fits) return;
  sockets_allowed_ = sockets_open();
  config_.max_size = size;
}

void SlotWorld::change_endpoints(const Step& step) {
  if (is_draining_) return;
  require(pool_->set_endpoints(make_endpoints(step.a), now_).has_value(), "good endpoints were refused");
  require(!pool_->set_endpoints({}, now_), "no endpoint at all was taken");
}

void SlotWorld::tell_closed(pool::SlotConnection handle) {
  require(pool_->closed(handle, now_), "the end of a close was not taken");
  require(!pool_->closed(handle, now_), "a connection was closed twice");
}

void SlotWorld::end_close(std::uint32_t which) {
  std::vector<pool::SlotConnection> able;
  for (const Closing& goodbye : closing_) {
    if (!goodbye.is_stuck) able.push_back(goodbye.handle);
  }
  if (!able.empty()) close_socket(able[which % able.size()]);
  take_actions();
}

void SlotWorld::end_all_closes() {
  for (Closing& goodbye : closing_) goodbye.is_stuck = false;
  while (!closing_.empty()) end_close(0);
}

void SlotWorld::deliver_notices() {
  if (ear_ == nullptr) return;
  for (const auto told : std::exchange(ear_->notices, {})) pool_->permit_notice(told, now_);
}

bool SlotWorld::is_settled() const {
  return std::all_of(wishes_.begin(), wishes_.end(),
                     [](const auto& w) { return w.second.carrier != 0 && !w.second.is_removed; });
}

bool SlotWorld::settle_once() {
  deliver_notices();
  end_all_closes();
  do_tick();
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
  return !is_draining_ && !is_settled();
}

// Whatever was shrunk or failed over has come to rest: within max_size, and nothing on a standby.
void SlotWorld::come_to_rest() {
  const auto is_at_rest = [this] {
    if (!is_settled() || wires_.size() > config_.max_size) return false;
    if (config_.failback_interval.count() == 0) return true;
    return std::none_of(wires_.begin(), wires_.end(), [this](const auto& entry) {
      return !entry.second.confirmed.empty() && pool_->endpoints().is_standby(entry.second.endpoint);
    });
  };
  for (int i = 0; i < 20'000 && !violation_ && !is_at_rest(); ++i) {
    settle_once();
    if (pool_->wake_at() != Instant::max()) now_ = std::max(now_, std::min(pool_->wake_at(), now_ + 50ms));
  }
  require(is_at_rest(), "over max_size, or on a standby, long after the faults had stopped");
}

// Faults stop: every stream must come up and stay, and only what is wanted may be subscribed at the venue.
void SlotWorld::settle_down(bool must_rest) {
  for (int i = 0; i < 5'000 && !is_draining_ && !violation_ && !is_settled(); ++i) settle_once();
  if (must_rest && !is_draining_) come_to_rest();
  require(is_draining_ || is_settled(), "a stream never came up although the faults had stopped");
  for (auto& [id, wire] : wires_) {
    for (const auto stream : wire.confirmed) {
      const bool is_wanted = wishes_.contains(stream) && wishes_[stream].carrier == id;
      const bool is_leaving = pool_->used_slots(wire.handle) > 0;  // its Unsubscribe may wait for its turn
      require(is_wanted || is_leaving, "something is still subscribed that nobody wants");
    }
  }
  end();
}

void SlotWorld::end() {
  is_draining_ = true;
  pool_->drain(now_);
  take_actions();
  check_books();
  end_all_closes();
  require(pool_->stats(now_).gauges.closing == 0 && sockets_open() == 0, "a socket was left over");
  require(is_drained_ && wires_.empty() && wishes_.empty(), "something was left after the drain");
  const double utilization = pool_->stats(now_).utilization_mean;
  require(utilization >= 0 && utilization <= 1, "mean utilization is not within 0 and 1");
  require(pool_->stats(now_).counters.created == pool_->stats(now_).counters.closed_total(),
          "created and closed differ");
}

}  // namespace marketprism::simulation
