#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace marketprism::async {

/// What `push` does when the queue is full.
enum class Overflow : std::uint8_t {
  block,        ///< waits for room: never from an event loop, only from a thread that may stand still
  reject,       ///< refuses the new item and counts it
  drop_oldest,  ///< forgets the item that waited longest and counts it
};

/// What became of an item.
enum class PushOutcome : std::uint8_t {
  queued,
  replaced,  ///< queued, and the oldest item was dropped for it
  full,      ///< refused
  closed,    ///< the queue was closed, the item is lost
};

struct QueueOptions {
  std::size_t capacity = 4096;
  Overflow overflow = Overflow::reject;
};

/// A bounded queue between threads, any number of producers, one consumer that takes batches. The consumer is either a
/// thread that waits (`wait_pop`) or an event loop that is woken by `on_ready`. Memory is allocated once. `T` must be
/// default-constructible and movable.
template <class T>
class Queue {
 public:
  struct Statistics {
    std::uint64_t pushed = 0;          ///< items taken in
    std::uint64_t popped = 0;          ///< items given out
    std::uint64_t rejected = 0;        ///< items refused because the queue was full
    std::uint64_t dropped = 0;         ///< oldest items forgotten to make room
    std::uint64_t refused_closed = 0;  ///< items that came after the close
    std::uint64_t blocked = 0;         ///< times that a producer had to wait
    std::size_t size_max = 0;          ///< the most that ever waited
  };

  explicit Queue(QueueOptions options = {}) : options_(options), items_(std::max<std::size_t>(options.capacity, 1)) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Called by a producer, outside the lock, when the queue was empty and is no longer, and at the close. It should
  /// wake a consumer that is an event loop, which then must pop until the queue is empty (`loop.post(…)`). Set it
  /// before the first push.
  void on_ready(std::function<void()> wake) { wake_ = std::move(wake); }

  PushOutcome push(T item) {
    std::unique_lock lock(mutex_);
    bool became_ready = false;
    const PushOutcome outcome = put(lock, item, became_ready);
    finish_push(lock, became_ready);
    return outcome;
  }

  /// Moves the items in, in order, under one lock, and returns how many are queued; `push`'s rules hold for each.
  std::size_t push_batch(std::span<T> items) {
    std::unique_lock lock(mutex_);
    bool became_ready = false;
    std::size_t queued = 0;
    for (T& item : items) {
      const PushOutcome outcome = put(lock, item, became_ready);
      queued += outcome == PushOutcome::queued || outcome == PushOutcome::replaced ? 1 : 0;
    }
    finish_push(lock, became_ready);
    return queued;
  }

  /// Moves up to `count_max` items to the end of `out`, oldest first; returns how many. Never waits.
  std::size_t pop(std::vector<T>& out, std::size_t count_max = SIZE_MAX) {
    std::unique_lock lock(mutex_);
    return take(lock, out, count_max);
  }

  /// Waits until there is an item, the queue is closed or the time is up; then like `pop`.
  template <class Duration>
  std::size_t wait_pop(std::vector<T>& out, std::size_t count_max, Duration timeout) {
    std::unique_lock lock(mutex_);
    ++waiting_consumers_;
    not_empty_.wait_for(lock, timeout, [this] { return size_ != 0 || is_closed_; });
    --waiting_consumers_;
    return take(lock, out, count_max);
  }

  /// Refuses what comes from now on, wakes consumer and waiting producers. What is queued can still be taken.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
    if (wake_) wake_();
  }

  [[nodiscard]] bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return is_closed_;
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }
  [[nodiscard]] std::size_t capacity() const { return items_.size(); }
  [[nodiscard]] Statistics statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

 private:
  PushOutcome put(std::unique_lock<std::mutex>& lock, T& item, bool& became_ready) {
    if (size_ == items_.size() && !is_closed_) {
      if (options_.overflow == Overflow::reject) {
        ++statistics_.rejected;
        return PushOutcome::full;
      }
      if (options_.overflow == Overflow::block) wait_for_room(lock);
    }
    if (is_closed_) {
      ++statistics_.refused_closed;
      return PushOutcome::closed;
    }
    became_ready |= size_ == 0;  // known here only: the consumer may have emptied it while we waited for room
    PushOutcome outcome = PushOutcome::queued;
    if (size_ == items_.size()) {
      first_ = next(first_);  // the newest takes the oldest's place below
      --size_;
      ++statistics_.dropped;
      outcome = PushOutcome::replaced;
    }
    items_[last_] = std::move(item);
    last_ = next(last_);
    ++size_;
    ++statistics_.pushed;
    statistics_.size_max = std::max(statistics_.size_max, size_);
    return outcome;
  }

  void wait_for_room(std::unique_lock<std::mutex>& lock) {
    ++statistics_.blocked;
    // The consumer may not know yet of what this very batch brought: without it nobody would make room.
    not_empty_.notify_one();
    if (wake_) {
      lock.unlock();
      wake_();
      lock.lock();
    }
    ++waiting_producers_;
    not_full_.wait(lock, [this] { return size_ != items_.size() || is_closed_; });
    --waiting_producers_;
  }

  void finish_push(std::unique_lock<std::mutex>& lock, bool became_ready) {
    const bool is_ready = became_ready && size_ != 0;
    const bool has_waiter = waiting_consumers_ != 0 && size_ != 0;
    lock.unlock();
    if (has_waiter) not_empty_.notify_one();
    if (is_ready && wake_) wake_();
  }

  std::size_t take(std::unique_lock<std::mutex>& lock, std::vector<T>& out, std::size_t count_max) {
    const std::size_t count = std::min(count_max, size_);
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back(std::move(items_[first_]));
      first_ = next(first_);
    }
    size_ -= count;
    statistics_.popped += count;
    const bool has_waiter = count != 0 && waiting_producers_ != 0;
    lock.unlock();
    if (has_waiter) not_full_.notify_all();
    return count;
  }

  [[nodiscard]] std::size_t next(std::size_t index) const { return index + 1 == items_.size() ? 0 : index + 1; }

  const QueueOptions options_;
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::vector<T> items_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::size_t size_ = 0;
  std::size_t waiting_consumers_ = 0;
  std::size_t waiting_producers_ = 0;
  bool is_closed_ = false;
  Statistics statistics_;
};

}  // namespace marketprism::async
