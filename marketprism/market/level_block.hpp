#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "marketprism/market/event.hpp"

namespace marketprism::market {

/// Up to 64 neighbouring levels of one side of a book with their sort keys, both contiguous.
struct LevelBlock {
  static constexpr std::size_t capacity = 64;
  std::size_t size = 0;
  std::array<std::int64_t, capacity> keys;
  std::array<Level, capacity> levels;
};

/// Lends blocks to the books of one session, so that books that change all the time do not allocate. Grows by doubling,
/// never shrinks. One thread.
class LevelBlockPool {
 public:
  explicit LevelBlockPool(std::size_t first_blocks = 8) : next_blocks_(first_blocks) {}

  LevelBlock* take() {
    if (free_.empty()) grow();
    LevelBlock* block = free_.back();
    free_.pop_back();
    block->size = 0;
    return block;
  }
  void give_back(LevelBlock* block) { free_.push_back(block); }

  std::size_t bytes() const { return blocks_ * sizeof(LevelBlock); }

 private:
  void grow() {
    slabs_.push_back(std::make_unique<LevelBlock[]>(next_blocks_));
    blocks_ += next_blocks_;
    free_.reserve(blocks_);  // giving back never allocates
    for (std::size_t i = 0; i < next_blocks_; ++i) free_.push_back(&slabs_.back()[i]);
    next_blocks_ = blocks_;
  }

  std::size_t next_blocks_;
  std::size_t blocks_ = 0;
  std::vector<std::unique_ptr<LevelBlock[]>> slabs_;
  std::vector<LevelBlock*> free_;
};

}  // namespace marketprism::market
