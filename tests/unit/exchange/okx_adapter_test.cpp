#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/exchange/okx/adapter.hpp"
#include "tests/unit/exchange/decoded_lines.hpp"

namespace marketprism::exchange::okx {
namespace {

using market::Instrument;
using market::InstrumentKind;
using testing::HasSubstr;

Instrument instrument(std::string symbol, InstrumentKind kind, std::string base, std::string quote) {
  Instrument result;
  result.symbol = std::move(symbol);
  result.kind = kind;
  result.base = std::move(base);
  result.quote = std::move(quote);
  return result;
}

class OkxAdapter : public testing::Test {
 protected:
  std::string stream(Channel channel, const Instrument& of, const Variants& variants = {}) {
    const auto streams = adapter->streams(channel, of, variants);
    if (!streams) return streams.error().message;
    if (streams->size() != 1) return "not one stream";
    const Stream& s = streams->front();
    return fmt::format("{} of {} on {}", s.name, s.symbol, adapter->facts().websockets[s.endpoint].name);
  }

  std::unique_ptr<Adapter> adapter = make();
  Instrument spot = instrument("BTC-USDT", InstrumentKind::spot, "BTC", "USDT");
  Instrument swap = instrument("BTC-USD-SWAP", InstrumentKind::perpetual, "BTC", "USD");
  Instrument option = instrument("BTC-USD-220514-22000-C", InstrumentKind::option, "BTC", "USD");
};

TEST_F(OkxAdapter, StreamsOfEachChannel) {
  EXPECT_EQ(stream(Channel::trade, spot), "trades:BTC-USDT of BTC-USDT on public");
  EXPECT_EQ(stream(Channel::trade, spot, {.trade = "trades-all"}), "trades-all:BTC-USDT of BTC-USDT on business");
  EXPECT_EQ(stream(Channel::book, spot), "books:BTC-USDT of BTC-USDT on public");
  EXPECT_EQ(stream(Channel::book, spot, {.book = "books5"}), "books5:BTC-USDT of BTC-USDT on public");
  EXPECT_EQ(stream(Channel::bbo, spot), "bbo-tbt:BTC-USDT of BTC-USDT on public");
  EXPECT_EQ(stream(Channel::bbo, spot, {.bbo = "tickers"}), "tickers:BTC-USDT of BTC-USDT on public");
  EXPECT_EQ(stream(Channel::candle, spot), "candle1m:BTC-USDT of BTC-USDT on business");
  EXPECT_EQ(stream(Channel::candle, spot, {.candle = "1h"}), "candle1H:BTC-USDT of BTC-USDT on business");
  EXPECT_EQ(stream(Channel::candle, spot, {.candle = "1d"}), "candle1Dutc:BTC-USDT of BTC-USDT on business");
  EXPECT_EQ(stream(Channel::candle, spot, {.candle = "1D"}), "candle1D:BTC-USDT of BTC-USDT on business");
  EXPECT_EQ(stream(Channel::funding_rate, swap), "funding-rate:BTC-USD-SWAP of BTC-USD-SWAP on public");
  EXPECT_EQ(stream(Channel::open_interest, option),
            "open-interest:BTC-USD-220514-22000-C of BTC-USD-220514-22000-C on public");
  EXPECT_EQ(stream(Channel::mark_price, swap), "mark-price:BTC-USD-SWAP of BTC-USD-SWAP on public");
  EXPECT_EQ(stream(Channel::index_price, swap), "index-tickers:BTC-USD of BTC-USD on public");
  EXPECT_EQ(stream(Channel::liquidation, swap), "liquidation-orders:SWAP of BTC-USD-SWAP on public");
}

TEST_F(OkxAdapter, WhatTheVenueDoesNotOffer) {
  EXPECT_EQ(stream(Channel::funding_rate, option), "okx has no channel funding_rate for BTC-USD-220514-22000-C");
  EXPECT_EQ(stream(Channel::mark_price, spot), "okx has no channel mark_price for BTC-USDT");
  EXPECT_EQ(stream(Channel::liquidation, spot), "okx has no channel liquidation for BTC-USDT");
  EXPECT_THAT(stream(Channel::agg_trade, spot), HasSubstr("okx has no channel agg_trade"));
  EXPECT_THAT(stream(Channel::book, spot, {.book = "book"}), HasSubstr("no variant \"book\" of channel book; it has"));
  EXPECT_THAT(stream(Channel::candle, spot, {.candle = "7m"}), HasSubstr("no variant \"7m\" of channel candle"));
}

TEST_F(OkxAdapter, Requests) {
  const std::array<std::string, 2> names{"books:BTC-USDT", "liquidation-orders:SWAP"};
  EXPECT_EQ(adapter->subscribe_text(names, 7),
            R"({"id":"7","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},)"
            R"({"channel":"liquidation-orders","instType":"SWAP"}]})");
  EXPECT_THAT(adapter->unsubscribe_text(names, 8), HasSubstr(R"({"id":"8","op":"unsubscribe",)"));
  EXPECT_THAT(adapter->subscribe_text(std::array<std::string, 1>{"a\"b"}, 9), HasSubstr(R"("channel":"a\"b")"));
}

TEST_F(OkxAdapter, ChecksumInterleavesTheSidesAsReceived) {
  market::OrderBook book;
  const std::array bids{market::Level{Decimal::of("3366.1"), Decimal::of("7")},
                        market::Level{Decimal::of("3366.00"), Decimal::of("6.50")}};
  const std::array asks{market::Level{Decimal::of("3366.8"), Decimal::of("9")}};
  ASSERT_TRUE(book.assign(bids, asks));
  // CRC-32 of "3366.1:7:3366.8:9:3366.00:6.50", reckoned with another program
  EXPECT_TRUE(adapter->checksum_fits(book, -869155945));
  EXPECT_FALSE(adapter->checksum_fits(book, -869155945 + 1));
}

TEST_F(OkxAdapter, ChecksumCoversTwentyFiveLevels) {
  market::OrderBook book;
  std::vector<market::Level> bids, asks;
  for (int i = 0; i < 30; ++i) {
    bids.push_back({Decimal(1000 - i, 0), Decimal(i + 1, 0)});
    asks.push_back({Decimal(1001 + i, 0), Decimal(i + 1, 0)});
  }
  ASSERT_TRUE(book.assign(bids, asks));
  EXPECT_TRUE(adapter->checksum_fits(book, -2032775920));
  asks[24].amount = Decimal(99, 0);
  ASSERT_TRUE(book.assign(bids, asks));
  EXPECT_FALSE(adapter->checksum_fits(book, -2032775920));
  asks[24].amount = Decimal(25, 0);
  asks[25].amount = Decimal(99, 0);  // deeper than the checksum looks
  ASSERT_TRUE(book.assign(bids, asks));
  EXPECT_TRUE(adapter->checksum_fits(book, -2032775920));
}

TEST_F(OkxAdapter, Instruments) {
  DecodedLines handler;
  const Decoded decoded = adapter->decode_rest(
      "https://www.okx.com/api/v5/public/instruments?instType=SWAP",
      R"({"code":"0","msg":"","data":[)"
      R"({"instType":"SPOT","instId":"BTC-USDT","uly":"","instFamily":"","baseCcy":"BTC","quoteCcy":"USDT","settleCcy":"",)"
      R"("ctVal":"","ctMult":"","optType":"","stk":"","expTime":"","tickSz":"0.1","lotSz":"0.00000001","state":"live",)"
      R"("tradeQuoteCcyList":["USDT"]},)"
      R"({"instType":"SWAP","instId":"BTC-USD_UM-SWAP","uly":"BTC-USD","instFamily":"BTC-USD_UM","settleCcy":"USD",)"
      R"("ctVal":"0.01","ctMult":"1","tickSz":"0.1","lotSz":"0.01","state":"suspend"},)"
      R"({"instType":"FUTURES","instId":"BTC-USD-220527","uly":"BTC-USD","settleCcy":"BTC","ctVal":"100","ctMult":"1",)"
      R"("expTime":"1653638400000","tickSz":"0.1","lotSz":"1","state":"live"},)"
      R"({"instType":"OPTION","instId":"BTC-USD-220514-22000-P","uly":"BTC-USD","settleCcy":"BTC","ctVal":"1",)"
      R"("ctMult":"0.1","optType":"P","stk":"22000","expTime":"1652515200000","tickSz":"0.0005","lotSz":"1","state":"live"},)"
      R"({"instType":"EVENTS","instId":"SOMETHING","state":"live"}]})",
      {}, handler);
  EXPECT_EQ(decoded.kind, Decoded::Kind::data);
  ASSERT_EQ(handler.instruments.size(), 4U);
  const Instrument& s = handler.instruments[0];
  EXPECT_EQ(s.canonical, "BTC-USDT");
  EXPECT_EQ(s.amount_unit, "base");
  EXPECT_EQ(s.contract_size, Decimal::of("1"));
  EXPECT_EQ(s.settle, "USDT");
  EXPECT_EQ(s.lot_size.to_string(), "0.00000001");
  EXPECT_TRUE(s.is_trading());
  const Instrument& dollar_margined = handler.instruments[1];
  EXPECT_EQ(dollar_margined.canonical, "BTC-USD_UM-PERP");  // another contract than BTC-USD-SWAP
  EXPECT_EQ(dollar_margined.quote, "USD");
  EXPECT_EQ(dollar_margined.status, "suspend");
  EXPECT_EQ(dollar_margined.contract_size, Decimal::of("0.01"));
  const Instrument& future = handler.instruments[2];
  EXPECT_EQ(future.canonical, "BTC-USD-20220527");
  EXPECT_EQ(future.amount_unit, "contract");
  EXPECT_EQ(future.contract_size, Decimal::of("100"));
  EXPECT_EQ(future.expiry, unix_time_ms(1653638400000));
  const Instrument& put = handler.instruments[3];
  EXPECT_EQ(put.canonical, "BTC-USD-20220514-22000-P");
  EXPECT_EQ(put.contract_size, Decimal::of("0.1"));
  EXPECT_EQ(put.option_type, "put");
}

TEST_F(OkxAdapter, CutInstrumentListsSayNothing) {
  const std::string body = R"({"code":"0","data":[{"instType":"SPOT","instId":"A-B","baseCcy":"A","quoteCcy":"B"}]})";
  for (std::size_t size = 0; size < body.size(); ++size) {
    DecodedLines handler;
    adapter->decode_rest("/api/v5/public/instruments?instType=SPOT", std::string_view(body).substr(0, size), {},
                         handler);
    EXPECT_TRUE(handler.empty()) << size;
  }
}

TEST_F(OkxAdapter, ErrorsOfTheRestApi) {
  DecodedLines handler;
  adapter->decode_rest("/api/v5/public/instruments?instType=X",
                       R"({"code":"51000","msg":"Parameter instType error","data":[]})", {}, handler);
  EXPECT_THAT(handler.lines, testing::ElementsAre("refused id=-1 stream= code=51000 text=Parameter instType error"));
  const Error limited = adapter->rest_error(429, R"({"code":"50011","msg":"Too Many Requests"})");
  EXPECT_EQ(limited.code, ErrorCode::rate_limited);
  EXPECT_EQ(limited.message, "okx answered 429 with code 50011: Too Many Requests");
  EXPECT_EQ(adapter->rest_error(502, "<html>").message, "okx answered 502: <html>");
}

TEST_F(OkxAdapter, AsksForEachKindOfInstrument) {
  std::vector<std::string> targets;
  for (const RestRequest& request : adapter->instrument_requests()) targets.push_back(request.target);
  EXPECT_THAT(targets, testing::ElementsAre("/api/v5/public/instruments?instType=SPOT",
                                            "/api/v5/public/instruments?instType=SWAP",
                                            "/api/v5/public/instruments?instType=FUTURES",
                                            "/api/v5/public/instruments?instType=OPTION&uly=BTC-USD",
                                            "/api/v5/public/instruments?instType=OPTION&uly=ETH-USD"));
}

}  // namespace
}  // namespace marketprism::exchange::okx
