#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "marketprism/market/event.hpp"

namespace marketprism::sink {

/// Memory that is handed out piece by piece and taken back all at once; it is kept for the next round. Pieces never
/// move.
class Arena {
 public:
  explicit Arena(std::size_t chunk_bytes = 64UL << 10) : chunk_bytes_(chunk_bytes) {}

  /// `alignment` is a power of two, 16 at most.
  void* allocate(std::size_t bytes, std::size_t alignment);
  std::string_view copy(std::string_view text);

  /// Takes memory for so many bytes now, and touches it, instead of as it is needed. For an arena that was not used
  /// yet.
  void reserve(std::size_t bytes);

  /// Everything handed out is void. Chunks of the usual size are kept.
  void clear();

  /// Handed out since the last clear().
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Taken, used or not.
  [[nodiscard]] std::size_t capacity_bytes() const;

 private:
  struct Chunk {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;
  };

  std::size_t chunk_bytes_;
  std::vector<Chunk> chunks_;
  std::size_t at_ = 0;      // the chunk in use
  std::size_t offset_ = 0;  // what of it is used
  std::size_t bytes_ = 0;
};

/// Events that own what they point to, in the order in which they came: what an event loop hands to a sink's thread.
/// Appending copies texts and levels and allocates nothing once warm. Belongs to one thread at a time.
class EventBatch {
 public:
  EventBatch() = default;

  /// With memory, taken and touched, for events up to this size. Large books may leave gaps in it, and so need more;
  /// instruments allocate always.
  explicit EventBatch(std::size_t bytes_max);

  void append(const market::Event& event);

  /// Their views are valid until clear().
  [[nodiscard]] const std::vector<market::Event>& events() const { return events_; }
  [[nodiscard]] bool empty() const { return events_.empty(); }

  /// Places for events that earlier rounds have used: appending to them allocated nothing.
  [[nodiscard]] std::size_t used_places() const { return used_places_; }

  /// Memory in use by the events.
  [[nodiscard]] std::size_t bytes() const { return events_.size() * sizeof(market::Event) + arena_.bytes(); }

  /// Memory taken for events, used or not.
  [[nodiscard]] std::size_t capacity_bytes() const {
    return events_.capacity() * sizeof(market::Event) + arena_.capacity_bytes();
  }

  void clear();

 private:
  std::string_view intern(std::string_view symbol);
  template <class T>
  void own(T& payload);

  std::vector<market::Event> events_;
  std::size_t used_places_ = 0;
  Arena arena_;
  std::vector<std::unique_ptr<market::Instrument>> instruments_;
  std::array<std::string_view, 64> symbols_{};  // the copies made last, by the address they were made from
};

}  // namespace marketprism::sink
