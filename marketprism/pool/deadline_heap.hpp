#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "marketprism/base/time.hpp"
#include "marketprism/pool/slab.hpp"

namespace marketprism::pool {

/// A binary heap of slab records by their `deadline`, the earliest on top; each record keeps its place in `heap_place`,
/// so that any can be taken out. Adding deadlines in rising order costs O(1). `S` is the slab; every call gets the same
/// one.
template <class S>
class DeadlineHeap {
 public:
  bool empty() const { return heap_.empty(); }
  std::uint32_t top() const { return heap_.front(); }

  void add(S& slab, std::uint32_t index) {
    heap_.push_back(index);
    rise(slab, static_cast<std::uint32_t>(heap_.size() - 1));
  }

  void remove(S& slab, std::uint32_t index) {
    const std::uint32_t place = slab[index].heap_place;
    const std::uint32_t last = heap_.back();
    heap_.pop_back();
    if (last == index) return;
    heap_[place] = last;
    slab[last].heap_place = place;
    rise(slab, place);
    sink(slab, slab[last].heap_place);
  }

  std::size_t bytes() const { return heap_.capacity() * sizeof(std::uint32_t); }

 private:
  void put(S& slab, std::uint32_t place, std::uint32_t index) {
    heap_[place] = index;
    slab[index].heap_place = place;
  }

  void rise(S& slab, std::uint32_t place) {
    const std::uint32_t index = heap_[place];
    while (place > 0) {
      const std::uint32_t parent = (place - 1) / 2;
      if (slab[heap_[parent]].deadline <= slab[index].deadline) break;
      put(slab, place, heap_[parent]);
      place = parent;
    }
    put(slab, place, index);
  }

  void sink(S& slab, std::uint32_t place) {
    const std::uint32_t index = heap_[place];
    for (;;) {
      std::uint32_t child = 2 * place + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && slab[heap_[child + 1]].deadline < slab[heap_[child]].deadline) ++child;
      if (slab[index].deadline <= slab[heap_[child]].deadline) break;
      put(slab, place, heap_[child]);
      place = child;
    }
    put(slab, place, index);
  }

  std::vector<std::uint32_t> heap_;
};

}  // namespace marketprism::pool
