#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"

namespace marketprism::memory {

struct HeapProfilerOptions {
  std::uint64_t sample_bytes = 512UL << 10;  ///< one allocation is looked at for so many bytes, on average
};

/// Who allocates: one call stack with what was allocated there, estimated from the samples.
struct HeapSite {
  static constexpr std::size_t depth_max = 32;
  std::array<void*, depth_max> frames{};  ///< innermost first; the first ones are the profiler's own
  std::uint32_t depth = 0;
  std::uint64_t live_bytes = 0;   ///< not freed yet
  std::uint64_t peak_bytes = 0;   ///< the most that was live at once
  std::uint64_t total_bytes = 0;  ///< ever allocated
  std::uint64_t live_samples = 0;
  std::uint64_t total_samples = 0;

  [[nodiscard]] std::span<void* const> stack() const { return {frames.data(), depth}; }
};

struct HeapProfile {
  bool is_on = false;
  std::uint64_t sample_bytes = 0;
  std::uint64_t samples = 0;    ///< taken
  std::uint64_t dropped = 0;    ///< not taken because a table was full
  std::vector<HeapSite> sites;  ///< most live bytes first
};

/// A sampling profiler of operator new: every allocated byte has the same small chance to have its allocation's stack
/// recorded (a Poisson process), so that a site's bytes can be estimated without bias; memory that C libraries take by
/// malloc does not show. It needs a program that links `marketprism_allocation_hooks`, otherwise `unsupported`. Off, it
/// costs one load an allocation. May be switched on and off at any time, by one thread at a time; what was sampled
/// while it was on is followed until it is freed. At most 4,096 sites and 65,536 live samples (4 MiB, taken at the
/// first start).
Result<> start_heap_profiler(HeapProfilerOptions options = {});
void stop_heap_profiler();

/// What was sampled since the program began. Any thread.
[[nodiscard]] HeapProfile heap_profile();

/// {"on", "sample_bytes", "samples", "dropped", "sites": [{"live_bytes", "peak_bytes", "total_bytes", "stack":
/// ["inner", …]}]}. Reads the program's symbols: milliseconds.
[[nodiscard]] std::string heap_profile_json(const HeapProfile& profile);
/// The live bytes as a flame graph, one SVG document that stands alone: callers below, callees above, width by bytes.
[[nodiscard]] std::string heap_flame_graph_svg(const HeapProfile& profile);

namespace detail {
/// What the hooks call.
struct HeapSampler {
  /// Sampled memory begins at a page, which memory from malloc practically never does: so that `operator delete` knows
  /// it by its address.
  static constexpr std::size_t mark = 4096;
  static std::atomic<bool> is_on;
  static std::atomic<std::uint64_t> live_samples;
  static thread_local std::int64_t bytes_left;  // until this thread's next sample

  static bool wants(std::size_t size) {
    if (!is_on.load(std::memory_order_relaxed)) [[likely]]
      return false;
    bytes_left -= static_cast<std::int64_t>(size);
    return bytes_left < 0 && begin_sample();
  }
  static bool may_hold(const volatile void* memory) {
    return (reinterpret_cast<std::uintptr_t>(memory) & (mark - 1)) == 0 &&
           live_samples.load(std::memory_order_relaxed) != 0;
  }
  static bool begin_sample();
  static void record(const volatile void* memory, std::size_t size);
  static void forget(const volatile void* memory);
};
}  // namespace detail

}  // namespace marketprism::memory
