#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace marketprism::wire {

/// One contiguous piece of memory between a socket and a parser: the socket reads into `prepare()`, the parser takes
/// from the front. Bytes are moved only when that is cheaper than what was consumed since, or when there is no room
/// left; memory grows by doubling, with what really arrives, never with what a peer announces. Owned by one connection,
/// no lock.
class ReadBuffer {
 public:
  /// `start_bytes`: what is allocated at the first `prepare`. `read_bytes_max`: how far reads that fill the whole
  /// buffer make it grow; beyond that only `prepare(min_bytes)` does, and such memory is given back after a while
  /// without need.
  explicit ReadBuffer(std::size_t start_bytes = 16 * 1024, std::size_t read_bytes_max = 256 * 1024);

  /// Free room of at least `min_bytes` (and at least 1). Invalidates all views of unread bytes.
  [[nodiscard]] std::span<std::byte> prepare(std::size_t min_bytes = 1);
  /// The first `count` bytes of the last `prepare()` are filled now.
  void commit(std::size_t count);
  /// Copies bytes in, e.g. those that were read together with a handshake.
  void append(std::string_view bytes);

  [[nodiscard]] std::string_view unread() const { return {memory_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] char* unread_data() { return memory_.get() + begin_; }
  [[nodiscard]] std::size_t unread_bytes() const { return end_ - begin_; }
  void consume(std::size_t count) { begin_ += count; }
  /// Forgets what is unread and gives the memory back.
  void release();

  [[nodiscard]] std::size_t capacity_bytes() const { return capacity_; }

 private:
  void move_to(std::size_t capacity);
  void make_room(std::size_t min_bytes);

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t prepared_ = 0;
  std::size_t start_bytes_;
  std::size_t read_bytes_max_;
  std::size_t quiet_prepares_ = 0;
  bool was_filled_ = false;
};

}  // namespace marketprism::wire
