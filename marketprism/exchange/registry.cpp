#include "marketprism/exchange/registry.hpp"

#include <array>

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
