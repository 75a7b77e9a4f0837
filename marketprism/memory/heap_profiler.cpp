#include "marketprism/memory/heap_profiler.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <execinfo.h>
#include <memory>
#include <utility>

#include "marketprism/base/random.hpp"
#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::memory {

using detail::HeapSampler;

constinit std::atomic<bool> HeapSampler::is_on{false};
constinit std::atomic<std::uint64_t> HeapSampler::live_samples{0};
constinit thread_local std::int64_t HeapSampler::bytes_left = 0;

namespace {

constexpr std::size_t sites_max = 4096, samples_max = 65'536;
constexpr std::uint32_t none = UINT32_MAX;

/// One live sample, in the list of its bucket or of the free ones.
struct Sample {
  const volatile void* memory;
  std::uint64_t bytes;  // that it stands for
  std::uint32_t site;
  std::uint32_t next;
};

struct Tables {
  std::array<HeapSite, sites_max> sites;
  std::array<std::uint32_t, 2 * sites_max> site_of_hash;
  std::array<Sample, samples_max> samples;
  std::array<std::uint32_t, samples_max> sample_of_hash;
  std::uint32_t site_count;
  std::uint32_t free;
};

// Not a class with constructors: operator new may run before and after any of them. The lock is held for a microsecond.
constinit std::atomic_flag lock;
constinit Tables* tables = nullptr;  // from malloc, so that the profiler does not see itself
constinit std::uint64_t samples = 0, dropped = 0;
constinit std::atomic<std::uint64_t> sample_bytes{512UL << 10};

/// A thread's part. One object: GNU ld 2.40 cannot place the second of two small ones.
struct ThreadState {
  bool is_inside = false;  // of the profiler, whose own allocations do not count
  bool is_armed = false;   // bytes_left was drawn
};
constinit thread_local ThreadState mine;

class Locked {
 public:
  Locked() {
    while (lock.test_and_set(std::memory_order_acquire)) {
      while (lock.test(std::memory_order_relaxed)) {
      }
    }
  }
  ~Locked() { lock.clear(std::memory_order_release); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

class Inside {
 public:
  Inside() : was_(std::exchange(mine.is_inside, true)) {}
  ~Inside() { mine.is_inside = was_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool was_;
};

std::int64_t draw_interval() {
  thread_local Random random(reinterpret_cast<std::uintptr_t>(&mine.is_armed));
  const double mean = static_cast<double>(sample_bytes.load(std::memory_order_relaxed));
  return static_cast<std::int64_t>(-std::log(1 - random.fraction()) * mean) + 1;
}

std::uint64_t mixed(std::uint64_t x) { return (x ^ (x >> 29)) * 0x9e3779b97f4a7c15; }

std::uint32_t& bucket_of(const volatile void* memory) {
  return tables->sample_of_hash[(mixed(reinterpret_cast<std::uintptr_t>(memory)) >> 32) % samples_max];
}

std::uint32_t site_of(std::span<void* const> stack) {
  std::uint64_t hash = stack.size();
  for (void* frame : stack) hash = mixed(hash + reinterpret_cast<std::uintptr_t>(frame));
  for (std::size_t at = hash % (2 * sites_max);; at = (at + 1) % (2 * sites_max)) {
    std::uint32_t& place = tables->site_of_hash[at];
    if (place == none) {
      if (tables->site_count == sites_max) return none;
      place = tables->site_count++;
      HeapSite& site = tables->sites[place];
      std::ranges::copy(stack, site.frames.begin());
      site.depth = static_cast<std::uint32_t>(stack.size());
      return place;
    }
    if (std::ranges::equal(tables->sites[place].stack(), stack)) return place;
  }
}

Tables* make_tables() {
  auto* made = static_cast<Tables*>(std::calloc(1, sizeof(Tables)));
  if (made == nullptr) return nullptr;
  made->site_of_hash.fill(none);
  made->sample_of_hash.fill(none);
  for (std::uint32_t i = 0; i < samples_max; ++i) made->samples[i].next = i + 1 < samples_max ? i + 1 : none;
  return made;
}

}  // namespace

/// The thread's interval has run out: draws the next one; whether this allocation is to be recorded.
bool HeapSampler::begin_sample() {
  if (mine.is_inside) return false;
  const Inside inside;
  bytes_left = draw_interval();
  return std::exchange(mine.is_armed, true);  // a thread's first interval begins here
}

void HeapSampler::record(const volatile void* memory, std::size_t size) {
  const Inside inside;
  std::array<void*, HeapSite::depth_max> frames{};
  const int depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  const double mean = static_cast<double>(sample_bytes.load(std::memory_order_relaxed));
  // The chance that an allocation of this size is sampled; the sample stands for as many such allocations.
  const double chance = 1 - std::exp(-static_cast<double>(size) / mean);
  const auto bytes = static_cast<std::uint64_t>(static_cast<double>(size) / chance);
  const Locked locked;
  const std::uint32_t place = site_of(std::span<void* const>(frames).first(static_cast<std::size_t>(depth)));
  if (place == none || tables->free == none) {
    ++dropped;
    return;
  }
  ++samples;
  HeapSite& site = tables->sites[place];
  site.total_bytes += bytes;
  ++site.total_samples;
  site.live_bytes += bytes;
  ++site.live_samples;
  site.peak_bytes = std::max(site.peak_bytes, site.live_bytes);
  const std::uint32_t at = tables->free;
  Sample& sample = tables->samples[at];
  tables->free = sample.next;
  std::uint32_t& bucket = bucket_of(memory);
  sample = {memory, bytes, place, bucket};
  bucket = at;
  live_samples.fetch_add(1, std::memory_order_relaxed);
}

void HeapSampler::forget(const volatile void* memory) {
  if (mine.is_inside) return;
  const Inside inside;
  const Locked locked;
  for (std::uint32_t* link = &bucket_of(memory); *link != none; link = &tables->samples[*link].next) {
    Sample& sample = tables->samples[*link];
    if (sample.memory != memory) continue;
    HeapSite& site = tables->sites[sample.site];
    site.live_bytes -= sample.bytes;
    --site.live_samples;
    const std::uint32_t at = std::exchange(*link, sample.next);
    sample.next = std::exchange(tables->free, at);
    live_samples.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
}

Result<> start_heap_profiler(HeapProfilerOptions options) {
  if (!counts_allocations()) {
    return fail(ErrorCode::unsupported,
                "this program was not linked with marketprism_allocation_hooks, without which its "
                "heap cannot be profiled",
                true);
  }
  if (options.sample_bytes == 0) return fail(ErrorCode::invalid_argument, "sample_bytes must be more than 0", true);
  const Inside inside;
  std::array<void*, 1> first{};
  ::backtrace(first.data(), 1);  // loads the unwinder
  Tables* made = tables == nullptr ? make_tables() : tables;
  if (made == nullptr) return fail(ErrorCode::exhausted, "no memory for the heap profiler's tables");
  {
    const Locked locked;
    tables = made;
  }
  sample_bytes.store(options.sample_bytes, std::memory_order_relaxed);
  HeapSampler::is_on.store(true, std::memory_order_release);
  return {};
}

void stop_heap_profiler() { HeapSampler::is_on.store(false, std::memory_order_release); }

HeapProfile heap_profile() {
  const Inside inside;
  HeapProfile profile;
  profile.is_on = HeapSampler::is_on.load();
  profile.sample_bytes = sample_bytes.load();
  profile.sites.resize(sites_max);  // before the lock: nothing may allocate under it
  std::size_t count = 0;
  {
    const Locked locked;
    if (tables != nullptr) {
      count = tables->site_count;
      std::copy_n(tables->sites.begin(), count, profile.sites.begin());
    }
    profile.samples = samples;
    profile.dropped = dropped;
  }
  profile.sites.resize(count);
  std::ranges::sort(profile.sites, [](const HeapSite& a, const HeapSite& b) {
    return a.live_bytes != b.live_bytes ? a.live_bytes > b.live_bytes : a.total_bytes > b.total_bytes;
  });
  return profile;
}

}  // namespace marketprism::memory
