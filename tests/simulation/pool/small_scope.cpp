#include "tests/simulation/pool/small_scope.hpp"

#include <sstream>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {
namespace {

constexpr std::size_t users = 3;

class Search {
 public:
  explicit Search(std::size_t steps) : steps_(steps) {}

  SmallScope run() {
    descend(0);
    return std::move(found_);
  }

 private:
  // Runs what has been chosen so far anew (a pool cannot be copied), then tries everything that can come next.
  void descend(std::size_t acquired) {
    if (found_.violation) return;
    LeaseWorld world(LeaseWorld::small_config(), 1);
    for (const Step& step : chosen_) world.take(step);
    std::vector<Step> next;
    if (chosen_.size() < steps_) next = choices(world, acquired);
    if (next.empty()) return finish(world);
    if (world.violation()) return report(world);
    for (const Step& step : next) {
      chosen_.push_back(step);
      descend(acquired + (step.kind == LeaseWorld::acquire ? 1 : 0));
      chosen_.pop_back();
    }
  }

  static std::vector<Step> choices(const LeaseWorld& world, std::size_t acquired) {
    std::vector<Step> next;
    const auto each = [&next](std::uint8_t kind, std::size_t count) {
      for (std::uint32_t i = 0; i < count; ++i) next.push_back({kind, i, 0});
    };
    if (acquired < users) next.push_back({LeaseWorld::acquire, 499, 0});
    if (acquired == users && world.waiting() + world.leases_open() == 0) return {};  // nobody wants anything more
    each(LeaseWorld::cancel, world.waiting());
    each(LeaseWorld::dial_ends, world.dials_open());
    each(LeaseWorld::dial_fails, world.dials_open());
    each(LeaseWorld::release, world.leases_open());
    each(LeaseWorld::release_broken, world.leases_open());
    each(LeaseWorld::close_ends, world.closes_open());
    each(LeaseWorld::dies, world.leases_open() > 0 ? 1 : 0);
    if (world.waiting() > 0) next.push_back({LeaseWorld::time_passes, 500, 0});
    return next;
  }

  void finish(LeaseWorld& world) {
    ++found_.schedules;
    for (int i = 0; i < 100 && world.settle_once(i); ++i) {
    }
    world.end();
    if (world.violation()) report(world);
  }

  void report(const LeaseWorld& world) {
    std::ostringstream text;
    text << *world.violation() << "\nafter these steps of the small scope:\n";
    for (const Step& step : chosen_) text << "  " << LeaseWorld::describe(step) << "\n";
    found_.violation = text.str();
  }

  std::size_t steps_;
  Schedule chosen_;
  SmallScope found_;
};

}  // namespace

SmallScope search_small_scope(std::size_t steps) { return Search(steps).run(); }

}  // namespace marketprism::simulation
