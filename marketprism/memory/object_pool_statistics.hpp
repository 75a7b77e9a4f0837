#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "marketprism/base/time.hpp"

namespace marketprism::memory {

/// What an ObjectPool did since it was made. Every rate lies within 0…1 and is 0 while there is nothing to divide by.
struct ObjectPoolStatistics {
  std::string name;
  std::uint64_t object_bytes = 0;  ///< of one object with the pool's own record of it
  std::uint64_t capacity = 0;      ///< objects, at most
  std::uint64_t live = 0;          ///< objects that exist, in use or free
  std::uint64_t in_use = 0;        ///< given out and not seen to have come back
  std::uint64_t in_use_max = 0;
  std::uint64_t slab_bytes = 0;  ///< memory held from the heap

  std::uint64_t created = 0;    ///< objects made by the factory
  std::uint64_t destroyed = 0;  ///< by trim, or because they were not valid any more
  std::uint64_t acquired = 0;   ///< objects given out
  std::uint64_t returned = 0;   ///< objects that came back
  std::uint64_t returned_from_other_threads = 0;
  std::uint64_t reused = 0;     ///< given out not for the first time
  std::uint64_t hits = 0;       ///< given out without making one
  std::uint64_t misses = 0;     ///< had to make one first
  std::uint64_t invalid = 0;    ///< found not valid at the acquire, and made anew (a miss)
  std::uint64_t exhausted = 0;  ///< acquires that got nothing: capacity or budget
  Nanoseconds creation_time{};  ///< of all factory calls together; zero if the pool was given no clock

  [[nodiscard]] double hit_rate() const { return share(hits, acquired); }
  [[nodiscard]] double reuse_rate() const { return share(reused, acquired); }
  /// The share of the existing objects that is in use.
  [[nodiscard]] double utilization() const { return share(in_use, live); }
  [[nodiscard]] Nanoseconds mean_creation_time() const {
    return created == 0 ? Nanoseconds(0) : creation_time / static_cast<std::int64_t>(created);
  }
  /// Bytes that acquires would have asked of the heap, had there been no pool.
  [[nodiscard]] std::uint64_t bytes_not_allocated() const { return reused * object_bytes; }

 private:
  static double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

namespace detail {
/// A bug in the program that uses a pool: says which pool and what, and aborts, in every build, because going on would
/// give one object to two owners.
[[noreturn]] void object_pool_misuse(std::string_view pool, std::string_view what);
}  // namespace detail

}  // namespace marketprism::memory
