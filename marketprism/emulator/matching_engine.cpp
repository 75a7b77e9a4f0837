#include "marketprism/emulator/matching_engine.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace marketprism::emulator {

using market::Side;

namespace {
constexpr Side opposite(Side side) { return side == Side::buy ? Side::sell : Side::buy; }
constexpr std::size_t seed_levels = 200;
}  // namespace

MatchingEngine::MatchingEngine(const MatchingEngineOptions& options)
    : random_(options.seed),
      options_(options),
      base_(std::max<std::int64_t>(1, options.center_price - window / 2)),
      center_(options.center_price - base_),
      update_id_(options.first_update_id - 1),
      trade_id_(options.first_trade_id - 1),
      amounts_(static_cast<std::size_t>(window)),
      occupied_(static_cast<std::size_t>(window / 64)) {
  assert(center_ >= 20 && center_ < window - 20 && "a price needs room on both sides");
  fills_.reserve(64);
  changes_.reserve(1024);
  rest(Side::buy, center_ - 1, random_.between(1, options_.amount_max));
  rest(Side::sell, center_ + 1, random_.between(1, options_.amount_max));
  for (std::size_t i = 0; i < seed_levels; ++i) {
    place_limit(Side::buy);
    place_limit(Side::sell);
  }
}

std::int64_t MatchingEngine::previous(std::int64_t at) const {
  if (at < 0) return none;
  auto word = static_cast<std::size_t>(at / 64);
  std::uint64_t bits = occupied_[word] & (~std::uint64_t{0} >> (63 - at % 64));
  while (bits == 0) {
    if (word == 0) return none;
    bits = occupied_[--word];
  }
  return static_cast<std::int64_t>(word) * 64 + 63 - std::countl_zero(bits);
}

std::int64_t MatchingEngine::next(std::int64_t at) const {
  if (at >= window) return none;
  auto word = static_cast<std::size_t>(at / 64);
  std::uint64_t bits = occupied_[word] & (~std::uint64_t{0} << (at % 64));
  while (bits == 0) {
    if (++word == occupied_.size()) return none;
    bits = occupied_[word];
  }
  return static_cast<std::int64_t>(word) * 64 + std::countr_zero(bits);
}

std::int64_t MatchingEngine::amount_at(Side side, std::int64_t price) const {
  const std::int64_t at = price - base_;
  if (at < 0 || at >= window) return 0;
  const bool is_bid = at <= best_bid_;
  return is_bid == (side == Side::buy) ? amounts_[static_cast<std::size_t>(at)] : 0;
}

// Buyers are more frequent below the centre and sellers above it: the price comes back.
Side MatchingEngine::drift_side() {
  const std::int64_t away = (best_bid_ + best_ask_) / 2 - center_;
  const std::int64_t away_max = std::min<std::int64_t>(2'000, center_ / 2);
  const std::int64_t bias = std::clamp<std::int64_t>(-away * 40 / away_max, -40, 40);
  return static_cast<std::int64_t>(random_.below(100)) < 50 + bias ? Side::buy : Side::sell;
}

// Near the best price mostly, up to 255 ticks away.
std::int64_t MatchingEngine::distance() {
  return static_cast<std::int64_t>(random_.below(std::uint64_t{1} << random_.below(9)));
}

const Happening& MatchingEngine::step() {
  fills_.clear();
  changes_.clear();
  happening_ = {};
  const auto bid_before = best_bid_;
  const auto ask_before = best_ask_;
  const auto bid_amount_before = amounts_[static_cast<std::size_t>(best_bid_)];
  const auto ask_amount_before = amounts_[static_cast<std::size_t>(best_ask_)];

  const Side side = drift_side();
  const std::uint64_t kind = random_.below(100);
  if (level_count(Side::buy) < thin) {
    place_limit(Side::buy);
  } else if (level_count(Side::sell) < thin) {
    place_limit(Side::sell);
  } else if (kind < 52) {
    place_limit(side);
  } else if (kind < 86) {
    cancel(side);
  } else {
    happening_.taker = side;
    happening_.is_liquidation = random_.below(200) == 0;
    const std::int64_t limit = side == Side::buy ? best_ask_ + 50 : best_bid_ - 50;
    match(side, limit, random_.between(1, options_.amount_max * 2));
  }
  trim(Side::buy);
  trim(Side::sell);

  happening_.fills = fills_;
  happening_.changes = changes_;
  happening_.best_changed = bid_before != best_bid_ || ask_before != best_ask_ ||
                            bid_amount_before != amounts_[static_cast<std::size_t>(best_bid_)] ||
                            ask_amount_before != amounts_[static_cast<std::size_t>(best_ask_)];
  return happening_;
}

void MatchingEngine::set_level(Side side, std::int64_t at, std::int64_t amount) {
  auto& level = amounts_[static_cast<std::size_t>(at)];
  auto& word = occupied_[static_cast<std::size_t>(at / 64)];
  const std::uint64_t bit = std::uint64_t{1} << (at % 64);
  auto& count = counts_[static_cast<std::size_t>(side)];
  if (level == 0 && amount != 0) {
    word |= bit;
    ++count;
  } else if (level != 0 && amount == 0) {
    word &= ~bit;
    --count;
  }
  level = amount;
  auto& best = side == Side::buy ? best_bid_ : best_ask_;
  auto& worst = side == Side::buy ? worst_bid_ : worst_ask_;
  if (amount != 0) {
    const bool is_better = best == none || (side == Side::buy ? at > best : at < best);
    const bool is_worse = worst == none || (side == Side::buy ? at < worst : at > worst);
    if (is_better) best = at;
    if (is_worse) worst = at;
  } else {
    if (at == best) best = side == Side::buy ? previous(at) : next(at);
    if (at == worst) worst = side == Side::buy ? next(at) : previous(at);
  }
  update_id_ += options_.update_id_step_max == 1 ? 1 : random_.between(1, options_.update_id_step_max);
  changes_.push_back({side, price_of(at)});
}

void MatchingEngine::rest(Side side, std::int64_t at, std::int64_t amount) {
  set_level(side, at, amounts_[static_cast<std::size_t>(at)] + amount);
}

void MatchingEngine::place_limit(Side side) {
  const std::int64_t sign = side == Side::buy ? 1 : -1;
  const std::int64_t other_best = side == Side::buy ? best_ask_ : best_bid_;
  const std::int64_t own_best = side == Side::buy ? best_bid_ : best_ask_;
  std::int64_t amount = random_.between(1, options_.amount_max);
  if (random_.below(20) == 0 && level_count(opposite(side)) >= thin) {  // crosses: takes what it can, the rest stays
    const std::int64_t limit =
        std::clamp<std::int64_t>(other_best + sign * static_cast<std::int64_t>(random_.below(3)), 0, window - 1);
    happening_.taker = side;
    amount = match(side, limit, amount);
    if (amount != 0) rest(side, limit, amount);
    return;
  }
  std::int64_t at = other_best - sign * (1 + distance());
  if (sign * (own_best - at) > reach || at < 0 || at >= window) at = own_best;
  rest(side, at, amount);
}

void MatchingEngine::cancel(Side side) {
  const std::int64_t best = side == Side::buy ? best_bid_ : best_ask_;
  const std::int64_t from = side == Side::buy ? best - distance() : best + distance();
  std::int64_t at = side == Side::buy ? previous(std::max<std::int64_t>(from, 0)) : next(from);
  if (at == none) at = best;
  const std::int64_t amount = amounts_[static_cast<std::size_t>(at)];
  set_level(side, at, random_.below(10) < 6 ? 0 : amount / 2);
}

// Takes from the other side as far as `limit`, but never the last levels of it. Returns what is left; a rest is never
// left while the other side still has something at or before the limit.
std::int64_t MatchingEngine::match(Side taker, std::int64_t limit, std::int64_t amount) {
  const Side maker = opposite(taker);
  while (amount != 0) {
    const std::int64_t at = maker == Side::sell ? best_ask_ : best_bid_;
    if (maker == Side::sell ? at > limit : at < limit) return amount;
    if (level_count(maker) <= 2) return 0;
    const std::int64_t taken = std::min(amount, amounts_[static_cast<std::size_t>(at)]);
    fill_level(at, taken);
    set_level(maker, at, amounts_[static_cast<std::size_t>(at)] - taken);
    amount -= taken;
  }
  return 0;
}

// Several resting orders may share one level: one to three trades.
void MatchingEngine::fill_level(std::int64_t at, std::int64_t amount) {
  for (std::uint64_t pieces = 1 + random_.below(3); amount != 0; --pieces) {
    const std::int64_t piece = pieces <= 1 ? amount : random_.between(1, amount);
    fills_.push_back({price_of(at), piece, ++trade_id_});
    amount -= piece;
    if (pieces <= 1) return;
  }
}

void MatchingEngine::trim(Side side) {
  if (side == Side::buy) {
    while (best_bid_ - worst_bid_ > reach) set_level(side, worst_bid_, 0);
  } else {
    while (worst_ask_ - best_ask_ > reach) set_level(side, worst_ask_, 0);
  }
}

}  // namespace marketprism::emulator
