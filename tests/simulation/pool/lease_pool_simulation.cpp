#include <gtest/gtest.h>

#include "tests/simulation/pool/lease_world.hpp"
#include "tests/simulation/pool/ledger_world.hpp"
#include "tests/simulation/pool/small_scope.hpp"

namespace marketprism::simulation {
namespace {

// MARKETPRISM_SIMULATION_SCHEDULES and MARKETPRISM_SIMULATION_SEED set how many schedules run, and from which seed. A
// million of them run in the optimised program simulate_pools.
std::uint64_t schedules() { return setting("MARKETPRISM_SIMULATION_SCHEDULES", 4'000); }
std::uint64_t first_seed() { return setting("MARKETPRISM_SIMULATION_SEED", 1); }

TEST(LeasePoolSimulation, KeepsItsRulesUnderRandomFaults) {
  const auto report =
      search(first_seed(), schedules(), 200, LeaseWorld::weights(), LeaseWorld::run, LeaseWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(LeasePoolSimulation, KeepsItsRulesWhenDrainedAtAnyTime) {
  auto weights = LeaseWorld::weights();
  weights[LeaseWorld::drain] = 4;
  const auto report = search(first_seed(), schedules() / 5, 100, weights, LeaseWorld::run, LeaseWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(LeasePoolSimulation, SeveralLoopsOverOneLedgerKeepItsLimitAndServeEverybody) {
  const auto report =
      search(first_seed(), schedules() / 4, 200, LedgerWorld::weights(), LedgerWorld::run, LedgerWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(LeasePoolSimulation, KeepsItsRulesInEveryScheduleOfASmallScope) {
  const SmallScope scope = search_small_scope(9);
  EXPECT_GT(scope.schedules, 10'000U);
  ASSERT_FALSE(scope.violation) << *scope.violation;
}

}  // namespace
}  // namespace marketprism::simulation
