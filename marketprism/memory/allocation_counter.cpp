#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::memory {

constinit thread_local std::uint64_t detail::AllocationTally::allocations = 0;
constinit bool detail::AllocationTally::is_hooked = false;

namespace {

// The outermost scope that lasts began with `apart_since` allocations; those of the scopes before it are in `apart`.
constinit thread_local std::uint64_t apart = 0;
constinit thread_local std::uint64_t apart_since = 0;
constinit thread_local int scopes = 0;

}  // namespace

std::uint64_t thread_allocations_apart() { return scopes == 0 ? apart : apart + thread_allocations() - apart_since; }

AllocationsApart::AllocationsApart() {
  if (scopes++ == 0) apart_since = thread_allocations();
}

AllocationsApart::~AllocationsApart() {
  if (--scopes == 0) apart += thread_allocations() - apart_since;
}

std::uint64_t thread_allocations() { return detail::AllocationTally::allocations; }
bool counts_allocations() { return detail::AllocationTally::is_hooked; }

}  // namespace marketprism::memory
