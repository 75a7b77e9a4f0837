#include "tests/simulation/pool/lease_world.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace marketprism::simulation {
namespace {

using namespace std::chrono_literals;
using pool::CloseReason;

pool::PoolConfig random_config(Random& random) {
  pool::PoolConfig config;
  config.name = "simulated";
  config.max_size = 1 + random.below(6);
  config.min_size = random.below(config.max_size + 1);
  config.max_connecting = 1 + random.below(4);
  config.max_checking = 1 + random.below(3);
  config.max_waiters = random.below(8);
  config.max_idle_time = std::chrono::milliseconds(random.between(100, 2000));
  config.max_lifetime = random.chance(0.2) ? 0ms : std::chrono::milliseconds(random.between(200, 4000));
  config.acquire_timeout = std::chrono::milliseconds(random.between(50, 1000));
  config.connect_timeout = std::chrono::milliseconds(random.between(50, 500));
  config.health_check_interval = random.chance(0.2) ? 0ms : std::chrono::milliseconds(random.between(50, 1000));
  config.health_check_timeout = std::chrono::milliseconds(random.between(20, 300));
  config.retry_attempts = static_cast<unsigned>(random.below(4));
  config.dial_backoff = {10ms, 400ms, 0ms};
  config.ejection.time = 500ms;
  config.ejection.time_max = 2s;
  config.ejection.recovery = 500ms;
  config.ejection.window = 200ms;
  config.ejection.window_outcomes = 4;
  config.failback_interval = random.chance(0.2) ? 0ms : std::chrono::milliseconds(random.between(20, 500));
  config.close_timeout = std::chrono::milliseconds(random.between(10, 300));
  config.leak_threshold = random.chance(0.5) ? 0ms : std::chrono::milliseconds(random.between(50, 1000));
  config.permit_tenure = std::chrono::milliseconds(random.between(0, 50));
  config.seed = random.next();
  return config;
}

// `which` decides how many of the hosts there are, and their priorities.
std::vector<pool::Endpoint> make_endpoints(std::uint64_t which) {
  static const char* const hosts[] = {"host0", "host1", "host2", "host3"};
  std::vector<pool::Endpoint> endpoints;
  for (const char* host : hosts) {
    if (which % 2 == 0) endpoints.push_back({host, 1000, false, "", static_cast<std::uint32_t>(which / 2 % 3), 1});
    which /= 6;
  }
  if (endpoints.empty()) endpoints.push_back({hosts[0], 1000, false, "", 0, 1});
  return endpoints;
}

const char* const names[] = {"advance_little", "advance_much", "tick",        "acquire",    "try_acquire", "cancel",
                             "release",        "broken",       "dial_ends",   "dial_fails", "dial_hangs",  "check_ends",
                             "check_fails",    "check_hangs",  "dies",        "half_opens", "stale_call",  "resize",
                             "reconfigure",    "endpoints",    "drain",       "idle_limit", "notice",      "close_ends",
                             "close_hangs",    "time_passes",  "request_ends"};
static_assert(std::size(names) == LeaseWorld::kind_count);

}  // namespace

std::vector<std::uint32_t> LeaseWorld::weights() {
  return {20, 4, 20, 30, 10, 6, 26, 6, 25, 8, 2, 10, 4, 1, 6, 3, 6, 2, 1, 1, 0, 1, 0, 12, 2, 0, 8};
}

std::string LeaseWorld::describe(const Step& step) {
  return std::string(names[step.kind]) + " " + std::to_string(step.a) + " " + std::to_string(step.b);
}

LeaseWorld::LeaseWorld(std::uint64_t seed, pool::PermitLedger* ledger)
    : random_(seed), config_(random_config(random_)), set_(make_endpoints(random_.next())), ledger_(ledger) {
  if (random_.chance(0.3)) {
    budget_config_ = {static_cast<std::uint32_t>(random_.between(1, 3)),
                      std::chrono::milliseconds(random_.between(20, 500)), 0};
    budget_.emplace(budget_config_);
  }
  closes_at_once_ = random_.chance(0.4);
  can_cut_held_ = random_.chance(0.5);
  start();
}

LeaseWorld::LeaseWorld(pool::PoolConfig config, std::size_t endpoints)
    : random_(1), config_(std::move(config)), set_(make_endpoints(0)) {
  set_.resize(endpoints);
  closes_at_once_ = false;
  start();
}

pool::PoolConfig LeaseWorld::small_config() {
  pool::PoolConfig config;
  config.name = "small";
  config.max_size = 2;
  config.min_size = 0;
  config.retry_attempts = 0;
  return config;
}

void LeaseWorld::start() {
  wires_.reserve(16);
  pool_ = std::make_unique<pool::LeasePool>(config_, set_);
  for (const auto& endpoint : set_) connects_.push_back({endpoint.host});
  if (ledger_ != nullptr) {
    ear_ = std::make_shared<Ear>();
    member_ = ledger_->join(ear_);
    pool_->use_ledger(*ledger_, member_);
  }
  if (budget_) pool_->use_connect_budget(*budget_);
  now_ = start_ = integral_since_ = Instant(Nanoseconds(random_.between(0, 1'000'000'000'000)));
  pool_->start(now_);
  take_actions();
}

LeaseWorld::~LeaseWorld() {
  if (ledger_ == nullptr) return;
  while (ledger_->held(member_) > 0) ledger_->give_back(member_);  // also what a bug has left over
  ledger_->leave(member_);
}

std::optional<std::string> LeaseWorld::run(std::uint64_t seed, const Schedule& schedule) {
  LeaseWorld world(seed);
  for (const Step& step : schedule) {
    world.take(step);
    if (world.violation_) return world.violation_;
  }
  for (int i = 0; i < 2'000 && !world.violation_; ++i) {
    if (!world.settle_once(i)) break;
  }
  world.require(world.askers_.empty(), "a waiter was never answered although the faults had stopped");
  if (seed % 32 == 0) world.return_to_primary();
  world.end();
  return world.violation_;
}

void LeaseWorld::take(const Step& step) {
  perform(step);
  take_actions();
  check_books();
}

void LeaseWorld::perform(const Step& step) {
  switch (step.kind) {
    case advance_little: now_ += std::chrono::microseconds(step.a % 20'000); return;
    case advance_much: now_ += std::chrono::milliseconds(step.a % (step.b % 8 == 0 ? 100'000 : 1'500)); return;
    case tick: return do_tick();
    case acquire: return do_acquire(step);
    case try_acquire: return do_try_acquire();
    case cancel: return do_cancel(step.a);
    case release: return do_release(step.a, false);
    case release_broken: return do_release(step.a, true);
    case dial_ends: return end_dial(step.a, true, false);
    case dial_fails: return end_dial(step.a, false, step.b % 16 == 0);
    case dial_hangs:
      if (Wire* hanging = pick(step.a, {Wire::dialing}, false)) hanging->is_stuck = true;
      return;
    case check_ends: return end_check(step.a, true);
    case check_fails: return end_check(step.a, false);
    case check_hangs:
      if (Wire* hanging = pick(step.a, {Wire::checking}, false)) hanging->is_stuck = true;
      return;
    case dies: return do_die(step.a);
    case half_opens:
      if (Wire* cut_off = pick(step.a, {Wire::unused, Wire::held, Wire::checking})) cut_off->is_half_open = true;
      return;
    case stale_call: return do_stale(step);
    case resize: return do_resize(step);
    case reconfigure: return do_reconfigure(step);
    case endpoints_change: return change_endpoints(step);
    case drain: return do_drain(std::chrono::milliseconds(step.a % 1'000));
    case idle_limit:
      return pool_->set_idle_limit(static_cast<std::uint32_t>(step.a % connects_.size()),
                                   std::chrono::milliseconds(1 + step.b % 500));
    case notice: return deliver_notices();
    case close_ends: return end_close(step.a);
    case close_hangs: return hang_close(step.a);
    case request_ends: return end_request(step.a, step.b % 4 == 0);
    case time_passes: now_ += std::chrono::milliseconds(step.a); return do_tick();
    default: return;
  }
}

void LeaseWorld::do_tick() {
  is_ticking_ = true;
  pool_->tick(now_);
  require(pool_->wake_at() > now_, "a tick leaves something for another at once");
  std::vector<pool::ConnectionHandle> ripe;
  for (const Wire& any : wires_) {
    if (any.state == Wire::unused && !any.is_proven && now_ - any.up_since >= 1s) ripe.push_back(any.handle);
  }
  take_actions();  // some may have been retired
  for (const Closing& goodbye : closing_) require(goodbye.cut_at > now_, "a close that takes too long was not cut");
  if (is_draining_) return;
  for (const auto handle : ripe) {
    if (Wire* proven = wire(handle)) prove(*proven);
  }
}

void LeaseWorld::do_acquire(const Step& step) {
  const auto timeout = std::chrono::milliseconds(step.a % 16 == 0 ? 0 : step.a % 500);
  const std::size_t waiting = askers_.size();
  auto result = pool_->wait(now_, timeout);
  if (result) {
    require(!is_draining_, "an acquire was let in after drain");
    askers_.push_back({*result, now_, now_ + timeout});
    return;
  }
  if (is_draining_) {
    ++books_.stopped;
    require(result.error().code == ErrorCode::closed, "an acquire after drain must fail with closed");
    return;
  }
  ++books_.refused;
  take_actions();  // idle connections that were too old are closed first
  require(result.error().code == ErrorCode::exhausted, "a full line must refuse with exhausted");
  require(waiting >= config_.max_waiters && count(Wire::unused) == 0, "refused although there is room");
}

void LeaseWorld::do_try_acquire() {
  const pool::ConnectionHandle handle = pool_->try_acquire(now_);
  take_actions();  // what was too old was closed first
  if (!handle) return;
  require(askers_.empty(), "try_acquire took a connection although others wait");
  Wire* taken = wire(handle);
  require(taken != nullptr && taken->state == Wire::unused, "try_acquire gave a connection that is not idle");
  if (taken != nullptr) lend(*taken, now_);
}

void LeaseWorld::do_cancel(std::uint32_t which) {
  if (askers_.empty()) return;
  const std::size_t at = which % askers_.size();
  require(pool_->cancel(askers_[at].handle, now_), "a waiter in line could not be cancelled");
  answered_.push_back(askers_[at].handle);
  askers_.erase(askers_.begin() + static_cast<std::ptrdiff_t>(at));
  ++books_.cancelled;
}

void LeaseWorld::do_release(std::uint32_t which, bool is_broken) {
  Wire* released = pick(which, {Wire::held, Wire::dead_in_hand, Wire::cut});
  if (released == nullptr) return;
  ++books_.returned;
  hold_sum_ns_ += (now_ - released->since).count();
  released->last_used = now_;
  is_broken |= released->is_half_open;  // its holder has noticed
  if (released->state == Wire::held) move(*released, Wire::unused);
  const pool::ConnectionHandle handle = released->handle;
  const bool is_ok = is_broken ? pool_->release_broken(handle, now_) : pool_->release(handle, now_);
  require(is_ok, "a held connection could not be returned");
  if (!is_broken) return;
  take_actions();
  require(wire(handle) == nullptr, "a connection that was returned as broken was kept");
}

void LeaseWorld::end_dial(std::uint32_t which, bool is_ok, bool is_terminal) {
  Wire* dialed = pick(which, {Wire::dialing}, false);
  if (dialed == nullptr) return;
  ++books_.dials;
  const pool::ConnectionHandle handle = dialed->handle;
  if (!is_ok) {
    ++books_.failures;
    has_failed_since_success_ = true;
    gone_.push_back(handle);
    forget(*dialed);
    pool_->dial_failed(handle, Error{ErrorCode::connection_refused, "nobody listens", is_terminal, nullptr}, now_);
    return;
  }
  ++books_.created;
  move(*dialed, Wire::unused);
  connects_[dialed->endpoint].sum_ns += (now_ - dialed->since).count();
  ++connects_[dialed->endpoint].count;
  dialed->last_used = dialed->up_since = now_;
  const std::size_t served_before = books_.acquired;
  require(pool_->dialed(handle, now_), "a wanted connection was refused");
  take_actions();
  // Nothing else can be granted by a dial that ends than the connection it brought.
  if (books_.acquired == served_before) return;
  ++books_.dial_served;
  has_failed_since_success_ = false;
}

void LeaseWorld::end_check(std::uint32_t which, bool is_ok) {
  Wire* checked = pick(which, {Wire::checking}, false);
  if (checked == nullptr) return;
  ++books_.health_checks;
  books_.failed_checks += is_ok ? 0 : 1;
  move(*checked, Wire::unused);
  const bool is_young = is_unproven_and_young(*checked);
  const std::uint32_t endpoint = checked->endpoint;
  if (is_ok && !checked->is_proven) prove(*checked);
  pool_->checked(checked->handle, is_ok, now_);
  if (!is_ok && is_young) expect_failure_of(endpoint);
}

void LeaseWorld::do_die(std::uint32_t which) {
  Wire* dead = pick(which, {Wire::unused, Wire::held, Wire::checking});
  if (dead == nullptr) return;
  if (dead->state == Wire::held) move(*dead, Wire::dead_in_hand);
  const bool is_young = is_unproven_and_young(*dead);
  const std::uint32_t endpoint = dead->endpoint;
  pool_->died(dead->handle, now_);
  if (is_young) expect_failure_of(endpoint);
}

void LeaseWorld::prove(Wire& proven) {
  proven.is_proven = true;
  has_failed_since_success_ = false;
}

bool LeaseWorld::is_unproven_and_young(const Wire& any) const { return !any.is_proven && now_ - any.up_since < 1s; }

// A connection that ended before it was of any use is as good as a dial that failed.
void LeaseWorld::expect_failure_of(std::uint32_t endpoint) {
  has_failed_since_success_ = true;
  const pool::EndpointSet& set = pool_->endpoints();
  require(set.consecutive_failures(endpoint) > 0 || set.is_ejected(endpoint, now_),
          "a connection that ended before it was of use did not count against its endpoint");
}

// What comes too late, or twice, must change nothing.
void LeaseWorld::do_stale(const Step& step) {
  if (const Wire* some = pick(step.a, {Wire::unused, Wire::checking, Wire::dialing})) {
    const pool::ConnectionHandle handle = some->handle;
    if (some->state != Wire::dialing) {
      require(!pool_->dialed(handle, now_), "a connection was taken twice");
      pool_->dial_failed(handle, Error{}, now_);
    }
    if (some->state != Wire::checking) pool_->checked(handle, step.b % 2 == 0, now_);
    require(!pool_->release(handle, now_) && !pool_->release_broken(handle, now_),
            "a connection nobody holds was returned");
    require(!pool_->closed(handle, now_), "a connection of the pool was taken for closed");
  }
  if (!answered_.empty()) {
    require(!pool_->cancel(answered_[step.b % answered_.size()], now_), "a waiter was answered twice");
  }
  if (gone_.empty()) return;
  const pool::ConnectionHandle gone = gone_[step.b % gone_.size()];
  const bool is_closing =
      std::any_of(closing_.begin(), closing_.end(), [&](const Closing& c) { return c.handle == gone; });
  require(is_closing || !pool_->closed(gone, now_), "a connection was closed twice");
  require(!pool_->release(gone, now_), "a connection that is gone was returned");
  require(!pool_->release_broken(gone, now_), "a connection that is gone was returned as broken");
  require(!pool_->dialed(gone, now_), "a dial that was given up was taken");
  pool_->dial_failed(gone, Error{}, now_);
  pool_->checked(gone, true, now_);
  pool_->died(gone, now_);
}

void LeaseWorld::do_resize(const Step& step) {
  if (is_draining_) return;
  advance_integral();
  largest_allowed_ = size();
  sockets_allowed_ = sockets_open();
  config_.max_size = 1 + step.a % 6;
  config_.min_size = step.b % (config_.max_size + 1);
  require(pool_->resize(config_.min_size, config_.max_size, now_).has_value(), "a good size was refused");
  require(!pool_->resize(config_.max_size + 1, config_.max_size, now_), "min_size over max_size was taken");
  require(!pool_->resize(0, 0, now_), "max_size 0 was taken");
}

void LeaseWorld::do_reconfigure(const Step& step) {
  if (is_draining_) return;
  advance_integral();
  largest_allowed_ = size();
  sockets_allowed_ = sockets_open();
  Random random(step.a);
  pool::PoolConfig changed = random_config(random);
  changed.max_waiters = std::max(changed.max_waiters, askers_.size());
  config_ = changed;
  require(pool_->reconfigure(changed, now_).has_value(), "a good config was refused");
}

void LeaseWorld::change_endpoints(const Step& step) {
  if (is_draining_) return;
  set_ = make_endpoints(step.a);
  has_failed_since_success_ = false;  // a change is a new beginning
  require(pool_->set_endpoints(set_, now_).has_value(), "good endpoints were refused");
  require(!pool_->set_endpoints({}, now_), "no endpoint at all was taken");
  connects_.resize(pool_->endpoints().size());
  for (std::uint32_t i = 0; i < connects_.size(); ++i) {
    const std::string& name = pool_->endpoints()[i].host;
    if (connects_[i].name != name) connects_[i] = {name};
  }
}

void LeaseWorld::deliver_notices() {
  if (ear_ == nullptr) return;
  for (const auto told : std::exchange(ear_->notices, {})) {
    pool_->permit_notice(told, now_);
    take_actions();
  }
}

void LeaseWorld::do_drain(Nanoseconds patience) {
  if (is_drained_) return;
  drain_deadline_ = is_draining_ ? std::min(drain_deadline_, now_ + patience) : now_ + patience;
  is_draining_ = true;
  pool_->drain(now_, now_ + patience);
}

}  // namespace marketprism::simulation
