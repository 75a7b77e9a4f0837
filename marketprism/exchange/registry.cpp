#include "marketprism/exchange/registry.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "marketprism/base/nearest.hpp"
#include "marketprism/exchange/binance/adapter.hpp"
#include "marketprism/exchange/deribit/adapter.hpp"
#include "marketprism/exchange/okx/adapter.hpp"

namespace marketprism::exchange {
namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Adapter> (*make)();
};

constexpr std::array entries{
#define MARKETPRISM_EXCHANGE(name, make) Entry{name, make},
#include "marketprism/exchange/exchanges.def"
#undef MARKETPRISM_EXCHANGE
};

constexpr auto names = [] {
  std::array<std::string_view, entries.size()> result;
  for (std::size_t i = 0; i < entries.size(); ++i) result[i] = entries[i].name;
  return result;
}();

}  // namespace

std::string_view exchange_in_path(std::string_view path) {
  const auto known = [](std::string_view text) -> std::string_view {
    std::string name(text);
    for (char& c : name) c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto found = std::ranges::find(names, std::string_view(name));
    return found == names.end() ? std::string_view() : *found;
  };
  const std::size_t slash = path.rfind('/');
  const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
  // The longest beginning that is a venue: "binance_us.ws.1" is not binance.
  for (std::size_t end = std::min(file.find('.'), file.size()); end != std::string_view::npos && end > 0;
       end = file.rfind('_', end - 1)) {
    if (const std::string_view name = known(file.substr(0, end)); !name.empty()) return name;
  }
  if (slash == std::string_view::npos) return {};
  const std::string_view folder = path.substr(0, slash);
  return known(folder.substr(folder.rfind('/') + 1));
}

std::span<const std::string_view> exchange_names() { return names; }

Result<std::unique_ptr<Adapter>> make_adapter(std::string_view exchange) {
  for (const Entry& entry : entries) {
    if (entry.name == exchange) return entry.make();
  }
  return fail(ErrorCode::not_found,
              fmt::format("unknown exchange \"{}\"; did you mean \"{}\"? `marketprism exchanges` lists all", exchange,
                          nearest(exchange, names)),
              true);
}

}  // namespace marketprism::exchange
