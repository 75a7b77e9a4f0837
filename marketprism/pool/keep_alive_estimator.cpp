#include "marketprism/pool/keep_alive_estimator.hpp"

#include <algorithm>
#include <bit>

namespace marketprism::pool {
namespace {

constexpr std::uint32_t closes_to_learn = 3;
constexpr std::uint32_t retirements_to_raise = 32;
constexpr std::uint32_t total_to_fade = 4096;
constexpr unsigned first_power = 6;  // 64 ms

}  // namespace

std::size_t KeepAliveEstimator::step_of(Nanoseconds age) {
  const auto ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(age).count());
  const auto power = static_cast<unsigned>(std::bit_width(std::max<std::uint64_t>(ms, 1U << first_power))) - 1;
  return std::min<std::size_t>((power - first_power) * 4 + ((ms >> (power - 2)) & 3), steps - 1);
}

Nanoseconds KeepAliveEstimator::start_of(std::size_t step) {
  return std::chrono::milliseconds((4 + step % 4) << (first_power + step / 4 - 2));
}

void KeepAliveEstimator::add(Counts& counts, Nanoseconds age) {
  if (age < shortest) return;
  ++counts[step_of(age)];
  if (++total_ == total_to_fade) fade();
}

void KeepAliveEstimator::fade() {
  total_ = 0;
  for (std::size_t i = 0; i < steps; ++i) {
    alive_[i] /= 2;
    closed_[i] /= 2;
    total_ += alive_[i] + closed_[i];
  }
}

void KeepAliveEstimator::closed(Nanoseconds age, Instant now) {
  if (age < shortest) return;
  const bool is_same_event = last_close_ != Instant::min() && now - last_close_ < std::chrono::seconds(1);
  if (is_same_event) return;
  last_close_ = now;
  add(closed_, age);
  learn();
}

// A server's time-out falls into one step or, with the delay until it is seen, into two.
void KeepAliveEstimator::learn() {
  std::uint32_t beyond = 0;  // closed or seen alive after both steps
  std::size_t found = steps;
  for (std::size_t i = steps - 1; i-- > 0;) {
    const std::uint32_t closes = closed_[i] + closed_[i + 1];
    if (closes >= closes_to_learn && closes >= beyond) found = i;
    beyond += alive_[i + 1] + closed_[i + 1];
  }
  if (found == steps) return;
  const std::size_t first = closed_[found] > 0 ? found : found + 1;
  limit_ = std::max<Nanoseconds>(start_of(first) * 9 / 10, shortest);
  retired_at_limit_ = 0;
}

void KeepAliveEstimator::retired(Nanoseconds age) {
  survived(age);
  if (age >= limit_ && ++retired_at_limit_ == retirements_to_raise) raise();
}

void KeepAliveEstimator::raise() {
  retired_at_limit_ = 0;
  for (auto& count : closed_) count /= 2;
  limit_ += limit_ / 4;
  if (limit_ > start_of(steps - 1)) limit_ = Nanoseconds::max();
}

}  // namespace marketprism::pool
