#include "marketprism/market/order_book.hpp"

#include <algorithm>

namespace marketprism::market {

void BookSide::set(const Level& level) {
  // Near the top a walk from the best level beats a search; the walk is bounded, then the search takes over.
  auto at = levels_.end();
  int steps = 0;
  while (at != levels_.begin() && steps < 8 && is_worse(level.price, at[-1].price)) {
    --at;
    ++steps;
  }
  if (steps == 8 && at != levels_.begin() && is_worse(level.price, at[-1].price)) {
    at = std::lower_bound(levels_.begin(), at, level.price,
                          [this](const Level& l, const Decimal& price) { return is_worse(l.price, price); });
    if (at != levels_.end() && at->price == level.price) ++at;
  }
  // `at` stands right behind the level with this price, if there is one.
  const bool is_here = at != levels_.begin() && at[-1].price == level.price;
  if (level.amount.is_zero()) {
    if (is_here) levels_.erase(at - 1);
  } else if (is_here) {
    at[-1] = level;
  } else {
    levels_.insert(at, level);
  }
}

void BookSide::assign(std::span<const Level> levels) {
  levels_.clear();
  levels_.reserve(levels.size());
  bool is_sorted = true;
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {  // exchanges send the best level first
    if (level->amount.is_zero()) continue;
    is_sorted = is_sorted && (levels_.empty() || is_worse(levels_.back().price, level->price));
    levels_.push_back(*level);
  }
  if (is_sorted) return;
  levels_.clear();
  for (const Level& level : levels) set(level);
}

void BookSide::truncate(std::size_t depth, std::vector<Level>& removed) {
  if (levels_.size() <= depth) return;
  const auto first_kept = levels_.end() - static_cast<std::ptrdiff_t>(depth);
  for (auto level = levels_.begin(); level != first_kept; ++level) removed.push_back({level->price, Decimal()});
  levels_.erase(levels_.begin(), first_kept);
}

}  // namespace marketprism::market
