#include "marketprism/async/timer_wheel.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace marketprism::async {

void Timer::disarm() {
  if (wheel_ == nullptr) return;
  TimerWheel::unlink(*this);
  --wheel_->size_;
  wheel_ = nullptr;
}

TimerWheel::TimerWheel(Instant now, Nanoseconds tick) : origin_(now), tick_(tick) { assert(tick.count() > 0); }

TimerWheel::~TimerWheel() {
  for (auto& level : slots_) {
    for (Timer*& head : level) {
      while (head != nullptr) head->disarm();
    }
  }
}

std::uint64_t TimerWheel::tick_at_or_after(Instant deadline) const {
  if (deadline <= origin_) return 0;
  // Not (x + tick - 1) / tick: a deadline of Instant::max() must not overflow.
  const std::int64_t distance = (deadline - origin_).count();
  return static_cast<std::uint64_t>(distance / tick_.count() + (distance % tick_.count() != 0 ? 1 : 0));
}

void TimerWheel::arm(Timer& timer, Instant deadline) {
  timer.deadline_ = deadline;
  if (timer.wheel_ == this) {
    if (tick_at_or_after(deadline) >= timer.slot_tick_) return;  // later: its slot comes first and sends it on
    unlink(timer);
  } else {
    assert(timer.wheel_ == nullptr);
    timer.wheel_ = this;
    ++size_;
  }
  place(timer);
}

void TimerWheel::place(Timer& timer) {
  const std::uint64_t due = std::max(tick_at_or_after(timer.deadline_), current_tick_ + 1);
  std::size_t level = 0;
  // A timer hangs at the lowest level at which its slot is still ahead within one turn of that level's hand.
  while (level + 1 < level_count &&
         (due >> (slot_bits * level)) - (current_tick_ >> (slot_bits * level)) >= slot_count) {
    ++level;
  }
  const unsigned shift = slot_bits * static_cast<unsigned>(level);
  const std::uint64_t farthest = (current_tick_ >> shift) + slot_count - 1;
  const std::uint64_t position = std::min(due >> shift, farthest);
  timer.slot_tick_ = position << shift;
  link(slots_[level][position % slot_count], timer);
}

void TimerWheel::link(Timer*& head, Timer& timer) {
  timer.next_ = head;
  timer.link_ = &head;
  if (head != nullptr) head->link_ = &timer.next_;
  head = &timer;
}

void TimerWheel::unlink(Timer& timer) {
  *timer.link_ = timer.next_;
  if (timer.next_ != nullptr) timer.next_->link_ = timer.link_;
  timer.next_ = nullptr;
  timer.link_ = nullptr;
}

// Brings the timers of the higher levels whose slot begins at the current tick down to where they belong.
void TimerWheel::cascade() {
  for (std::size_t level = 1; level < level_count; ++level) {
    const unsigned shift = slot_bits * static_cast<unsigned>(level);
    if ((current_tick_ & ((std::uint64_t{1} << shift) - 1)) != 0) return;
    Timer* pending = std::exchange(slots_[level][(current_tick_ >> shift) % slot_count], nullptr);
    if (pending != nullptr) pending->link_ = &pending;
    while (pending != nullptr) {
      Timer& timer = *pending;
      unlink(timer);
      // A deadline exactly at this tick belongs into the slot that is fired next, which place() takes for passed.
      if (tick_at_or_after(timer.deadline_) <= current_tick_) {
        timer.slot_tick_ = current_tick_;
        link(slots_[0][current_tick_ % slot_count], timer);
      } else {
        place(timer);
      }
    }
  }
}

std::size_t TimerWheel::fire(Timer*& head, Instant now) {
  // The slot is taken off first: callbacks arm timers, and those must not join the slot being emptied.
  Timer* due = std::exchange(head, nullptr);
  if (due != nullptr) due->link_ = &due;
  std::size_t fired = 0;
  while (due != nullptr) {
    Timer& timer = *due;
    unlink(timer);
    if (timer.deadline_ > now) {
      place(timer);
      continue;
    }
    timer.wheel_ = nullptr;
    --size_;
    ++fired;
    timer.callback_(timer.context_);
  }
  return fired;
}

std::size_t TimerWheel::advance(Instant now) {
  if (now < origin_) return 0;
  const auto target = static_cast<std::uint64_t>((now - origin_).count() / tick_.count());
  std::size_t fired = 0;
  while (current_tick_ < target) {
    if (size_ == 0) {
      current_tick_ = target;
      break;
    }
    ++current_tick_;
    cascade();
    fired += fire(slots_[0][current_tick_ % slot_count], now);
  }
  return fired;
}

}  // namespace marketprism::async
