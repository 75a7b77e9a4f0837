#include "tests/simulation/pool/ledger_world.hpp"

#include <algorithm>
#include <utility>

namespace marketprism::simulation {
namespace {

std::size_t loop_of(const Step& step, std::size_t loops) { return (step.b >> 24) % loops; }

}  // namespace

std::vector<std::uint32_t> LedgerWorld::weights() {
  auto weights = LeaseWorld::weights();
  weights[LeaseWorld::notice] = 20;
  weights[LeaseWorld::drain] = 1;
  return weights;
}

std::string LedgerWorld::describe(const Step& step) {
  return "loop " + std::to_string(step.b >> 24) + " (modulo loops): " + LeaseWorld::describe(step);
}

LedgerWorld::LedgerWorld(std::uint64_t seed)
    : random_(seed), ledger_(static_cast<std::uint32_t>(1 + random_.below(6)), 4) {
  const std::size_t count = 2 + random_.below(2);
  for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<LeaseWorld>(random_.next(), &ledger_));
}

std::optional<std::string> LedgerWorld::run(std::uint64_t seed, const Schedule& schedule) {
  LedgerWorld world(seed);
  for (const Step& step : schedule) {
    world.loops_[loop_of(step, world.loops_.size())]->take(step);
    if (step.b % 61 == 0) world.ledger_.resize(static_cast<std::uint32_t>(1 + step.a % 6));
    if (auto broken = world.check()) return broken;
  }
  return world.settle(seed % 16 == 0);
}

std::optional<std::string> LedgerWorld::check() const {
  std::size_t size = 0;
  std::size_t held = 0;
  std::size_t waiting = 0;
  for (const auto& loop : loops_) {
    if (loop->violation()) return loop->violation();
    size += loop->size();
    waiting += loop->waiting();
    const std::size_t permits = ledger_.held(loop->ledger_member());
    if (permits != loop->size()) return "a loop holds more or fewer permits than connections";
    held += permits;
  }
  const std::size_t permits = ledger_.total() + ledger_.surplus();
  if (size > permits) return "more connections over all loops than permits";
  if (held + ledger_.available() > permits) return "permits were made from nothing";
  if (ledger_.surplus() > 0 && ledger_.available() > 0) return "a permit is free though too many are out";
  if (ledger_.has_waiting() && waiting == 0) return "a loop is in line for a permit although none of its users waits";
  return std::nullopt;
}

// Faults stop: every loop serves its waiters, whatever the others do; in the end all permits are back.
std::optional<std::string> LedgerWorld::settle(bool must_rest) {
  const auto is_anybody_waiting = [this] {
    return std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->waiting() > 0; });
  };
  for (int i = 0; i < 2'000 && is_anybody_waiting(); ++i) {
    for (const auto& loop : loops_) loop->settle_once(i);
    if (auto broken = check()) return broken;
  }
  if (is_anybody_waiting()) return "a waiter was never answered although the faults had stopped";
  if (must_rest) {
    if (auto broken = come_to_rest()) return broken;
  }
  for (const auto& loop : loops_) {
    loop->end();
    if (auto broken = check()) return broken;
  }
  if (ledger_.available() != ledger_.total()) return "a permit was lost";
  return std::nullopt;
}

// Nobody wants anything any more. What the loops keep up all the same must not make them take permits from each other
// for ever, and must be there as far as the permits go.
std::optional<std::string> LedgerWorld::come_to_rest() {
  constexpr int rounds_at_rest = 60;  // of up to 50 ms: more than one look for a free permit
  for (const auto& loop : loops_) loop->stop_ageing();
  std::size_t dials = 0;
  int quiet = 0;
  for (int i = 0; i < 2'000 && quiet < rounds_at_rest; ++i) {
    const std::size_t before = std::exchange(dials, 0);
    for (const auto& loop : loops_) {
      loop->settle_once(i);
      dials += loop->dials_begun();
    }
    if (auto broken = check()) return broken;
    quiet = dials == before ? quiet + 1 : 0;
  }
  if (quiet < rounds_at_rest) return "dials without end although nobody wants a connection";
  const bool is_one_missing =
      std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_below_min_size(); });
  if (is_one_missing && ledger_.available() > 0) return "fewer connections than min_size although a permit is free";
  return std::nullopt;
}

}  // namespace marketprism::simulation
