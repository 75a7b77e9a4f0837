#pragma once
#include <cstdint>

namespace marketprism::simulation {

/// Prints, for pools of several sizes and utilizations, how long acquires wait in units of the mean hold time: the real
/// LeasePool in virtual time, `acquires` of them at random moments (Poisson), exponential hold times.
void print_sizing(std::uint64_t acquires);

}  // namespace marketprism::simulation
