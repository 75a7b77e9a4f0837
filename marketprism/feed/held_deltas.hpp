#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "marketprism/exchange/adapter.hpp"
#include "marketprism/memory/memory_budget.hpp"

namespace marketprism::feed {

/// Where and when a message came in.
struct Arrival {
  UnixTime receive_time = no_time;
  std::uint32_t connection = 0;
};

/// Deltas of one book that wait for a snapshot, in order. Bounded by a number of levels, and by the hard limit of the
/// account that is told of their memory. Owned by a BookSync.
class HeldDeltas {
 public:
  static constexpr std::size_t levels_max = 1U << 20;

  explicit HeldDeltas(memory::MemoryAccount* account = nullptr) : account_(account) {}
  ~HeldDeltas() { release(); }
  HeldDeltas(const HeldDeltas&) = delete;
  HeldDeltas& operator=(const HeldDeltas&) = delete;

  /// False, and nothing changed, if a limit would be passed.
  [[nodiscard]] bool add(const exchange::BookMessage& delta, Arrival arrival);
  /// Keeps room for a few, so that the next resync does not allocate.
  void clear();
  void swap(HeldDeltas& other) noexcept;

  [[nodiscard]] bool empty() const { return deltas_.empty(); }
  [[nodiscard]] std::size_t size() const { return deltas_.size(); }
  /// The delta at `n` < size(); valid until this changes.
  [[nodiscard]] exchange::BookMessage message(std::size_t n) const;
  [[nodiscard]] Arrival arrival(std::size_t n) const { return deltas_[n].arrival; }

 private:
  struct Delta {
    std::int64_t first, last, previous;
    UnixTime exchange_time;
    Arrival arrival;
    std::size_t begin, bids, asks;  // into levels_: where, how many bids, how many asks after them
  };

  template <class T>
  bool make_room(std::vector<T>& list, std::size_t more);
  void release();

  std::vector<Delta> deltas_;
  std::vector<market::Level> levels_;
  memory::MemoryAccount* account_;
  std::size_t reserved_bytes_ = 0;
};

}  // namespace marketprism::feed
