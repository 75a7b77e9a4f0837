#include <gtest/gtest.h>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {
namespace {

// MARKETPRISM_SIMULATION_SCHEDULES and MARKETPRISM_SIMULATION_SEED set how many schedules run, and from which seed.
TEST(LeasePoolSimulation, KeepsItsRulesUnderRandomFaults) {
  const auto count = setting("MARKETPRISM_SIMULATION_SCHEDULES", 10'000);
  const auto first = setting("MARKETPRISM_SIMULATION_SEED", 1);
  const auto report = search(first, count, 200, LeaseWorld::weights(), LeaseWorld::run, LeaseWorld::describe);
  ASSERT_FALSE(report) << *report;
}

TEST(LeasePoolSimulation, KeepsItsRulesWhenDrainedAtAnyTime) {
  const auto count = setting("MARKETPRISM_SIMULATION_SCHEDULES", 10'000) / 5;
  const auto first = setting("MARKETPRISM_SIMULATION_SEED", 1);
  auto weights = LeaseWorld::weights();
  weights[LeaseWorld::drain] = 4;
  const auto report = search(first, count, 100, weights, LeaseWorld::run, LeaseWorld::describe);
  ASSERT_FALSE(report) << *report;
}

}  // namespace
}  // namespace marketprism::simulation
