#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "marketprism/base/random.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::emulator {

/// What goes wrong at a venue, besides what its rules prescribe. All off by default. Chances are per frame of market
/// data and client.
struct FaultPlan {
  std::uint64_t seed = 1;

  double lose = 0;                       ///< the frame is not sent
  double duplicate = 0;                  ///< sent twice
  double reorder = 0;                    ///< sent after the next one
  double garbage = 0;                    ///< a cut copy or noise is sent instead, never readable JSON
  double abort = 0;                      ///< the connection is cut before it
  double half_frame = 0;                 ///< the connection is cut in the middle of it
  double stall = 0;                      ///< from here on the client gets nothing, the connection stays open
  std::uint64_t abort_after_frames = 0;  ///< cut each connection after so many; 0: never
  std::uint64_t stall_after_frames = 0;  ///< stall each connection after so many; 0: never

  int refuse_upgrades = 0;       ///< so many of the next upgrades are answered with 503
  Nanoseconds upgrade_delay{0};  ///< before the answer to each upgrade
  Nanoseconds rest_delay{0};     ///< before the answer to each REST request
  int rest_rejections = 0;       ///< so many of the next REST requests are answered with the venue's 429
  int rest_failures = 0;         ///< so many of the next REST requests are answered with 500

  [[nodiscard]] bool touches_frames() const {
    return lose > 0 || duplicate > 0 || reorder > 0 || garbage > 0 || abort > 0 || half_frame > 0 || stall > 0 ||
           abort_after_frames != 0 || stall_after_frames != 0;
  }
};

enum class FrameFault : std::uint8_t { none, lose, duplicate, reorder, garbage, abort, half_frame, stall };

/// Rolls the dice for frames. Owned by a venue.
class FaultDice {
 public:
  explicit FaultDice(const FaultPlan& plan) : plan_(plan), random_(plan.seed) {}

  /// What happens to a client's frame number `number` (counted from 1).
  FrameFault next(std::uint64_t number);
  /// A damaged copy of `frame`: valid until the next call.
  std::string_view damage(std::string_view frame);

 private:
  FaultPlan plan_;
  Random random_;
  std::string damaged_;
};

}  // namespace marketprism::emulator
