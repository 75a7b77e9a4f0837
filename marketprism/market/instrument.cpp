#include "marketprism/market/instrument.hpp"

#include <array>
#include <cctype>

namespace marketprism::market {

std::string_view name_of(InstrumentKind kind) {
  constexpr std::array<std::string_view, 4> names{"spot", "perpetual", "future", "option"};
  return names[static_cast<std::size_t>(kind)];
}

std::string canonical_name(const Instrument& instrument) {
  std::string name = instrument.base + "-" + instrument.quote;
  if (instrument.kind == InstrumentKind::perpetual) return name + "-PERP";
  if (instrument.kind == InstrumentKind::spot) return name;
  if (instrument.expiry != no_time) {
    name += "-";
    for (const char c : date_text(instrument.expiry)) {
      if (c != '-') name += c;
    }
  }
  if (instrument.kind == InstrumentKind::option) {
    name += "-";
    instrument.strike.append_plain_to(name);
    name += instrument.option_type == "put" ? "-P" : "-C";
  }
  return name;
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace marketprism::market
