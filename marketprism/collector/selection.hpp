#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "marketprism/market/instrument.hpp"

namespace marketprism::collector {

/// The instruments that a list of names and patterns picks, and what could not be picked.
struct Selection {
  std::vector<market::Instrument> instruments;  ///< by native symbol, each once
  std::vector<std::string> problems;  ///< one sentence for each name that picks nothing: unknown, delisted, no match
};

/// Each of `names` is a native symbol, a canonical name or a glob over both; letter case does not count. Only
/// instruments that trade are picked.
Selection select(const std::unordered_map<std::string, market::Instrument>& instruments,
                 const std::vector<std::string>& names);

}  // namespace marketprism::collector
