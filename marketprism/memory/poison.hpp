#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define MARKETPRISM_HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MARKETPRISM_HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace marketprism::memory {

/// Forbids, or allows again, to touch memory that belongs to nobody at the moment. Only AddressSanitizer enforces it;
/// elsewhere these do nothing.
inline void poison([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
  __asan_poison_memory_region(memory, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

}  // namespace marketprism::memory
