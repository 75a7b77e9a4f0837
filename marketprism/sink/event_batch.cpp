#include "marketprism/sink/event_batch.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <variant>

namespace marketprism::sink {

void* Arena::allocate(std::size_t bytes, std::size_t alignment) {
  bytes_ += bytes;
  for (; at_ < chunks_.size(); ++at_, offset_ = 0) {
    const std::size_t begin = (offset_ + alignment - 1) & ~(alignment - 1);
    if (begin + bytes <= chunks_[at_].size) {
      offset_ = begin + bytes;
      return chunks_[at_].memory.get() + begin;
    }
  }
  const std::size_t size = std::max(bytes, chunk_bytes_);
  chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
  offset_ = bytes;
  return chunks_.back().memory.get();
}

std::string_view Arena::copy(std::string_view text) {
  if (text.data() == nullptr) return text;
  auto* const memory = static_cast<char*>(allocate(text.size(), 1));
  std::memcpy(memory, text.data(), text.size());
  return {memory, text.size()};
}

void Arena::reserve(std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += chunk_bytes_) {
    chunks_.push_back({std::make_unique<std::byte[]>(chunk_bytes_), chunk_bytes_});  // zeroed, and so touched
  }
}

std::size_t Arena::capacity_bytes() const {
  std::size_t sum = 0;
  for (const Chunk& chunk : chunks_) sum += chunk.size;
  return sum;
}

void Arena::clear() {
  std::erase_if(chunks_, [this](const Chunk& chunk) { return chunk.size > chunk_bytes_; });
  at_ = 0;
  offset_ = 0;
  bytes_ = 0;
}

std::string_view EventBatch::intern(std::string_view symbol) {
  const auto address = reinterpret_cast<std::uintptr_t>(symbol.data());
  std::string_view& known = symbols_[(address >> 4) % symbols_.size()];
  // The address is only where to look: another symbol may live there by now.
  if (known.data() == nullptr || known != symbol) known = arena_.copy(symbol);
  return known;
}

template <class T>
void EventBatch::own(T& payload) {
  const auto own_levels = [this](std::span<const market::Level>& levels) {
    if (levels.empty()) return;
    auto* const memory = static_cast<market::Level*>(arena_.allocate(levels.size_bytes(), alignof(market::Level)));
    std::uninitialized_copy(levels.begin(), levels.end(), memory);
    levels = {memory, levels.size()};
  };
  if constexpr (std::is_same_v<T, market::Trade> || std::is_same_v<T, market::Liquidation>) {
    payload.id = arena_.copy(payload.id);
  } else if constexpr (std::is_same_v<T, market::Book>) {
    own_levels(payload.bids);
    own_levels(payload.asks);
  } else if constexpr (std::is_same_v<T, market::Candle>) {
    payload.interval = arena_.copy(payload.interval);
  } else if constexpr (std::is_same_v<T, market::Gap>) {
    payload.reason = arena_.copy(payload.reason);
  } else if constexpr (std::is_same_v<T, const market::Instrument*>) {
    instruments_.push_back(std::make_unique<market::Instrument>(*payload));
    payload = instruments_.back().get();
  }
}

EventBatch::EventBatch(std::size_t bytes_max) {
  events_.resize(bytes_max / sizeof(market::Event) + 1);
  events_.clear();
  arena_.reserve(bytes_max);
}

void EventBatch::append(const market::Event& event) {
  events_.push_back(event);
  market::Event& copy = events_.back();
  copy.symbol = intern(copy.symbol);
  std::visit([this](auto& payload) { own(payload); }, copy.payload);
}

void EventBatch::clear() {
  used_places_ = std::max(used_places_, events_.size());
  events_.clear();
  arena_.clear();
  instruments_.clear();
  symbols_.fill({});
}

}  // namespace marketprism::sink
