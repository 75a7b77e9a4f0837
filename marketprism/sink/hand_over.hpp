#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace marketprism::sink {

/// Wakes the consumer of any number of HandOvers. Any thread.
class Wake {
 public:
  void notify() {
    {
      const std::lock_guard lock(mutex_);
      is_set_ = true;
    }
    condition_.notify_one();
  }

  /// Waits for a notify(), at most `time`.
  template <class Duration>
  void wait(Duration time) {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, time, [this] { return is_set_; });
    is_set_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_set_ = false;
};

/// What a producer meets when every buffer is filled.
enum class WhenFull : std::uint8_t {
  drop,  ///< the new item is refused; the caller counts it. For event loops.
  wait,  ///< the producer stands still until there is room. For offline work, never on an event loop.
};

/// How often buffers were filled, and how many of them had to be allocated for it.
struct BufferUses {
  std::uint64_t begun = 0;
  std::uint64_t made = 0;

  BufferUses& operator+=(const BufferUses& other) {
    begun += other.begun;
    made += other.made;
    return *this;
  }
};

/// Where the buffers of a HandOver come from.
template <class Buffer>
struct BufferSupply {
  /// How many are made at the start. Enough for what waits at the worst moment of an hour, and memory does not creep up
  /// with each new record of what has waited.
  std::size_t ready = 0;
  std::function<std::unique_ptr<Buffer>()> make = [] { return std::make_unique<Buffer>(); };
};

/// Passes buffers that gather many items from one producer thread to one consumer thread and back: a bounded number of
/// them, made at the start or as they are first needed, and then used again. The producer pays one lock that is nearly
/// always free and no allocation. The consumer may also take the buffer that is still being filled, so that nothing
/// waits longer than the consumer sleeps, even if the producer falls silent.
template <class Buffer>
class HandOver {
 public:
  HandOver(Wake& wake, std::size_t buffers_max, WhenFull when_full, BufferSupply<Buffer> supply = {})
      : wake_(wake), buffers_max_(buffers_max), when_full_(when_full), make_(std::move(supply.make)) {
    filled_.reserve(buffers_max);
    free_.reserve(buffers_max);
    for (; created_ < std::min(supply.ready, buffers_max); ++created_) free_.push_back(make_());
  }
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;

  /// Producer: calls `fill(buffer)`, which adds one item and returns whether the buffer is full now. false: there is no
  /// room, or the consumer is gone; nothing was added.
  template <class Fill>
  bool put(Fill&& fill) {
    std::unique_lock lock(mutex_);
    if (is_closed_ || (!open_ && !take_free(lock))) return false;
    if (fill(*open_)) {
      filled_.push_back(std::move(open_));
      lock.unlock();
      wake_.notify();
    }
    return true;
  }

  /// Producer: hands over what is being filled, though it is not full.
  void flush() {
    {
      const std::lock_guard lock(mutex_);
      if (!open_) return;
      filled_.push_back(std::move(open_));
    }
    wake_.notify();
  }

  /// Consumer: the oldest buffer with something in it, null if there is none. It is the consumer's until give_back().
  std::unique_ptr<Buffer> take() {
    const std::lock_guard lock(mutex_);
    if (filled_.empty()) return std::move(open_);
    std::unique_ptr<Buffer> oldest = std::move(filled_.front());
    filled_.erase(filled_.begin());
    return oldest;
  }

  /// Consumer: returns a buffer, emptied, to be filled again.
  void give_back(std::unique_ptr<Buffer> buffer) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(buffer));
    }
    has_room_.notify_one();
  }

  /// Consumer: takes nothing more; a waiting producer goes on, and put() refuses.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    has_room_.notify_all();
  }

  [[nodiscard]] BufferUses uses() const {
    const std::lock_guard lock(mutex_);
    return {begun_, created_};
  }

  /// Buffers with something in them.
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return filled_.size() + (open_ ? 1 : 0);
  }

 private:
  bool take_free(std::unique_lock<std::mutex>& lock) {
    if (free_.empty() && created_ < buffers_max_) {
      open_ = make_();
      ++created_;
      ++begun_;
      return true;
    }
    if (free_.empty() && when_full_ == WhenFull::wait) {
      has_room_.wait(lock, [this] { return !free_.empty() || is_closed_; });
      if (is_closed_) return false;
    }
    if (free_.empty()) return false;
    open_ = std::move(free_.back());
    free_.pop_back();
    ++begun_;
    return true;
  }

  Wake& wake_;
  const std::size_t buffers_max_;
  const WhenFull when_full_;
  const std::function<std::unique_ptr<Buffer>()> make_;
  mutable std::mutex mutex_;
  std::condition_variable has_room_;
  std::unique_ptr<Buffer> open_;                 // being filled; null or with something in it
  std::vector<std::unique_ptr<Buffer>> filled_;  // oldest first
  std::vector<std::unique_ptr<Buffer>> free_;
  std::size_t created_ = 0;
  std::uint64_t begun_ = 0;
  bool is_closed_ = false;
};

}  // namespace marketprism::sink
