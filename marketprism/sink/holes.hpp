#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::sink {

/// What was dropped for want of room: which symbol and channel, and since when; told by `gap` events before what comes
/// after it. At most 4,096; beyond that a hole is only counted by whoever drops. One thread.
class Holes {
 public:
  void note(const market::Event& event) {
    const auto* const gap = std::get_if<market::Gap>(&event.payload);
    const market::EventType channel = gap != nullptr ? gap->channel : event.type();
    if (holes_.contains(std::tuple(event.exchange, event.symbol, channel)) || holes_.size() >= holes_max) return;
    holes_.emplace(std::tuple(event.exchange, std::string(event.symbol), channel), event.receive_time);
  }

  [[nodiscard]] bool empty() const { return holes_.empty(); }

  /// Calls `put(gap)` for each until that returns false, and forgets those that were taken. False: some are left.
  template <class Put>
  bool tell(std::string_view reason, Put&& put) {
    while (!holes_.empty()) {
      const auto& [hole, since] = *holes_.begin();
      const auto& [exchange, symbol, channel] = hole;
      market::Event gap;
      gap.exchange = exchange;
      gap.symbol = symbol;
      gap.receive_time = since;
      gap.payload = market::Gap{.channel = channel, .reason = reason};
      if (!put(gap)) return false;
      holes_.erase(holes_.begin());
    }
    return true;
  }

 private:
  static constexpr std::size_t holes_max = 4096;
  std::map<std::tuple<std::string_view, std::string, market::EventType>, UnixTime, std::less<>> holes_;
};

}  // namespace marketprism::sink
