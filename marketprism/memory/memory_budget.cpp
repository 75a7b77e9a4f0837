#include "marketprism/memory/memory_budget.hpp"

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

namespace marketprism::memory {

void MemoryAccount::raise_peak(std::uint64_t bytes) {
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (bytes > peak && !peak_.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
  }
}

bool MemoryAccount::reserve(std::uint64_t bytes) {
  std::uint64_t held = bytes_.load(std::memory_order_relaxed);
  do {
    if (bytes > limits_.hard || held > limits_.hard - bytes) {
      refusals_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
  } while (!bytes_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  raise_peak(held + bytes);
  return true;
}

void MemoryAccount::add(std::uint64_t bytes) { raise_peak(bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes); }

void MemoryAccount::release(std::uint64_t bytes) {
  [[maybe_unused]] const std::uint64_t held = bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  assert(held >= bytes && "more given back than taken");
}

MemoryBudget::~MemoryBudget() {
  for (MemoryAccount* account = first_.load(); account != nullptr;) delete std::exchange(account, account->next_);
}

MemoryAccount* MemoryBudget::find(std::string_view name, MemoryAccount* from) const {
  while (from != nullptr && from->name_ != name) from = from->next_;
  return from;
}

MemoryAccount& MemoryBudget::account(std::string_view name, MemoryLimits limits) {
  MemoryAccount* first = first_.load(std::memory_order_acquire);
  if (MemoryAccount* known = find(name, first)) return *known;
  auto made = std::make_unique<MemoryAccount>(std::string(name), limits);
  do {
    if (MemoryAccount* known = find(name, first)) return *known;  // another thread was faster
    made->next_ = first;
  } while (!first_.compare_exchange_weak(first, made.get(), std::memory_order_acq_rel, std::memory_order_acquire));
  return *made.release();
}

std::vector<OwnerBytes> MemoryBudget::owners() const {
  std::vector<OwnerBytes> owners;
  for (const auto* a = first_.load(std::memory_order_acquire); a != nullptr; a = a->next_) {
    owners.push_back({a->name_, a->bytes(), a->peak(), a->refusals(), a->limits_, a->is_over_soft_limit()});
  }
  std::ranges::sort(owners, {}, &OwnerBytes::owner);
  return owners;
}

std::uint64_t MemoryBudget::bytes() const {
  std::uint64_t sum = 0;
  for (const auto* a = first_.load(std::memory_order_acquire); a != nullptr; a = a->next_) sum += a->bytes();
  return sum;
}

}  // namespace marketprism::memory
