#pragma once
#include <atomic>  // tidy-allow(sans-io): the permit ledger is shared by the pools of all loops
#include <memory>
#include <utility>

namespace marketprism::pool {

/// A `std::shared_ptr` that threads may read and replace at once. Like `std::atomic<std::shared_ptr>`, whose `load`
/// libstdc++ 12 ends by a relaxed store: what comes after it may be seen by a `store` of another thread as before.
template <class T>
class SharedSlot {
 public:
  [[nodiscard]] std::shared_ptr<T> load() const {
    const Lock lock(is_locked_);
    return value_;
  }
  void store(std::shared_ptr<T> value) {
    const Lock lock(is_locked_);
    value_.swap(value);  // the old one ends behind the lock: its destructor may do anything
  }

 private:
  // Held for the copy of a pointer.
  class Lock {
   public:
    // tidy-allow(sans-io): see above
    explicit Lock(std::atomic_flag& flag) : flag_(flag) {
      while (flag_.test_and_set(std::memory_order_acquire)) {
        while (flag_.test(std::memory_order_relaxed)) continue;
      }
    }
    ~Lock() { flag_.clear(std::memory_order_release); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    // tidy-allow(sans-io): see above
    std::atomic_flag& flag_;
  };

  // tidy-allow(sans-io): see above
  mutable std::atomic_flag is_locked_;
  std::shared_ptr<T> value_;
};

}  // namespace marketprism::pool
