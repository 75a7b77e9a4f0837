// Linked only into programs that want their allocations counted. See allocation_counter.hpp.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "marketprism/memory/allocation_counter.hpp"

namespace {
using marketprism::memory::detail::AllocationTally;

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
void __sanitizer_malloc_hook(const volatile void*, std::size_t) { ++AllocationTally::allocations; }
void __sanitizer_free_hook(const volatile void*) {}
}

#else

namespace {
void* allocate(std::size_t size, std::size_t alignment) {
  ++AllocationTally::allocations;
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(size == 0 ? 1 : size)
                     : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
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
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif
