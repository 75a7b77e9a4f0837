#include "marketprism/wire/read_buffer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace marketprism::wire {

namespace {
// A read below this size costs more in system calls than moving the unread bytes or growing does.
constexpr std::size_t worthwhile_read_bytes = 16 * 1024;
constexpr std::size_t quiet_prepares_max = 1024;
}  // namespace

ReadBuffer::ReadBuffer(std::size_t start_bytes, std::size_t read_bytes_max)
    : start_bytes_(std::max<std::size_t>(start_bytes, 64)), read_bytes_max_(std::max(read_bytes_max, start_bytes_)) {}

std::span<std::byte> ReadBuffer::prepare(std::size_t min_bytes) {
  min_bytes = std::max<std::size_t>(min_bytes, 1);
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ > read_bytes_max_) {
    quiet_prepares_ = unread_bytes() + min_bytes > read_bytes_max_ ? 0 : quiet_prepares_ + 1;
    if (quiet_prepares_ >= quiet_prepares_max) move_to(read_bytes_max_);
  }
  if (was_filled_ && capacity_ < read_bytes_max_) {
    move_to(std::min(capacity_ * 2, read_bytes_max_));
  } else if (begin_ != 0 && unread_bytes() <= begin_) {
    // Bounded by what was consumed since the last move, so moving costs at most one copy a byte, and hardly ever that.
    move_to(capacity_);
  }
  make_room(min_bytes);
  was_filled_ = false;
  prepared_ = capacity_ - end_;
  return {reinterpret_cast<std::byte*>(memory_.get()) + end_, prepared_};
}

void ReadBuffer::make_room(std::size_t min_bytes) {
  const std::size_t wanted = std::max(min_bytes, std::min(capacity_ / 4, worthwhile_read_bytes));
  if (capacity_ - end_ >= wanted) return;
  if (capacity_ - unread_bytes() >= wanted) return move_to(capacity_);
  move_to(std::max({start_bytes_, capacity_ * 2, unread_bytes() + wanted}));
}

void ReadBuffer::move_to(std::size_t capacity) {
  const std::size_t size = unread_bytes();
  assert(size <= capacity);
  if (capacity == capacity_) {
    std::memmove(memory_.get(), memory_.get() + begin_, size);
  } else {
    auto memory = std::make_unique_for_overwrite<char[]>(capacity);
    if (size != 0) std::memcpy(memory.get(), memory_.get() + begin_, size);
    memory_ = std::move(memory);
    capacity_ = capacity;
    quiet_prepares_ = 0;
  }
  begin_ = 0;
  end_ = size;
}

void ReadBuffer::commit(std::size_t count) {
  assert(count <= prepared_);
  end_ += count;
  was_filled_ = count == prepared_;
  prepared_ = 0;
}

void ReadBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::span<std::byte> room = prepare(bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

void ReadBuffer::release() {
  memory_.reset();
  capacity_ = begin_ = end_ = prepared_ = quiet_prepares_ = 0;
  was_filled_ = false;
}

}  // namespace marketprism::wire
