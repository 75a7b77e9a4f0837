#pragma once
#include <cstdint>

namespace marketprism::memory {

/// Heap allocations that the calling thread has made since it began. They are counted only in programs that link
/// `marketprism_allocation_hooks`, which replaces the global operator new (or, under a sanitizer, listens to its
/// allocator); elsewhere the number stays zero and `counts_allocations` is false.
std::uint64_t thread_allocations();
bool counts_allocations();

/// Counts the allocations of the calling thread within a scope.
class AllocationCounter {
 public:
  AllocationCounter() : start_(thread_allocations()) {}
  std::uint64_t count() const { return thread_allocations() - start_; }

 private:
  std::uint64_t start_;
};

/// Of `thread_allocations()`, those that were made within an `AllocationsApart`, also within one that lasts still.
std::uint64_t thread_allocations_apart();

/// Sets the allocations of the calling thread within a scope apart: those of watching a thread are not those of its
/// work. May nest.
class AllocationsApart {
 public:
  AllocationsApart();
  ~AllocationsApart();
  AllocationsApart(const AllocationsApart&) = delete;
  AllocationsApart& operator=(const AllocationsApart&) = delete;
};

namespace detail {
/// What the hooks count into.
struct AllocationTally {
  static thread_local std::uint64_t allocations;
  static bool is_hooked;
};
}  // namespace detail

}  // namespace marketprism::memory
