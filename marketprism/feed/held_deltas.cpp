#include "marketprism/feed/held_deltas.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace marketprism::feed {
namespace {

constexpr std::size_t kept_bytes = 64UL << 10;

}  // namespace

template <class T>
bool HeldDeltas::make_room(std::vector<T>& list, std::size_t more) {
  const std::size_t needed = list.size() + more;
  if (needed <= list.capacity()) return true;
  const std::size_t capacity = std::max({needed, list.capacity() * 2, std::size_t{16}});
  const std::size_t bytes = (capacity - list.capacity()) * sizeof(T);
  if (account_ != nullptr && !account_->reserve(bytes)) return false;
  reserved_bytes_ += bytes;
  list.reserve(capacity);
  return true;
}

bool HeldDeltas::add(const exchange::BookMessage& delta, Arrival arrival) {
  const std::size_t more = delta.bids.size() + delta.asks.size();
  if (levels_.size() + more > levels_max) return false;
  if (!make_room(levels_, more) || !make_room(deltas_, 1)) return false;
  deltas_.push_back({delta.first_sequence, delta.last_sequence, delta.previous_sequence, delta.exchange_time, arrival,
                     levels_.size(), delta.bids.size(), delta.asks.size()});
  levels_.insert(levels_.end(), delta.bids.begin(), delta.bids.end());
  levels_.insert(levels_.end(), delta.asks.begin(), delta.asks.end());
  return true;
}

void HeldDeltas::clear() {
  deltas_.clear();
  levels_.clear();
  if (reserved_bytes_ > kept_bytes) release();
}

void HeldDeltas::release() {
  deltas_ = {};
  levels_ = {};
  if (account_ != nullptr && reserved_bytes_ > 0) account_->release(reserved_bytes_);
  reserved_bytes_ = 0;
}

void HeldDeltas::swap(HeldDeltas& other) noexcept {
  deltas_.swap(other.deltas_);
  levels_.swap(other.levels_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
}

exchange::BookMessage HeldDeltas::message(std::size_t n) const {
  const Delta& delta = deltas_[n];
  const std::span<const market::Level> levels(levels_);
  exchange::BookMessage message;
  message.exchange_time = delta.exchange_time;
  message.first_sequence = delta.first;
  message.last_sequence = delta.last;
  message.previous_sequence = delta.previous;
  message.bids = levels.subspan(delta.begin, delta.bids);
  message.asks = levels.subspan(delta.begin + delta.bids, delta.asks);
  return message;
}

}  // namespace marketprism::feed
