#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "marketprism/base/time.hpp"

namespace marketprism::async {

struct OperationStatistics {
  std::string name;
  std::uint64_t count = 0;
  Nanoseconds total{};
  Nanoseconds min{};  ///< zero while there is none
  Nanoseconds max{};
  Nanoseconds recent_mean{};  ///< of the last 64

  [[nodiscard]] Nanoseconds mean() const {
    return count == 0 ? Nanoseconds(0) : total / static_cast<std::int64_t>(count);
  }
};

/// How long one kind of operation takes. Plain numbers, no allocation; one thread.
class OperationTimer {
 public:
  explicit OperationTimer(std::string name) : name_(std::move(name)) {}

  void add(Nanoseconds took) {
    Nanoseconds& place = recent_[count_ % recent_.size()];
    recent_total_ += took - place;
    place = took;
    min_ = count_ == 0 ? took : std::min(min_, took);
    max_ = std::max(max_, took);
    total_ += took;
    ++count_;
  }

  /// Times a scope, by two clock reads.
  class Scope {
   public:
    explicit Scope(OperationTimer& timer) : timer_(timer), start_(std::chrono::steady_clock::now()) {}
    ~Scope() { timer_.add(std::chrono::steady_clock::now() - start_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    OperationTimer& timer_;
    std::chrono::steady_clock::time_point start_;
  };

  [[nodiscard]] OperationStatistics statistics() const {
    const auto recent = static_cast<std::int64_t>(std::min<std::uint64_t>(count_, recent_.size()));
    return {name_, count_, total_, min_, max_, recent == 0 ? Nanoseconds(0) : recent_total_ / recent};
  }

 private:
  std::string name_;
  std::uint64_t count_ = 0;
  Nanoseconds total_{}, min_{}, max_{}, recent_total_{};
  std::array<Nanoseconds, 64> recent_{};
};

}  // namespace marketprism::async
