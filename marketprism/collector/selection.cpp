#include "marketprism/collector/selection.hpp"

#include <map>

#include <fmt/format.h>

#include "marketprism/base/nearest.hpp"

namespace marketprism::collector {

using market::Instrument;

namespace {

std::string why_nothing(const std::string& name, const Instrument* halted,
                        const std::unordered_map<std::string, Instrument>& instruments) {
  if (halted != nullptr) {
    return fmt::format("{} does not trade now (status {}): skipped", halted->symbol,
                       halted->status.empty() ? "unknown" : halted->status);
  }
  if (name.find_first_of("*?") != std::string::npos)
    return fmt::format("no instrument that trades matches \"{}\": skipped", name);
  std::vector<std::string_view> known;
  known.reserve(2 * instruments.size());
  for (const auto& [symbol, instrument] : instruments) {
    known.push_back(symbol);
    known.push_back(instrument.canonical);
  }
  const std::string_view like = nearest(name, known);
  return like.empty() ? fmt::format("unknown symbol \"{}\": skipped", name)
                      : fmt::format("unknown symbol \"{}\": skipped; did you mean \"{}\"?", name, like);
}

}  // namespace

Selection select(const std::unordered_map<std::string, Instrument>& instruments,
                 const std::vector<std::string>& names) {
  std::map<std::string_view, const Instrument*> picked;
  Selection selection;
  for (const std::string& name : names) {
    const Instrument* halted = nullptr;
    bool found = false;
    for (const auto& [symbol, instrument] : instruments) {
      if (!market::matches_glob(name, symbol) && !market::matches_glob(name, instrument.canonical)) continue;
      if (!instrument.is_trading()) {
        halted = &instrument;
        continue;
      }
      picked[symbol] = &instrument;
      found = true;
    }
    if (!found) selection.problems.push_back(why_nothing(name, halted, instruments));
  }
  for (const auto& [symbol, instrument] : picked) selection.instruments.push_back(*instrument);
  return selection;
}

}  // namespace marketprism::collector
