#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::memory {

constinit thread_local std::uint64_t detail::AllocationTally::allocations = 0;
constinit bool detail::AllocationTally::is_hooked = false;

std::uint64_t thread_allocations() { return detail::AllocationTally::allocations; }
bool counts_allocations() { return detail::AllocationTally::is_hooked; }

}  // namespace marketprism::memory
