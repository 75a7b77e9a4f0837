#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/pool/lease_world.hpp"
#include "tests/simulation/pool/slot_world.hpp"

namespace marketprism::simulation {

/// Some loops, each with its own pool and users, over one PermitLedger: two or three pools of leases, or one or two of
/// leases and as many of slots. A step's kind says which of these it is for, those of LeaseWorld first; the upper bits
/// of its `b` say which loop takes it.
class LedgerWorld {
 public:
  static std::vector<std::uint32_t> weights();
  static std::vector<std::uint32_t> weights_with_slots();
  static std::string describe(const Step& step);
  static std::optional<std::string> run(std::uint64_t seed, const Schedule& schedule);
  static std::optional<std::string> run_with_slots(std::uint64_t seed, const Schedule& schedule);

 private:
  LedgerWorld(std::uint64_t seed, bool has_slots);
  std::optional<std::string> follow(const Schedule& schedule, bool must_rest);
  void take(const Step& step);
  [[nodiscard]] bool is_anybody_waiting() const;
  bool settle_once(int round);
  [[nodiscard]] std::optional<std::string> check() const;
  std::optional<std::string> settle(bool must_rest);
  std::optional<std::string> come_to_rest();

  Random random_;
  pool::PermitLedger ledger_;
  std::vector<std::unique_ptr<LeaseWorld>> loops_;
  std::vector<std::unique_ptr<SlotWorld>> slot_loops_;
};

}  // namespace marketprism::simulation
