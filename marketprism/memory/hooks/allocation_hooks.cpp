// Linked only into programs that want their allocations counted, or their heap profiled. See allocation_counter.hpp and
// heap_profiler.hpp.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/memory/heap_profiler.hpp"

namespace {
using marketprism::memory::detail::AllocationTally;
using marketprism::memory::detail::HeapSampler;

[[maybe_unused]] const bool is_hooked = AllocationTally::is_hooked = true;
}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MARKETPRISM_SANITIZER_ALLOCATOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MARKETPRISM_SANITIZER_ALLOCATOR 1
#endif
#endif

#ifdef MARKETPRISM_SANITIZER_ALLOCATOR

extern "C" {
void __sanitizer_malloc_hook(const volatile void*, std::size_t);
void __sanitizer_free_hook(const volatile void*);
void __sanitizer_malloc_hook(const volatile void* memory, std::size_t size) {
  ++AllocationTally::allocations;
  if (HeapSampler::wants(size)) HeapSampler::record(memory, size);
}
void __sanitizer_free_hook(const volatile void* memory) {
  if (HeapSampler::live_samples.load(std::memory_order_relaxed) != 0) HeapSampler::forget(memory);
}
}

#else

namespace {
void* allocate(std::size_t size, std::size_t alignment) {
  ++AllocationTally::allocations;
  const bool is_sampled = HeapSampler::wants(size);
  if (is_sampled) [[unlikely]]
    alignment = std::max(alignment, HeapSampler::mark);
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(size == 0 ? 1 : size)
                     : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  if (is_sampled) [[unlikely]]
    HeapSampler::record(memory, size);
  return memory;
}
void release(void* memory) {
  if (HeapSampler::may_hold(memory)) [[unlikely]]
    HeapSampler::forget(memory);
  std::free(memory);
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size, 1); }
void* operator new[](std::size_t size) { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

#endif
