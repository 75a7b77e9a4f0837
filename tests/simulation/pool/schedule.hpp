#pragma once
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "marketprism/base/random.hpp"

namespace marketprism::simulation {

/// One step of a schedule. The meaning of `a` and `b` is the world's; both are taken modulo what is there, so that a
/// schedule still means something after steps have been taken out of it.
struct Step {
  std::uint8_t kind = 0;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};
using Schedule = std::vector<Step>;

/// Runs a schedule in the world of a seed; the violated rule, if any.
using Run = std::function<std::optional<std::string>(std::uint64_t seed, const Schedule& schedule)>;
/// Writes a step for people.
using Describe = std::function<std::string(const Step& step)>;

inline std::uint64_t setting(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

/// `weights[kind]` is the relative frequency of each kind of step.
inline Schedule make_schedule(std::uint64_t seed, std::size_t steps, const std::vector<std::uint32_t>& weights) {
  Random random(seed ^ 0x5eed'5eed'5eed'5eed);
  std::uint64_t total = 0;
  for (const auto weight : weights) total += weight;
  Schedule schedule(steps);
  for (Step& step : schedule) {
    std::uint64_t at = random.below(total);
    while (at >= weights[step.kind]) at -= weights[step.kind++];
    step.a = static_cast<std::uint32_t>(random.next());
    step.b = static_cast<std::uint32_t>(random.next());
  }
  return schedule;
}

/// Takes out steps, in ever smaller pieces, as long as the schedule still fails.
inline Schedule shrink(std::uint64_t seed, Schedule schedule, const Run& run) {
  for (std::size_t piece = schedule.size() / 2; piece > 0;) {
    bool has_shrunk = false;
    for (std::size_t at = 0; at < schedule.size();) {
      Schedule shorter(schedule.begin(), schedule.begin() + static_cast<std::ptrdiff_t>(at));
      const std::size_t end = std::min(at + piece, schedule.size());
      shorter.insert(shorter.end(), schedule.begin() + static_cast<std::ptrdiff_t>(end), schedule.end());
      if (run(seed, shorter)) {
        schedule = std::move(shorter);
        has_shrunk = true;
      } else {
        at += piece;
      }
    }
    if (!has_shrunk || piece > schedule.size()) piece /= 2;
  }
  return schedule;
}

/// Runs `count` schedules from seed `first`; the report about the first that fails: seed, rule, shortest schedule
/// found.
inline std::optional<std::string> search(std::uint64_t first, std::uint64_t count, std::size_t steps,
                                         const std::vector<std::uint32_t>& weights, const Run& run,
                                         const Describe& describe) {
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Schedule schedule = make_schedule(seed, steps, weights);
    if (!run(seed, schedule)) continue;
    const Schedule shortest = shrink(seed, schedule, run);
    std::ostringstream report;
    report << "seed " << seed << ": " << *run(seed, shortest) << "\nshortest schedule found (" << shortest.size()
           << " steps):\n";
    for (const Step& step : shortest) report << "  " << describe(step) << "\n";
    return report.str();
  }
  return std::nullopt;
}

}  // namespace marketprism::simulation
