#include "tests/simulation/pool/lease_world.hpp"

#include <algorithm>
#include <cmath>

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
  config.seed = random.next();
  return config;
}

std::vector<pool::Endpoint> make_endpoints(std::size_t count) {
  std::vector<pool::Endpoint> endpoints;
  for (std::size_t i = 0; i < count; ++i) {
    endpoints.push_back({"host" + std::to_string(i), 1000, false, "", static_cast<std::uint32_t>(i / 2), 1});
  }
  return endpoints;
}

const char* const names[] = {"advance_little", "advance_much", "tick",           "acquire",    "try_acquire",
                             "cancel",         "release",      "release_broken", "dial_ends",  "dial_fails",
                             "check_ends",     "check_fails",  "dies",           "stale_call", "resize",
                             "drain",          "idle_limit"};

}  // namespace

std::vector<std::uint32_t> LeaseWorld::weights() { return {20, 4, 20, 30, 10, 6, 26, 6, 25, 8, 10, 4, 6, 6, 2, 0, 1}; }

std::string LeaseWorld::describe(const Step& step) {
  return std::string(names[step.kind]) + " " + std::to_string(step.a) + " " + std::to_string(step.b);
}

LeaseWorld::LeaseWorld(std::uint64_t seed)
    : random_(seed),
      config_(random_config(random_)),
      endpoints_(1 + random_.below(3)),
      connect_sum_ns_(endpoints_),
      connects_(endpoints_) {
  pool_ = std::make_unique<pool::LeasePool>(config_, make_endpoints(endpoints_));
  now_ = start_ = integral_since_ = Instant(Nanoseconds(random_.between(0, 1'000'000'000'000)));
  pool_->start(now_);
  take_actions();
}

std::optional<std::string> LeaseWorld::run(std::uint64_t seed, const Schedule& schedule) {
  LeaseWorld world(seed);
  std::size_t steps = 0;
  for (const Step& step : schedule) {
    world.perform(step);
    world.take_actions();
    world.check_books();
    if (++steps % 64 == 0) world.check_statistics();
    if (world.violation_) return world.violation_;
  }
  world.settle_down();
  return world.violation_;
}

void LeaseWorld::perform(const Step& step) {
  switch (step.kind) {
    case advance_little: now_ += std::chrono::microseconds(step.a % 20'000); return;
    case advance_much: now_ += std::chrono::milliseconds(step.a % (step.b % 8 == 0 ? 100'000 : 1'500)); return;
    case tick: is_ticking_ = true; return pool_->tick(now_);
    case acquire: return do_acquire(step);
    case try_acquire: return do_try_acquire();
    case cancel: return do_cancel(step.a);
    case release: return do_release(step.a, false);
    case release_broken: return do_release(step.a, true);
    case dial_ends: return end_dial(step.a, true, false);
    case dial_fails: return end_dial(step.a, false, step.b % 16 == 0);
    case check_ends: return end_check(step.a, true);
    case check_fails: return end_check(step.a, false);
    case dies: return do_die(step.a);
    case stale_call: return do_stale(step);
    case resize: return do_resize(step);
    case drain: return do_drain(std::chrono::milliseconds(step.a % 1'000));
    case idle_limit:
      return pool_->set_idle_limit(static_cast<std::uint32_t>(step.a % endpoints_),
                                   std::chrono::milliseconds(1 + step.b % 500));
    default: return;
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
  const auto held = all({Wire::held, Wire::dead_in_hand, Wire::cut});
  if (held.empty()) return;
  Wire& released = *wire(held[which % held.size()]);
  ++books_.returned;
  hold_sum_ns_ += (now_ - released.since).count();
  released.last_used = now_;
  if (released.state == Wire::held) {
    active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                        static_cast<double>((now_ - integral_since_).count());
    integral_since_ = now_;
    released.state = Wire::unused;
  }
  const bool is_ok = is_broken ? pool_->release_broken(released.handle, now_) : pool_->release(released.handle, now_);
  require(is_ok, "a held connection could not be returned");
}

void LeaseWorld::end_dial(std::uint32_t which, bool is_ok, bool is_terminal) {
  const auto dialing = all({Wire::dialing});
  if (dialing.empty()) return;
  Wire& dialed = *wire(dialing[which % dialing.size()]);
  ++books_.dials;
  if (!is_ok) {
    ++books_.failures;
    has_failed_since_success_ = true;
    gone_.push_back(dialed.handle);
    const pool::ConnectionHandle handle = dialed.handle;
    wires_.erase(handle.id);
    pool_->dial_failed(handle, Error{ErrorCode::connection_refused, "nobody listens", is_terminal, nullptr}, now_);
    return;
  }
  ++books_.created;
  has_failed_since_success_ = false;
  dialed.state = Wire::unused;
  connect_sum_ns_[dialed.endpoint] += (now_ - dialed.since).count();
  ++connects_[dialed.endpoint];
  dialed.last_used = dialed.up_since = now_;
  const std::size_t served_before = books_.acquired;
  require(pool_->dialed(dialed.handle, now_), "a wanted connection was refused");
  take_actions();
  // Nothing else can be granted by a dial that ends than the connection it brought.
  if (books_.acquired > served_before) ++books_.dial_served;
}

void LeaseWorld::end_check(std::uint32_t which, bool is_ok) {
  const auto checking = all({Wire::checking});
  if (checking.empty()) return;
  Wire& checked = *wire(checking[which % checking.size()]);
  ++books_.health_checks;
  books_.failed_checks += is_ok ? 0 : 1;
  checked.state = Wire::unused;
  pool_->checked(checked.handle, is_ok, now_);
}

void LeaseWorld::do_die(std::uint32_t which) {
  const auto up = all({Wire::unused, Wire::held, Wire::checking});
  if (up.empty()) return;
  Wire& dead = *wire(up[which % up.size()]);
  if (dead.state == Wire::held) {
    active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                        static_cast<double>((now_ - integral_since_).count());
    integral_since_ = now_;
    dead.state = Wire::dead_in_hand;
  }
  pool_->died(dead.handle, now_);
}

// What comes too late, or twice, must change nothing.
void LeaseWorld::do_stale(const Step& step) {
  const auto idle = all({Wire::unused, Wire::checking, Wire::dialing});
  if (!idle.empty()) {
    const pool::ConnectionHandle handle = idle[step.a % idle.size()];
    if (wire(handle)->state != Wire::dialing) {
      require(!pool_->dialed(handle, now_), "a connection was taken twice");
      pool_->dial_failed(handle, Error{}, now_);
    }
    if (wire(handle)->state != Wire::checking) pool_->checked(handle, step.b % 2 == 0, now_);
    require(!pool_->release(handle, now_) && !pool_->release_broken(handle, now_),
            "a connection nobody holds was returned");
  }
  if (!answered_.empty()) {
    require(!pool_->cancel(answered_[step.b % answered_.size()], now_), "a waiter was answered twice");
  }
  if (gone_.empty()) return;
  const pool::ConnectionHandle gone = gone_[step.b % gone_.size()];
  require(!pool_->release(gone, now_), "a connection that is gone was returned");
  require(!pool_->release_broken(gone, now_), "a connection that is gone was returned as broken");
  require(!pool_->dialed(gone, now_), "a dial that was given up was taken");
  pool_->dial_failed(gone, Error{}, now_);
  pool_->checked(gone, true, now_);
  pool_->died(gone, now_);
}

void LeaseWorld::do_resize(const Step& step) {
  if (is_draining_) return;
  active_integral_ += static_cast<double>(count(Wire::held)) / static_cast<double>(config_.max_size) *
                      static_cast<double>((now_ - integral_since_).count());
  integral_since_ = now_;
  largest_allowed_ = size();
  config_.max_size = 1 + step.a % 6;
  config_.min_size = step.b % (config_.max_size + 1);
  require(pool_->resize(config_.min_size, config_.max_size, now_).has_value(), "a good size was refused");
  require(!pool_->resize(config_.max_size + 1, config_.max_size, now_), "min_size over max_size was taken");
  require(!pool_->resize(0, 0, now_), "max_size 0 was taken");
}

void LeaseWorld::do_drain(Nanoseconds patience) {
  if (is_drained_) return;
  drain_deadline_ = is_draining_ ? std::min(drain_deadline_, now_ + patience) : now_ + patience;
  is_draining_ = true;
  pool_->drain(now_, now_ + patience);
}

// Faults stop: everything that was begun must end well, and then the pool must come to an orderly end.
void LeaseWorld::settle_down() {
  for (int i = 0; i < 2'000 && !askers_.empty() && !violation_; ++i) {
    while (!all({Wire::dialing}).empty()) {
      now_ += 100us;
      end_dial(0, true, false);
      take_actions();
    }
    while (!all({Wire::checking}).empty()) {
      end_check(0, true);
      take_actions();
    }
    if (i % 2 == 0) do_release(0, false);
    take_actions();
    if (pool_->wake_at() != Instant::max()) now_ = std::max(now_ + 1us, std::min(pool_->wake_at(), now_ + 50ms));
    is_ticking_ = true;
    pool_->tick(now_);
    take_actions();
    check_books();
  }
  require(askers_.empty(), "a waiter was never answered although the faults had stopped");
  check_statistics();
  do_drain(random_.chance(0.5) ? 0ms : 100ms);
  take_actions();
  check_books();
  if (random_.chance(0.5)) {
    for (int i = 0; i < 100 && !all({Wire::held, Wire::dead_in_hand}).empty(); ++i) {
      do_release(0, false);
      take_actions();
      check_books();
    }
  }
  now_ += 101ms;
  is_ticking_ = true;
  pool_->tick(now_);
  take_actions();
  check_books();
  require(is_drained_ && pool_->is_drained(), "the pool did not end by its deadline");
  while (!violation_ && !wires_.empty()) {
    const std::size_t before = wires_.size();
    do_release(0, false);
    take_actions();
    require(wires_.size() < before, "a connection was left over");
  }
  check_books();
  check_statistics();
  require(books_.created == books_.closed_total(), "created connections must all be closed at the end");
  require(books_.acquired == books_.returned, "acquired and returned must be equal at the end");
}

}  // namespace marketprism::simulation
