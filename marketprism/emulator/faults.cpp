#include "marketprism/emulator/faults.hpp"

#include <algorithm>
#include <array>

namespace marketprism::emulator {

FrameFault FaultDice::next(std::uint64_t number) {
  if (plan_.abort_after_frames != 0 && number > plan_.abort_after_frames) return FrameFault::abort;
  if (plan_.stall_after_frames != 0 && number > plan_.stall_after_frames) return FrameFault::stall;
  double roll = random_.fraction();
  const std::array chances{
      std::pair(plan_.lose, FrameFault::lose),       std::pair(plan_.duplicate, FrameFault::duplicate),
      std::pair(plan_.reorder, FrameFault::reorder), std::pair(plan_.garbage, FrameFault::garbage),
      std::pair(plan_.abort, FrameFault::abort),     std::pair(plan_.half_frame, FrameFault::half_frame),
      std::pair(plan_.stall, FrameFault::stall),
  };
  for (const auto& [chance, fault] : chances) {
    if (roll < chance) return fault;
    roll -= chance;
  }
  return FrameFault::none;
}

std::string_view FaultDice::damage(std::string_view frame) {
  damaged_.assign(frame);
  if (random_.chance(0.5)) {
    damaged_.resize(random_.below(damaged_.size() + 1) / 2);
  } else {  // noise, but ASCII: WebSocket text must be UTF-8
    for (char& c : damaged_) c = static_cast<char>(random_.between(0x20, 0x7e));
    if (!damaged_.empty()) damaged_.front() = '#';
  }
  return damaged_;
}

}  // namespace marketprism::emulator
