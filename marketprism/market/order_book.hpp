#pragma once
#include <memory>
#include <span>
#include <vector>

#include "marketprism/market/event.hpp"
#include "marketprism/market/level_block.hpp"

namespace marketprism::market {

/// One side of a book: levels sorted from worst to best in contiguous blocks, so that a change moves at most one block
/// wherever it happens. Prices are exact: the sort key is the price in units of the finest digit seen, a 64-bit
/// integer.
class BookSide {
 public:
  BookSide(Side side, std::shared_ptr<LevelBlockPool> pool) : side_(side), pool_(std::move(pool)) {}
  ~BookSide() { clear(); }
  BookSide(const BookSide&) = delete;
  BookSide& operator=(const BookSide&) = delete;

  /// Puts, replaces or (amount zero) removes one level. False, and nothing changed, if there is no memory for it (see
  /// `lacks_memory`), or if the prices of this side do not fit one 64-bit key: no market has such prices, a broken
  /// frame may.
  [[nodiscard]] bool set(const Level& level);
  /// Replaces all levels. Accepts any order; levels of amount zero are left out; of equal prices the last counts. False
  /// as `set`.
  [[nodiscard]] bool assign(std::span<const Level> levels);
  void clear();

  /// The pool had no block for this side since it was last empty.
  bool lacks_memory() const { return lacks_memory_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Level& best() const { return blocks_.back()->levels[blocks_.back()->size - 1]; }
  /// The level at depth `n` < size(), 0 = best. Walks the blocks: cheap near the top.
  const Level& at(std::size_t n) const;
  /// Cuts the side to its best `depth` levels and appends what fell off, with amount zero, to `removed`.
  void truncate(std::size_t depth, std::vector<Level>& removed);

 private:
  bool key_of(const Decimal& price, std::int64_t& key);
  bool refine_keys(int exponent);
  std::size_t block_of(std::int64_t key) const;
  bool insert(std::size_t block, std::size_t at, std::int64_t key, const Level& level);
  void erase(std::size_t block, std::size_t at);
  void merge_with_next(std::size_t block);
  bool append(std::int64_t key, const Level& level);
  LevelBlock* take_block();

  Side side_;
  int key_exponent_ = 0;  // a key counts units of 10^this
  std::size_t size_ = 0;
  bool lacks_memory_ = false;
  std::shared_ptr<LevelBlockPool> pool_;
  std::vector<LevelBlock*> blocks_;       // worst prices first
  std::vector<std::int64_t> first_keys_;  // of each block
};

/// Both sides of one symbol's book. Owned by its feed session, used on that session's thread.
class OrderBook {
 public:
  explicit OrderBook(std::shared_ptr<LevelBlockPool> pool = std::make_shared<LevelBlockPool>())
      : bids_(Side::buy, pool), asks_(Side::sell, pool) {}

  /// False: see `BookSide::set`; the book is then partly changed and of no use.
  [[nodiscard]] bool apply(std::span<const Level> bids, std::span<const Level> asks) {
    for (const Level& level : bids) {
      if (!bids_.set(level)) return false;
    }
    for (const Level& level : asks) {
      if (!asks_.set(level)) return false;
    }
    return true;
  }
  [[nodiscard]] bool assign(std::span<const Level> bids, std::span<const Level> asks) {
    return bids_.assign(bids) && asks_.assign(asks);
  }
  void clear() {
    bids_.clear();
    asks_.clear();
  }
  bool lacks_memory() const { return bids_.lacks_memory() || asks_.lacks_memory(); }
  const BookSide& bids() const { return bids_; }
  const BookSide& asks() const { return asks_; }
  BookSide& bids() { return bids_; }
  BookSide& asks() { return asks_; }

  /// The best bid is not below the best ask: no true book is like that while trading is continuous.
  bool is_crossed() const { return !bids_.empty() && !asks_.empty() && bids_.best().price >= asks_.best().price; }

 private:
  BookSide bids_;
  BookSide asks_;
};

}  // namespace marketprism::market
