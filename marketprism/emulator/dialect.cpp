#include "marketprism/emulator/dialect.hpp"

#include <array>

#include "marketprism/base/nearest.hpp"
#include "marketprism/emulator/binance/dialect.hpp"
#include "marketprism/emulator/binance/format.hpp"
#include "marketprism/emulator/binance/rows.hpp"
#include "marketprism/emulator/deribit/dialect.hpp"
#include "marketprism/emulator/deribit/format.hpp"
#include "marketprism/emulator/okx/dialect.hpp"
#include "marketprism/emulator/okx/format.hpp"

namespace marketprism::emulator {
namespace {

constexpr std::array<std::string_view, binance::rows.size() + 2> names = [] {
  std::array<std::string_view, binance::rows.size() + 2> result{};
  for (std::size_t i = 0; i < binance::rows.size(); ++i) result[i] = binance::rows[i].exchange;
  result[binance::rows.size()] = "okx";
  result[binance::rows.size() + 1] = "deribit";
  return result;
}();

}  // namespace

std::span<const std::string_view> emulated_exchanges() { return names; }

Result<std::unique_ptr<Dialect>> make_dialect(std::string_view exchange) {
  if (exchange == "okx") return okx::make_dialect();
  if (exchange == "deribit") return deribit::make_dialect();
  if (std::unique_ptr<Dialect> dialect = binance::make_dialect(exchange)) return dialect;
  std::string message = "no emulator for exchange \"";
  message.append(exchange).append("\"; did you mean \"").append(nearest(exchange, names)).append("\"?");
  return fail(ErrorCode::not_found, std::move(message), true);
}

std::unique_ptr<FrameFormat> make_format(std::string_view exchange) {
  if (exchange == "okx") return okx::make_format();
  if (exchange == "deribit") return deribit::make_format();
  return binance::make_format(exchange);
}

}  // namespace marketprism::emulator
