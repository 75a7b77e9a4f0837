// Uses marketprism::memory from an installed package: lends objects, counts an owner's bytes, looks for a leak, and
// samples who allocates, which the linked marketprism::allocation_hooks make possible.
#include <cstdio>
#include <marketprism/memory/heap_profiler.hpp>
#include <marketprism/memory/memory_analyzer.hpp>
#include <marketprism/memory/memory_budget.hpp>
#include <marketprism/memory/object_pool.hpp>
#include <memory>
#include <string>
#include <vector>

namespace memory = marketprism::memory;

struct Frame {
  std::string text;
  void clear() { text.clear(); }
};

int main() {
  memory::MemoryBudget budget;
  memory::MemoryAccount& account = budget.account("frames", {.hard = 1 << 20});
  memory::ObjectPool<Frame> frames({.name = "frames", .capacity = 100, .account = &account});
  for (int i = 0; i < 10; ++i) frames.acquire()->text = "used again";
  const bool is_reused = frames.statistics().reused == 9 && account.bytes() > 0;

  memory::MemoryAnalyzer analyzer;
  for (int minute = 0; minute < 3; ++minute) {
    memory::MemorySnapshot snapshot;
    snapshot.time = marketprism::Instant(std::chrono::minutes(minute));
    snapshot.label = minute == 0 ? "before" : "";
    snapshot.rss = 1'000'000 + 60'000 * static_cast<std::uint64_t>(minute);
    snapshot.owners = budget.owners();
    analyzer.add(std::move(snapshot));
  }
  const auto change = analyzer.compare("before", "latest");
  const bool has_grown = change && change->changes.front().difference() == 120'000;

  // Builds with a sanitizer cannot replace operator new; there it says so.
  const auto started = memory::start_heap_profiler({.sample_bytes = 1024});
  std::vector<std::unique_ptr<char[]>> kept;
  for (int i = 0; i < 1000; ++i) kept.push_back(std::make_unique<char[]>(4096));
  const memory::HeapProfile profile = memory::heap_profile();
  memory::stop_heap_profiler();
  const bool has_sites = started ? !profile.sites.empty() : started.error().code == marketprism::ErrorCode::unsupported;

  std::printf("%s %s %s\n", is_reused ? "objects" : "-", has_grown ? "growth" : "-", has_sites ? "sites" : "-");
  return is_reused && has_grown && has_sites ? 0 : 1;
}
