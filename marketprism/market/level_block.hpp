#pragma once
#include <array>
#include <cstdint>

#include "marketprism/market/event.hpp"
#include "marketprism/memory/object_pool.hpp"

namespace marketprism::market {

/// Up to 64 neighbouring levels of one side of a book with their sort keys, both contiguous.
struct LevelBlock {
  static constexpr std::size_t capacity = 64;
  std::size_t size = 0;
  std::array<std::int64_t, capacity> keys;
  std::array<Level, capacity> levels;
};

/// Blocks are given back empty; their levels need no clearing.
struct EmptyLevelBlock : memory::ObjectPolicy<LevelBlock> {
  static void reset(LevelBlock& block) { block.size = 0; }
};

/// Lends blocks to the books of one session, so that books that change all the time do not allocate. Bounded by the
/// hard limit of `account`, which is told of every slab; without one by the books' depth. One thread.
class LevelBlockPool {
 public:
  explicit LevelBlockPool(std::size_t slab_blocks = 32, memory::MemoryAccount* account = nullptr)
      : blocks_(options(slab_blocks, account)) {}

  /// Null at the account's limit.
  LevelBlock* take() { return blocks_.take(); }
  void give_back(LevelBlock* block) { blocks_.give_back(block); }

  memory::ObjectPoolStatistics statistics() { return blocks_.statistics(); }

 private:
  static memory::ObjectPoolOptions options(std::size_t slab_blocks, memory::MemoryAccount* account) {
    memory::ObjectPoolOptions out;
    out.name = "level blocks";
    out.capacity = SIZE_MAX;
    out.account = account;
    out.slab_bytes = slab_blocks * (sizeof(LevelBlock) + 64);
    return out;
  }

  memory::ObjectPool<LevelBlock, EmptyLevelBlock> blocks_;
};

}  // namespace marketprism::market
