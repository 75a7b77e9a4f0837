#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace marketprism::memory {

/// Limits of one owner, in bytes. Over the soft limit is worth a warning; the hard limit is never passed by `reserve`.
struct MemoryLimits {
  std::uint64_t soft = UINT64_MAX;
  std::uint64_t hard = UINT64_MAX;
};

/// What one owner (a pool, a queue, the books of a venue) holds, as that owner tells it. Any thread; each call costs
/// one atomic operation, so owners tell slabs, chunks and batches, not single objects. Made and owned by a
/// MemoryBudget.
class MemoryAccount {
 public:
  MemoryAccount(std::string name, MemoryLimits limits) : name_(std::move(name)), limits_(limits) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  /// Takes `bytes` unless that would pass the hard limit: then nothing changes, the refusal is counted, and false.
  [[nodiscard]] bool reserve(std::uint64_t bytes);
  /// Takes `bytes` in any case, for memory that is there already.
  void add(std::uint64_t bytes);
  /// Gives `bytes` back; not more than were taken.
  void release(std::uint64_t bytes);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] MemoryLimits limits() const { return limits_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refusals() const { return refusals_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_over_soft_limit() const { return bytes() > limits_.soft; }

 private:
  friend class MemoryBudget;
  void raise_peak(std::uint64_t bytes);

  const std::string name_;
  const MemoryLimits limits_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<std::uint64_t> refusals_{0};
  MemoryAccount* next_ = nullptr;
};

/// One owner's line in a report.
struct OwnerBytes {
  std::string owner;
  std::uint64_t bytes = 0;
  std::uint64_t peak = 0;
  std::uint64_t refusals = 0;  ///< reservations refused at the hard limit
  MemoryLimits limits{};
  bool is_over_soft_limit = false;
};

/// The accounts of a process. Any thread. Outlives what holds its accounts.
class MemoryBudget {
 public:
  MemoryBudget() = default;
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// The account of that name, made if there is none; the limits hold only for one that is made. Valid as long as this.
  MemoryAccount& account(std::string_view name, MemoryLimits limits = {});

  /// All accounts, sorted by name.
  [[nodiscard]] std::vector<OwnerBytes> owners() const;
  /// Bytes of all accounts.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  [[nodiscard]] MemoryAccount* find(std::string_view name, MemoryAccount* from) const;

  std::atomic<MemoryAccount*> first_{nullptr};  // accounts are only ever added, at the front
};

}  // namespace marketprism::memory
