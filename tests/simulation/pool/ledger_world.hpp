#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

/// Two or three loops, each with its own pool and users, over one PermitLedger. The upper bits of a step's `b` say
/// which loop takes it.
class LedgerWorld {
 public:
  static std::vector<std::uint32_t> weights();
  static std::string describe(const Step& step);
  static std::optional<std::string> run(std::uint64_t seed, const Schedule& schedule);

 private:
  explicit LedgerWorld(std::uint64_t seed);
  [[nodiscard]] std::optional<std::string> check() const;
  std::optional<std::string> settle(bool must_rest);
  std::optional<std::string> come_to_rest();

  Random random_;
  pool::PermitLedger ledger_;
  std::vector<std::unique_ptr<LeaseWorld>> loops_;
};

}  // namespace marketprism::simulation
