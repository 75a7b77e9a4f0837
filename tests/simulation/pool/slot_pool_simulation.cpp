#include <gtest/gtest.h>

#include "tests/simulation/pool/ledger_world.hpp"
#include "tests/simulation/pool/slot_world.hpp"

namespace marketprism::simulation {
namespace {

// MARKETPRISM_SIMULATION_SCHEDULES and MARKETPRISM_SIMULATION_SEED set how many schedules run, and from which seed.
TEST(SlotPoolSimulation, KeepsItsRulesUnderRandomFaults) {
  const auto count = setting("MARKETPRISM_SIMULATION_SCHEDULES", 4'000) / 2;
  const auto first = setting("MARKETPRISM_SIMULATION_SEED", 1);
  const auto report = search(first, count, 200, SlotWorld::weights(), SlotWorld::run, SlotWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(SlotPoolSimulation, KeepsItsRulesWhenDrainedAtAnyTime) {
  const auto count = setting("MARKETPRISM_SIMULATION_SCHEDULES", 4'000) / 10;
  const auto first = setting("MARKETPRISM_SIMULATION_SEED", 1);
  auto weights = SlotWorld::weights();
  weights[SlotWorld::drain] = 3;
  const auto report = search(first, count, 100, weights, SlotWorld::run, SlotWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(SlotPoolSimulation, SlotsAndLeasesOverOneLedgerKeepItsLimitAndServeEverybody) {
  const auto count = setting("MARKETPRISM_SIMULATION_SCHEDULES", 4'000) / 4;
  const auto first = setting("MARKETPRISM_SIMULATION_SEED", 1);
  const auto report =
      search(first, count, 200, LedgerWorld::weights_with_slots(), LedgerWorld::run_with_slots, LedgerWorld::describe);
  ASSERT_FALSE(report) << *report;
}

}  // namespace
}  // namespace marketprism::simulation
