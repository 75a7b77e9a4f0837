#include "tests/simulation/pool/ledger_world.hpp"

#include <algorithm>
#include <utility>

namespace marketprism::simulation {
namespace {

std::size_t loop_of(const Step& step, std::size_t loops) { return (step.b >> 24) % loops; }

Step slot_step(const Step& step) {
  return {static_cast<std::uint8_t>(step.kind - LeaseWorld::kind_count), step.a, step.b};
}

}  // namespace

std::vector<std::uint32_t> LedgerWorld::weights() {
  auto weights = LeaseWorld::weights();
  weights[LeaseWorld::notice] = 20;
  weights[LeaseWorld::drain] = 1;
  return weights;
}

std::vector<std::uint32_t> LedgerWorld::weights_with_slots() {
  auto weights = LedgerWorld::weights();
  auto of_slots = SlotWorld::weights();
  of_slots[SlotWorld::notice] = 20;
  of_slots[SlotWorld::drain] = 1;
  weights.insert(weights.end(), of_slots.begin(), of_slots.end());
  return weights;
}

std::string LedgerWorld::describe(const Step& step) {
  const std::string loop = "loop " + std::to_string(step.b >> 24) + " (modulo loops) of ";
  if (step.kind < LeaseWorld::kind_count) return loop + "leases: " + LeaseWorld::describe(step);
  return loop + "slots: " + SlotWorld::describe(slot_step(step));
}

LedgerWorld::LedgerWorld(std::uint64_t seed, bool has_slots)
    : random_(seed), ledger_(static_cast<std::uint32_t>(1 + random_.below(6)), 4) {
  const std::size_t leases = (has_slots ? 1 : 2) + random_.below(2);
  const std::size_t slots = has_slots ? 1 + random_.below(2) : 0;
  for (std::size_t i = 0; i < leases; ++i) loops_.push_back(std::make_unique<LeaseWorld>(random_.next(), &ledger_));
  for (std::size_t i = 0; i < slots; ++i) slot_loops_.push_back(std::make_unique<SlotWorld>(random_.next(), &ledger_));
}

std::optional<std::string> LedgerWorld::run(std::uint64_t seed, const Schedule& schedule) {
  return LedgerWorld(seed, false).follow(schedule, seed % 16 == 0);
}

std::optional<std::string> LedgerWorld::run_with_slots(std::uint64_t seed, const Schedule& schedule) {
  return LedgerWorld(seed, true).follow(schedule, seed % 16 == 0);
}

std::optional<std::string> LedgerWorld::follow(const Schedule& schedule, bool must_rest) {
  for (const Step& step : schedule) {
    take(step);
    if (step.b % 61 == 0) ledger_.resize(static_cast<std::uint32_t>(1 + step.a % 6));
    if (auto broken = check()) return broken;
  }
  return settle(must_rest);
}

void LedgerWorld::take(const Step& step) {
  if (step.kind < LeaseWorld::kind_count) return loops_[loop_of(step, loops_.size())]->take(step);
  slot_loops_[loop_of(step, slot_loops_.size())]->take(slot_step(step));
}

std::optional<std::string> LedgerWorld::check() const {
  std::size_t size = 0;
  std::size_t held = 0;
  std::size_t waiting = 0;
  for (const auto& loop : loops_) {
    if (loop->violation()) return loop->violation();
    size += loop->sockets_open();
    waiting += loop->waiting();
    const std::size_t permits = ledger_.held(loop->ledger_member());
    if (permits != loop->sockets_open()) return "a loop holds more or fewer permits than sockets";
    held += permits;
  }
  for (const auto& loop : slot_loops_) {
    if (loop->violation()) return loop->violation();
    size += loop->sockets_open();
    waiting += loop->may_need_permit() ? 1 : 0;
    const std::size_t permits = ledger_.held(loop->ledger_member());
    if (permits != loop->sockets_open()) return "a loop of slots holds more or fewer permits than sockets";
    held += permits;
  }
  const std::size_t permits = ledger_.total() + ledger_.surplus();
  if (size > permits) return "more sockets over all loops than permits";
  if (held + ledger_.available() > permits) return "permits were made from nothing";
  if (ledger_.surplus() > 0 && ledger_.available() > 0) return "a permit is free though too many are out";
  if (ledger_.has_waiting() && waiting == 0) return "a loop is in line for a permit although nobody waits for one";
  return std::nullopt;
}

bool LedgerWorld::is_anybody_waiting() const {
  return std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->waiting() > 0; });
}

// True while a waiter or a stream is not served.
bool LedgerWorld::settle_once(int round) {
  bool is_unserved = false;
  for (const auto& loop : loops_) loop->settle_once(round);
  for (const auto& loop : slot_loops_) is_unserved |= loop->settle_once();
  return is_unserved || is_anybody_waiting();
}

// Faults stop: every loop serves its waiters, whatever the others do; in the end all permits are back. Streams are not
// taken away for others, so where there are some there must be permits enough.
std::optional<std::string> LedgerWorld::settle(bool must_rest) {
  std::size_t enough = 2;
  for (const auto& loop : slot_loops_) enough += loop->connections_max();
  if (!slot_loops_.empty()) ledger_.resize(static_cast<std::uint32_t>(enough));
  bool is_unserved = true;
  for (int i = 0; i < 5'000 && is_unserved; ++i) {
    is_unserved = settle_once(i);
    if (auto broken = check()) return broken;
  }
  if (is_anybody_waiting()) return "a waiter was never answered although the faults had stopped";
  if (is_unserved) return "a stream never came up although the faults had stopped and there are permits enough";
  if (must_rest) {
    if (auto broken = come_to_rest()) return broken;
  }
  for (const auto& loop : loops_) {
    loop->end();
    if (auto broken = check()) return broken;
  }
  for (const auto& loop : slot_loops_) {
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
    settle_once(i);
    for (const auto& loop : loops_) dials += loop->dials_begun();
    if (auto broken = check()) return broken;
    quiet = dials == before ? quiet + 1 : 0;
  }
  if (quiet < rounds_at_rest) return "dials without end although nobody wants a connection";
  const bool is_one_missing =
      std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_below_min_size(); });
  if (ledger_.has_waiting()) return "a loop is in line for a permit although nobody needs one";
  if (is_one_missing && ledger_.available() > 0) return "fewer connections than min_size although a permit is free";
  return std::nullopt;
}

}  // namespace marketprism::simulation
