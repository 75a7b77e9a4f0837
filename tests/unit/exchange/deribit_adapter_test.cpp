#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/exchange/deribit/adapter.hpp"
#include "tests/unit/exchange/decoded_lines.hpp"

namespace marketprism::exchange::deribit {
namespace {

using market::Instrument;
using market::InstrumentKind;
using testing::HasSubstr;

class DeribitAdapter : public testing::Test {
 protected:
  std::string stream(Channel channel, InstrumentKind kind, const Variants& variants = {}) {
    Instrument instrument;
    instrument.symbol = "X";
    instrument.kind = kind;
    const auto streams = adapter->streams(channel, instrument, variants);
    if (!streams) return streams.error().message;
    return streams->size() == 1 && streams->front().symbol == "X" ? streams->front().name : "not one stream";
  }

  std::unique_ptr<Adapter> adapter = make();
};

TEST_F(DeribitAdapter, StreamsOfEachChannel) {
  constexpr InstrumentKind perpetual = InstrumentKind::perpetual;
  EXPECT_EQ(stream(Channel::trade, perpetual), "trades.X.100ms");
  EXPECT_EQ(stream(Channel::trade, perpetual, {.trade = "raw"}), "trades.X.raw");
  EXPECT_EQ(stream(Channel::liquidation, perpetual), "trades.X.100ms");
  EXPECT_EQ(stream(Channel::book, perpetual), "book.X.100ms");
  EXPECT_EQ(stream(Channel::book, perpetual, {.book = "agg2"}), "book.X.agg2");
  EXPECT_EQ(stream(Channel::book, perpetual, {.book = "none.20.100ms"}), "book.X.none.20.100ms");
  EXPECT_EQ(stream(Channel::bbo, perpetual), "quote.X");
  EXPECT_EQ(stream(Channel::bbo, perpetual, {.bbo = "ticker"}), "ticker.X.100ms");
  EXPECT_EQ(stream(Channel::bbo, perpetual, {.bbo = "ticker.raw"}), "ticker.X.raw");
  EXPECT_EQ(stream(Channel::candle, perpetual), "chart.trades.X.1");
  EXPECT_EQ(stream(Channel::candle, perpetual, {.candle = "1d"}), "chart.trades.X.1D");
  for (const Channel channel :
       {Channel::funding_rate, Channel::open_interest, Channel::mark_price, Channel::index_price}) {
    EXPECT_EQ(stream(channel, perpetual), "ticker.X.100ms");
  }
  EXPECT_EQ(stream(Channel::mark_price, perpetual, {.mark_price = "agg2"}), "ticker.X.agg2");
}

TEST_F(DeribitAdapter, WhatTheVenueDoesNotOffer) {
  EXPECT_EQ(stream(Channel::funding_rate, InstrumentKind::option), "deribit has no channel funding_rate for X");
  EXPECT_EQ(stream(Channel::open_interest, InstrumentKind::spot), "deribit has no channel open_interest for X");
  EXPECT_EQ(stream(Channel::agg_trade, InstrumentKind::perpetual), "deribit has no channel agg_trade for X");
  EXPECT_THAT(stream(Channel::book, InstrumentKind::future, {.book = "50ms"}), HasSubstr("no variant \"50ms\""));
  EXPECT_THAT(stream(Channel::bbo, InstrumentKind::future, {.bbo = "ticker."}), HasSubstr("ticker.X.100ms"));
  EXPECT_THAT(stream(Channel::candle, InstrumentKind::future, {.candle = "4h"}), HasSubstr("no variant \"4h\""));
}

TEST_F(DeribitAdapter, Requests) {
  const std::array<std::string, 2> names{"book.BTC-PERPETUAL.100ms", "quote.BTC-PERPETUAL"};
  EXPECT_EQ(adapter->subscribe_text(names, 7),
            R"({"jsonrpc":"2.0","id":7,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.100ms",)"
            R"("quote.BTC-PERPETUAL"]}})");
  EXPECT_THAT(adapter->unsubscribe_text(names, 7), HasSubstr(R"("id":1000000007,"method":"public/unsubscribe")"));
  EXPECT_THAT(adapter->greeting(),
              testing::ElementsAre(
                  R"({"jsonrpc":"2.0","id":2000000001,"method":"public/set_heartbeat","params":{"interval":10}})"));
}

TEST_F(DeribitAdapter, Instruments) {
  DecodedLines handler;
  const Decoded decoded = adapter->decode_rest(
      "https://www.deribit.com/api/v2/public/get_instruments?currency=any",
      R"({"jsonrpc":"2.0","result":[)"
      R"({"tick_size":0.5,"settlement_period":"perpetual","quote_currency":"USD","min_trade_amount":10,"kind":"future",)"
      R"("is_active":true,"instrument_name":"BTC-PERPETUAL","expiration_timestamp":32503708800000,"contract_size":10.0,)"
      R"("base_currency":"BTC","tick_size_steps":[]},)"
      R"({"tick_size":0.01,"settlement_period":"perpetual","settlement_currency":"USDC","quote_currency":"USDC",)"
      R"("min_trade_amount":0.001,"kind":"future","is_active":true,"instrument_name":"BTC_USDC-PERPETUAL",)"
      R"("future_type":"linear","counter_currency":"USDC","contract_size":0.001,"base_currency":"BTC","state":"halted"},)"
      R"({"tick_size":0.0005,"strike":40000.0,"settlement_period":"month","quote_currency":"BTC","option_type":"put",)"
      R"("min_trade_amount":0.1,"kind":"option","is_active":true,"instrument_name":"BTC-24SEP21-40000-P",)"
      R"("expiration_timestamp":1632470400000,"contract_size":1.0,"base_currency":"BTC"},)"
      R"({"kind":"spot","instrument_name":"ETH_BTC","base_currency":"ETH","quote_currency":"BTC","tick_size":0.00001,)"
      R"("min_trade_amount":0.001,"contract_size":0.001,"is_active":false},)"
      R"({"kind":"option_combo","instrument_name":"BTC-CS-24SEP21-40000_50000","base_currency":"BTC","quote_currency":"BTC"}],)"
      R"("usIn":1,"usOut":2,"usDiff":1,"testnet":false})",
      {}, handler);
  EXPECT_EQ(decoded.kind, Decoded::Kind::data);
  ASSERT_EQ(handler.instruments.size(), 4U);  // combinations are left out
  const Instrument& inverse = handler.instruments[0];
  EXPECT_EQ(inverse.canonical, "BTC-USD-PERP");
  EXPECT_EQ(inverse.settle, "BTC");
  EXPECT_EQ(inverse.amount_unit, "quote");
  EXPECT_EQ(inverse.contract_size, Decimal::of("10"));
  EXPECT_EQ(inverse.expiry, no_time);
  EXPECT_TRUE(inverse.is_trading());
  const Instrument& linear = handler.instruments[1];
  EXPECT_EQ(linear.canonical, "BTC-USDC-PERP");
  EXPECT_EQ(linear.settle, "USDC");
  EXPECT_EQ(linear.amount_unit, "base");
  EXPECT_EQ(linear.status, "halted");
  const Instrument& put = handler.instruments[2];
  EXPECT_EQ(put.canonical, "BTC-USD-20210924-40000-P");
  EXPECT_EQ(put.settle, "BTC");
  EXPECT_EQ(put.amount_unit, "base");
  EXPECT_EQ(put.option_type, "put");
  EXPECT_EQ(put.lot_size, Decimal::of("0.1"));
  const Instrument& spot = handler.instruments[3];
  EXPECT_EQ(spot.canonical, "ETH-BTC");
  EXPECT_EQ(spot.contract_size, Decimal::of("1"));
  EXPECT_EQ(spot.status, "inactive");
}

TEST_F(DeribitAdapter, CutInstrumentListsSayNothing) {
  const std::string body =
      R"({"result":[{"kind":"spot","instrument_name":"ETH_BTC","base_currency":"ETH","quote_currency":"BTC"}]})";
  for (std::size_t size = 0; size < body.size(); ++size) {
    DecodedLines handler;
    adapter->decode_rest("/api/v2/public/get_instruments", std::string_view(body).substr(0, size), {}, handler);
    EXPECT_TRUE(handler.empty()) << size;
  }
}

TEST_F(DeribitAdapter, ErrorsOfTheRestApi) {
  DecodedLines handler;
  adapter->decode_rest("/api/v2/public/get_instruments", R"({"error":{"code":-32602,"message":"Invalid params"}})", {},
                       handler);
  EXPECT_THAT(handler.lines, testing::ElementsAre("refused id=-1 stream= code=-32602 text=Invalid params"));
  const Error limited = adapter->rest_error(400, R"({"error":{"code":10028,"message":"too_many_requests"}})");
  EXPECT_EQ(limited.code, ErrorCode::rate_limited);
  EXPECT_EQ(limited.message, "deribit answered 400 with code 10028: too_many_requests");
  EXPECT_EQ(adapter->rest_error(503, "").code, ErrorCode::rejected);
}

}  // namespace
}  // namespace marketprism::exchange::deribit
