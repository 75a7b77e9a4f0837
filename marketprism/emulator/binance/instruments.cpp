#include "marketprism/emulator/binance/instruments.hpp"

#include "marketprism/emulator/append.hpp"

namespace marketprism::emulator::binance {
namespace {

std::int64_t milliseconds(UnixTime time) { return ns_since_epoch(time) / 1'000'000; }

// "filters": the steps of prices and amounts.
void append_filters(std::string& out, const Row& row, const SyntheticInstrument& instrument) {
  append(out, R"("filters":[{"filterType":"PRICE_FILTER","minPrice":")");
  append_padded(out, instrument.tick_units, instrument.price_decimals, row.decimals_shown);
  append(out, R"(","maxPrice":"1000000","tickSize":")");
  append_padded(out, instrument.tick_units, instrument.price_decimals, row.decimals_shown);
  append(out, R"("},{"filterType":"LOT_SIZE","minQty":")");
  append_padded(out, instrument.lot_units, instrument.amount_decimals, row.decimals_shown);
  append(out, R"(","maxQty":"9000000","stepSize":")");
  append_padded(out, instrument.lot_units, instrument.amount_decimals, row.decimals_shown);
  append(out, "\"}]");
}

void append_contract(std::string& out, const Row& row, const SyntheticInstrument& instrument) {
  constexpr std::int64_t never = 4'133'404'800'000;  // 2100-12-25, what perpetuals have
  append(out, R"("pair":")", instrument.base, instrument.quote, R"(","contractType":")",
         instrument.is_perpetual() ? "PERPETUAL" : "CURRENT_QUARTER", R"(","deliveryDate":)",
         instrument.is_perpetual() ? never : milliseconds(instrument.expiry), R"(,"onboardDate":1569398400000,)");
  if (row.is_coin_margined) {
    append(out, R"("contractStatus":"TRADING","contractSize":)", instrument.contract_size, ",");
  } else {
    append(out, R"("status":"TRADING",)");
  }
  append(out, R"("marginAsset":")", instrument.settle, R"(","underlyingType":"COIN",)");
}

}  // namespace

std::string exchange_info(const Row& row, const SyntheticMarket& market, Moment moment) {
  std::string out;
  append(out, R"({"timezone":"UTC","serverTime":)", milliseconds(moment.utc),
         R"(,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":)",
         row.limits.weight_max, R"(}],"exchangeFilters":[],"symbols":[)");
  for (std::size_t i = 0; i < market.size(); ++i) {
    const SyntheticInstrument& instrument = market.at(i).instrument;
    append(out, i == 0 ? "" : ",", R"({"symbol":")", instrument.symbol, "\",");
    if (row.is_futures) {
      append_contract(out, row, instrument);
    } else {
      append(out, R"("status":"TRADING","isSpotTradingAllowed":true,)");
    }
    append(out, R"("baseAsset":")", instrument.base, R"(","quoteAsset":")", instrument.quote,
           R"(","baseAssetPrecision":8,"quotePrecision":8,"orderTypes":["LIMIT","MARKET"],)");
    append_filters(out, row, instrument);
    out += '}';
  }
  append(out, "]}");
  return out;
}

}  // namespace marketprism::emulator::binance
