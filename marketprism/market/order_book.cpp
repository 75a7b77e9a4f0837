#include "marketprism/market/order_book.hpp"

#include <algorithm>
#include <cassert>

namespace marketprism::market {
namespace {

constexpr std::size_t merge_below = LevelBlock::capacity / 4;
constexpr std::size_t fill_on_assign = LevelBlock::capacity * 3 / 4;  // leaves room for what comes between

constexpr auto powers_of_ten = [] {
  std::array<std::int64_t, 19> powers{};
  std::int64_t power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = power;
    if (i + 1 < powers.size()) power *= 10;
  }
  return powers;
}();

bool scale(std::int64_t value, int digits, std::int64_t& result) {
  if (value == 0) {
    result = 0;
    return true;
  }
  if (digits >= static_cast<int>(powers_of_ten.size())) return false;
  return !__builtin_mul_overflow(value, powers_of_ten[static_cast<std::size_t>(digits)], &result);
}

/// The place of the first key not below `key`.
std::size_t place_of(const LevelBlock& block, std::int64_t key) {
  return static_cast<std::size_t>(std::lower_bound(block.keys.data(), block.keys.data() + block.size, key) -
                                  block.keys.data());
}

void move_levels(LevelBlock& to, std::size_t to_at, const LevelBlock& from, std::size_t from_at, std::size_t count) {
  const auto at = static_cast<std::ptrdiff_t>(from_at), target = static_cast<std::ptrdiff_t>(to_at),
             n = static_cast<std::ptrdiff_t>(count);
  std::copy_n(from.keys.begin() + at, n, to.keys.begin() + target);
  std::copy_n(from.levels.begin() + at, n, to.levels.begin() + target);
}

}  // namespace

bool BookSide::key_of(const Decimal& price, std::int64_t& key) {
  std::int64_t mantissa = 0;
  if (!price.narrow_mantissa(mantissa)) return false;
  if (price.exponent() < key_exponent_ && !price.is_zero() && !refine_keys(price.exponent())) return false;
  if (!scale(mantissa, price.exponent() - key_exponent_, key)) return false;
  if (side_ == Side::sell) key = -key;  // so that on both sides the larger key is the better price
  return true;
}

bool BookSide::refine_keys(int exponent) {
  const int digits = key_exponent_ - exponent;
  std::int64_t ignored = 0;
  // The outermost keys are the largest in size: if they fit, all do.
  if (!blocks_.empty() && (!scale(first_keys_.front(), digits, ignored) ||
                           !scale(blocks_.back()->keys[blocks_.back()->size - 1], digits, ignored))) {
    return false;
  }
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    for (std::size_t i = 0; i < blocks_[b]->size; ++i) scale(blocks_[b]->keys[i], digits, blocks_[b]->keys[i]);
    first_keys_[b] = blocks_[b]->keys[0];
  }
  key_exponent_ = exponent;
  return true;
}

std::size_t BookSide::block_of(std::int64_t key) const {
  if (key >= first_keys_.back()) return first_keys_.size() - 1;  // most changes happen at the top
  const auto after = std::upper_bound(first_keys_.begin(), first_keys_.end(), key);
  return after == first_keys_.begin() ? 0 : static_cast<std::size_t>(after - first_keys_.begin()) - 1;
}

bool BookSide::set(const Level& level) {
  std::int64_t key = 0;
  if (!key_of(level.price, key)) return false;
  if (blocks_.empty()) {
    return level.amount.is_zero() || append(key, level);
  }
  const std::size_t b = block_of(key);
  LevelBlock& block = *blocks_[b];
  const std::size_t at = place_of(block, key);
  const bool is_here = at < block.size && block.keys[at] == key;
  if (level.amount.is_zero()) {
    if (is_here) erase(b, at);
  } else if (is_here) {
    block.levels[at] = level;
  } else {
    return insert(b, at, key, level);
  }
  return true;
}

LevelBlock* BookSide::take_block() {
  LevelBlock* block = pool_->take();
  if (block == nullptr) lacks_memory_ = true;
  return block;
}

bool BookSide::insert(std::size_t b, std::size_t at, std::int64_t key, const Level& level) {
  LevelBlock* block = blocks_[b];
  if (block->size == LevelBlock::capacity) {
    constexpr std::size_t half = LevelBlock::capacity / 2;
    LevelBlock* upper = take_block();
    if (upper == nullptr) return false;
    move_levels(*upper, 0, *block, half, LevelBlock::capacity - half);
    upper->size = LevelBlock::capacity - half;
    block->size = half;
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1, upper);
    first_keys_.insert(first_keys_.begin() + static_cast<std::ptrdiff_t>(b) + 1, upper->keys[0]);
    if (at > half) {
      block = upper;
      at -= half;
      ++b;
    }
  }
  const auto place = static_cast<std::ptrdiff_t>(at), end = static_cast<std::ptrdiff_t>(block->size);
  std::copy_backward(block->keys.begin() + place, block->keys.begin() + end, block->keys.begin() + end + 1);
  std::copy_backward(block->levels.begin() + place, block->levels.begin() + end, block->levels.begin() + end + 1);
  block->keys[at] = key;
  block->levels[at] = level;
  ++block->size;
  ++size_;
  first_keys_[b] = block->keys[0];
  return true;
}

void BookSide::erase(std::size_t b, std::size_t at) {
  LevelBlock& block = *blocks_[b];
  move_levels(block, at, block, at + 1, block.size - at - 1);
  --block.size;
  --size_;
  if (block.size == 0) {
    pool_->give_back(&block);
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b));
    first_keys_.erase(first_keys_.begin() + static_cast<std::ptrdiff_t>(b));
    return;
  }
  first_keys_[b] = block.keys[0];
  if (block.size >= merge_below) return;
  if (b + 1 < blocks_.size()) merge_with_next(b);
  if (b > 0 && b < blocks_.size()) merge_with_next(b - 1);
}

void BookSide::merge_with_next(std::size_t b) {
  LevelBlock& block = *blocks_[b];
  LevelBlock& next = *blocks_[b + 1];
  if (block.size + next.size > fill_on_assign) return;
  move_levels(block, block.size, next, 0, next.size);
  block.size += next.size;
  pool_->give_back(&next);
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1);
  first_keys_.erase(first_keys_.begin() + static_cast<std::ptrdiff_t>(b) + 1);
}

bool BookSide::append(std::int64_t key, const Level& level) {
  if (blocks_.empty() || blocks_.back()->size >= fill_on_assign) {
    LevelBlock* added = take_block();
    if (added == nullptr) return false;
    blocks_.push_back(added);
    first_keys_.push_back(key);
  }
  LevelBlock& block = *blocks_.back();
  block.keys[block.size] = key;
  block.levels[block.size] = level;
  ++block.size;
  ++size_;
  return true;
}

bool BookSide::assign(std::span<const Level> levels) {
  clear();
  // Room to grow to several times the snapshot, so that the lists of blocks do not allocate while deltas come in.
  const std::size_t blocks = 64 + 4 * levels.size() / fill_on_assign;
  blocks_.reserve(blocks);
  first_keys_.reserve(blocks);
  std::int64_t last = 0;
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {  // exchanges send the best level first
    if (level->amount.is_zero()) continue;
    std::int64_t key = 0;
    if (!key_of(level->price, key)) return false;
    if (size_ > 0) last = blocks_.back()->keys[blocks_.back()->size - 1];  // `key_of` may have made the keys finer
    if (size_ == 0 || key > last) {
      if (!append(key, *level)) return false;
      continue;
    }
    clear();  // not sorted: one by one, in the order given
    return std::ranges::all_of(levels, [this](const Level& each) { return set(each); });
  }
  return true;
}

void BookSide::clear() {
  for (LevelBlock* block : blocks_) pool_->give_back(block);
  blocks_.clear();
  first_keys_.clear();
  size_ = 0;
  key_exponent_ = 0;
  lacks_memory_ = false;
}

const Level& BookSide::at(std::size_t n) const {
  assert(n < size_);
  std::size_t b = blocks_.size() - 1;
  while (n >= blocks_[b]->size) n -= blocks_[b--]->size;
  return blocks_[b]->levels[blocks_[b]->size - 1 - n];
}

void BookSide::truncate(std::size_t depth, std::vector<Level>& removed) {
  while (size_ > depth) {
    removed.push_back({blocks_.front()->levels[0].price, Decimal()});
    erase(0, 0);
  }
}

}  // namespace marketprism::market
