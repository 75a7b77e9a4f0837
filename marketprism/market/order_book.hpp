#pragma once
#include <span>
#include <vector>

#include "marketprism/market/event.hpp"

namespace marketprism::market {

/// One side of a book: levels in one contiguous array, sorted so that the best price is the last element, because most
/// changes happen there and then move few levels. Prices are exact.
class BookSide {
 public:
  explicit BookSide(Side side) : side_(side) {}

  /// Puts, replaces or (amount zero) removes one level.
  void set(const Level& level);
  /// Replaces all levels. Accepts any order; levels of amount zero are left out; of equal prices the last counts.
  void assign(std::span<const Level> levels);
  void clear() { levels_.clear(); }
  void reserve(std::size_t levels) { levels_.reserve(levels); }

  std::size_t size() const { return levels_.size(); }
  bool empty() const { return levels_.empty(); }
  const Level& best() const { return levels_.back(); }
  /// The level at depth `n`, 0 = best.
  const Level& at(std::size_t n) const { return levels_[levels_.size() - 1 - n]; }
  /// Cuts the side to its best `depth` levels and appends what fell off, with amount zero, to `removed`.
  void truncate(std::size_t depth, std::vector<Level>& removed);

 private:
  /// Whether `a` stands before `b` in the array, i.e. is the worse price.
  bool is_worse(const Decimal& a, const Decimal& b) const { return side_ == Side::buy ? a < b : b < a; }

  Side side_;
  std::vector<Level> levels_;
};

/// Both sides of one symbol's book. Owned by its feed session, used on that session's thread.
class OrderBook {
 public:
  void apply(std::span<const Level> bids, std::span<const Level> asks) {
    for (const Level& level : bids) bids_.set(level);
    for (const Level& level : asks) asks_.set(level);
  }
  void assign(std::span<const Level> bids, std::span<const Level> asks) {
    bids_.assign(bids);
    asks_.assign(asks);
  }
  void clear() {
    bids_.clear();
    asks_.clear();
  }
  const BookSide& bids() const { return bids_; }
  const BookSide& asks() const { return asks_; }
  BookSide& bids() { return bids_; }
  BookSide& asks() { return asks_; }

  /// The best bid is not below the best ask: no true book is like that while trading is continuous.
  bool is_crossed() const { return !bids_.empty() && !asks_.empty() && bids_.best().price >= asks_.best().price; }

 private:
  BookSide bids_{Side::buy};
  BookSide asks_{Side::sell};
};

}  // namespace marketprism::market
