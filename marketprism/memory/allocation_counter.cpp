#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::memory {

constinit thread_local std::uint64_t detail::AllocationTally::allocations = 0;
constinit bool detail::AllocationTally::is_hooked = false;

namespace {
constinit thread_local std::uint64_t apart = 0;
}

std::uint64_t thread_allocations_apart() { return apart; }
AllocationsApart::AllocationsApart() = default;
// What scopes within this one have added is among its own.
AllocationsApart::~AllocationsApart() { apart = apart_ + thread_allocations() - start_; }

std::uint64_t thread_allocations() { return detail::AllocationTally::allocations; }
bool counts_allocations() { return detail::AllocationTally::is_hooked; }

}  // namespace marketprism::memory
