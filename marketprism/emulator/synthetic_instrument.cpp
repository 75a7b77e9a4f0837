#include "marketprism/emulator/synthetic_instrument.hpp"

#include <array>
#include <chrono>

#include <fmt/format.h>

namespace marketprism::emulator {
namespace {

using market::InstrumentKind;

struct Coin {
  std::string_view name;
  int price_decimals;
  std::int64_t price_units;  // the centre, × 10^-price_decimals
  int amount_decimals;
  std::int64_t amount_max_lots;
};

constexpr std::array coins{
    Coin{"BTC", 2, 61'800'00, 5, 60'000}, Coin{"ETH", 2, 2'680'00, 4, 60'000}, Coin{"SOL", 2, 148'00, 3, 200'000},
    Coin{"XRP", 4, 2'4000, 1, 80'000},    Coin{"BNB", 2, 590'00, 3, 20'000},   Coin{"DOGE", 5, 16'500, 0, 90'000},
    Coin{"ADA", 4, 8'600, 1, 60'000},     Coin{"LINK", 3, 17'300, 2, 40'000},
};

// Second last Friday of a quarter's last month that is at least 30 days away, 08:00 UTC.
UnixTime expiry_after(UnixTime today) {
  using namespace std::chrono;
  const sys_days from = floor<days>(today) + days(30);
  year_month month(year_month_day(from).year(), year_month_day(from).month());
  while (true) {
    const sys_days friday = sys_days(month / Friday[last]);
    if (static_cast<unsigned>(month.month()) % 3 == 0 && friday >= from) return friday + hours(8);
    month += months(1);
  }
}

std::string yymmdd(UnixTime time) {
  const std::string date = date_text(time);
  return date.substr(2, 2) + date.substr(5, 2) + date.substr(8, 2);
}

// "26MAR27", a day below ten has one digit.
std::string deribit_date(UnixTime time) {
  constexpr std::array months{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return fmt::format("{}{}{:02}", static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()) % 100);
}

SyntheticInstrument coin_against(const Coin& coin, std::string_view quote) {
  SyntheticInstrument instrument;
  instrument.base = coin.name;
  instrument.quote = instrument.settle = quote;
  instrument.price_decimals = coin.price_decimals;
  instrument.center_ticks = coin.price_units;
  instrument.amount_decimals = coin.amount_decimals;
  instrument.amount_max_lots = coin.amount_max_lots;
  return instrument;
}

SyntheticInstrument contract(const Coin& coin, std::string_view quote, InstrumentKind kind, std::string_view size) {
  SyntheticInstrument instrument = coin_against(coin, quote);
  instrument.kind = kind;
  instrument.contract_size = size;
  return instrument;
}

void make_inverse(SyntheticInstrument& instrument, int amount_decimals, std::int64_t amount_max_lots) {
  instrument.is_inverse = true;
  instrument.settle = instrument.base;
  instrument.amount_decimals = amount_decimals;
  instrument.amount_max_lots = amount_max_lots;
}

void coarsen_tick(SyntheticInstrument& instrument, std::int64_t tick_units) {
  instrument.tick_units = tick_units;
  instrument.center_ticks /= tick_units;
}

using List = std::vector<SyntheticInstrument>;

List binance_spot(std::string_view quote) {
  List list;
  for (const Coin& coin : coins) {
    SyntheticInstrument& instrument = list.emplace_back(coin_against(coin, quote));
    instrument.symbol = instrument.base + instrument.quote;
  }
  return list;
}

List binance_usd_margined(UnixTime expiry) {
  List list;
  for (const Coin& coin : coins) {
    SyntheticInstrument& instrument = list.emplace_back(contract(coin, "USDT", InstrumentKind::perpetual, "1"));
    instrument.symbol = instrument.index = instrument.base + instrument.quote;
    if (coin.name == "BTC") coarsen_tick(instrument, 10);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    SyntheticInstrument& instrument = list.emplace_back(list[i]);
    instrument.kind = InstrumentKind::future;
    instrument.expiry = expiry;
    instrument.symbol += "_" + yymmdd(expiry);
  }
  return list;
}

List binance_coin_margined(UnixTime expiry) {
  List list;
  for (const Coin& coin : coins) {
    SyntheticInstrument instrument =
        contract(coin, "USD", InstrumentKind::perpetual, coin.name == "BTC" ? "100" : "10");
    make_inverse(instrument, 0, 3'000);
    instrument.index = instrument.base + instrument.quote;
    instrument.symbol = instrument.index + "_PERP";
    if (coin.name == "BTC") coarsen_tick(instrument, 10);
    list.push_back(instrument);
    if (coin.name != "BTC" && coin.name != "ETH") continue;
    instrument.kind = InstrumentKind::future;
    instrument.expiry = expiry;
    instrument.symbol = instrument.index + "_" + yymmdd(expiry);
    list.push_back(instrument);
  }
  return list;
}

void add_option(List& list, SyntheticInstrument option, std::string symbol, std::string_view type) {
  option.symbol = std::move(symbol);
  option.kind = InstrumentKind::option;
  option.option_type = type;
  option.price_decimals = 4;
  option.tick_units = 5;
  option.center_ticks = 120;
  list.push_back(std::move(option));
}

List okx(UnixTime expiry) {
  List list;
  for (const Coin& coin : coins) {
    SyntheticInstrument& spot = list.emplace_back(coin_against(coin, "USDT"));
    spot.symbol = spot.index = spot.base + "-USDT";
    if (coin.name == "BTC") coarsen_tick(spot, 10);
    SyntheticInstrument& swap =
        list.emplace_back(contract(coin, "USDT", InstrumentKind::perpetual, coin.name == "BTC" ? "0.01" : "0.1"));
    swap.index = swap.base + "-USDT";
    swap.symbol = swap.index + "-SWAP";
    swap.amount_decimals = 2;
    swap.amount_max_lots = 30'000;
    if (coin.name == "BTC") coarsen_tick(swap, 10);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const Coin& coin = coins[i];
    SyntheticInstrument inverse = contract(coin, "USD", InstrumentKind::perpetual, coin.name == "BTC" ? "100" : "10");
    make_inverse(inverse, 0, 3'000);
    inverse.index = inverse.base + "-USD";
    inverse.symbol = inverse.index + "-SWAP";
    if (coin.name == "BTC") coarsen_tick(inverse, 10);
    list.push_back(inverse);
    inverse.kind = InstrumentKind::future;
    inverse.expiry = expiry;
    inverse.symbol = inverse.index + "-" + yymmdd(expiry);
    list.push_back(inverse);
    inverse.contract_size = coin.name == "BTC" ? "0.01" : "0.1";
    inverse.is_inverse = false;
    inverse.strike = coin.name == "BTC" ? "60000" : "2600";
    const std::string stem = inverse.symbol + "-" + inverse.strike;
    add_option(list, inverse, stem + "-C", "call");
    add_option(list, inverse, stem + "-P", "put");
  }
  return list;
}

List deribit(UnixTime expiry) {
  List list;
  for (std::size_t i = 0; i < 2; ++i) {
    const Coin& coin = coins[i];
    SyntheticInstrument perpetual = contract(coin, "USD", InstrumentKind::perpetual, i == 0 ? "10" : "1");
    make_inverse(perpetual, 0, i == 0 ? 20'000 : 100'000);
    perpetual.index = i == 0 ? "btc_usd" : "eth_usd";
    perpetual.symbol = perpetual.base + "-PERPETUAL";
    perpetual.lot_units = i == 0 ? 10 : 1;
    coarsen_tick(perpetual, i == 0 ? 50 : 5);
    list.push_back(perpetual);
    perpetual.kind = InstrumentKind::future;
    perpetual.expiry = expiry;
    perpetual.symbol = perpetual.base + "-" + deribit_date(expiry);
    list.push_back(perpetual);
    SyntheticInstrument option = perpetual;
    option.contract_size = "1";
    option.is_inverse = false;
    option.quote = option.base;
    option.amount_decimals = 1;
    option.lot_units = 1;
    option.amount_max_lots = 500;
    option.strike = i == 0 ? "60000" : "2600";
    const std::string stem = option.symbol + "-" + option.strike;
    add_option(list, option, stem + "-C", "call");
    add_option(list, option, stem + "-P", "put");
  }
  return list;
}

// More of the first instrument under made-up names, to try hundreds of streams.
void add_extra(List& list, std::size_t extra) {
  if (list.empty()) return;
  const SyntheticInstrument model = list.front();
  for (std::size_t i = 1; i <= extra; ++i) {
    SyntheticInstrument& instrument = list.emplace_back(model);
    const std::string name = fmt::format("S{:04}", i);
    instrument.symbol.replace(instrument.symbol.find(model.base), model.base.size(), name);
    if (instrument.settle == model.base) instrument.settle = name;
    instrument.base = name;
    instrument.price_decimals = 4;
    instrument.tick_units = 1;
    instrument.center_ticks = 20'000 + static_cast<std::int64_t>(i) * 10;
  }
}

}  // namespace

std::vector<SyntheticInstrument> synthetic_instruments(std::string_view exchange, UnixTime today, std::size_t extra) {
  const UnixTime expiry = expiry_after(today);
  List list;
  if (exchange == "binance") list = binance_spot("USDT");
  if (exchange == "binance-us") list = binance_spot("USDT");
  if (exchange == "binance-futures") list = binance_usd_margined(expiry);
  if (exchange == "binance-delivery") list = binance_coin_margined(expiry);
  if (exchange == "okx") list = okx(expiry);
  if (exchange == "deribit") list = deribit(expiry);
  add_extra(list, extra);
  return list;
}

}  // namespace marketprism::emulator
