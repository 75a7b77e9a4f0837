#include "marketprism/collector/selection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::collector {
namespace {

using market::Instrument;
using market::InstrumentKind;
using testing::ElementsAre;
using testing::HasSubstr;

class SelectionTest : public testing::Test {
 protected:
  SelectionTest() {
    add("BTCUSDT", "BTC", "USDT", "trading");
    add("ETHUSDT", "ETH", "USDT", "trading");
    add("ETHBTC", "ETH", "BTC", "trading");
    add("LUNAUSDT", "LUNA", "USDT", "break");
  }
  void add(const char* symbol, const char* base, const char* quote, const char* status) {
    Instrument instrument{.symbol = symbol, .base = base, .quote = quote, .status = status};
    instrument.canonical = canonical_name(instrument);
    instruments[symbol] = instrument;
  }
  std::vector<std::string> symbols(const std::vector<std::string>& names) {
    selection = select(instruments, names);
    std::vector<std::string> result;
    for (const Instrument& instrument : selection.instruments) result.push_back(instrument.symbol);
    return result;
  }
  std::unordered_map<std::string, Instrument> instruments;
  Selection selection;
};

TEST_F(SelectionTest, TakesNativeCanonicalAndGlob) {
  EXPECT_THAT(symbols({"btcusdt"}), ElementsAre("BTCUSDT"));
  EXPECT_THAT(symbols({"ETH-USDT", "BTC-USDT"}), ElementsAre("BTCUSDT", "ETHUSDT"));
  EXPECT_THAT(symbols({"ETH*", "*-USDT"}), ElementsAre("BTCUSDT", "ETHBTC", "ETHUSDT"));  // each once, halted ones not
  EXPECT_TRUE(selection.problems.empty());
}

TEST_F(SelectionTest, NamesWhatItSkipsAndTakesTheRest) {
  EXPECT_THAT(symbols({"BTCUSD", "LUNAUSDT", "XRP*", "ETHBTC"}), ElementsAre("ETHBTC"));
  EXPECT_THAT(selection.problems,
              ElementsAre(HasSubstr("unknown symbol \"BTCUSD\": skipped; did you mean \"BTCUSDT\"?"),
                          HasSubstr("LUNAUSDT does not trade now (status break)"),
                          HasSubstr("no instrument that trades matches \"XRP*\"")));
}

TEST_F(SelectionTest, SurvivesAnEmptyList) {
  instruments.clear();
  EXPECT_TRUE(symbols({"BTCUSDT"}).empty());
  EXPECT_THAT(selection.problems, ElementsAre("unknown symbol \"BTCUSDT\": skipped"));
}

}  // namespace
}  // namespace marketprism::collector
