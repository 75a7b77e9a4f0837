#include "marketprism/emulator/guessed_instruments.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "marketprism/emulator/binance/rows.hpp"
#include "marketprism/emulator/frame_format.hpp"

namespace marketprism::emulator {
namespace {

constexpr std::array<std::string_view, 9> quotes{"FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB"};

SyntheticInstrument guess(std::string_view symbol, bool is_futures) {
  SyntheticInstrument instrument;
  instrument.symbol = symbol;
  const std::string_view pair = symbol.substr(0, symbol.find('_'));
  instrument.index = instrument.base = pair;
  for (const std::string_view quote : quotes) {
    if (!pair.ends_with(quote) || pair.size() == quote.size()) continue;
    instrument.base = pair.substr(0, pair.size() - quote.size());
    instrument.quote = quote;
    break;
  }
  instrument.settle = instrument.quote;
  instrument.price_decimals = instrument.amount_decimals = 8;
  if (is_futures) {
    instrument.contract_size = "1";
    instrument.kind = pair.size() == symbol.size() || symbol.ends_with("_PERP") ? market::InstrumentKind::perpetual
                                                                                : market::InstrumentKind::future;
  }
  return instrument;
}

}  // namespace

std::optional<RestAnswer> guessed_instruments(std::string_view exchange, std::span<const std::string> streams,
                                              const RestQuery& query, Moment moment) {
  const binance::Row* const row = binance::row_of(exchange);
  if (row == nullptr || !query.path.ends_with("/exchangeInfo")) return std::nullopt;
  std::vector<SyntheticInstrument> instruments;
  for (const std::string& stream : streams) {
    std::string symbol = stream.substr(0, stream.find('@'));
    std::ranges::transform(symbol, symbol.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (std::ranges::find(instruments, symbol, &SyntheticInstrument::symbol) != instruments.end()) continue;
    instruments.push_back(guess(symbol, row->is_futures));
    if (instruments.back().kind == market::InstrumentKind::future) instruments.back().expiry = moment.utc;
  }
  if (instruments.empty()) return std::nullopt;
  const SyntheticMarket market(std::move(instruments), {});
  return make_format(exchange)->rest(query, market, moment);
}

}  // namespace marketprism::emulator
