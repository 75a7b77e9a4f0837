#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/binance/adapter.hpp"
#include "tests/unit/exchange/decoded_lines.hpp"

namespace marketprism::exchange::binance {
namespace {

using testing::ElementsAre;

std::vector<std::string> decode(Adapter& adapter, std::string_view frame) {
  DecodedLines lines;
  adapter.decode(frame, lines);
  return lines.lines;
}

TEST(Binance, DecodesTradesOfBothKinds) {
  const auto adapter = make_spot();
  EXPECT_THAT(
      decode(*adapter, R"({"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":12,)"
                       R"("p":"61837.63000000","q":"0.02","T":1723161255342,"m":true,"M":true}})"),
      ElementsAre("trade 12 sell 61837.63000000 0.02 BTCUSDT @1723161255342 seq=12"));
  EXPECT_THAT(
      decode(*adapter, R"({"e":"aggTrade","E":1723161255343,"s":"BTCUSDT","a":7,"p":"1.0","q":"3","f":11,"l":12,)"
                       R"("T":1723161255342,"m":false})"),
      ElementsAre("trade 7 buy 1.0 3 aggregate BTCUSDT @1723161255342 seq=7"));
}

TEST(Binance, DecodesDepthOfSpotAndFutures) {
  const auto adapter = make_spot();
  EXPECT_THAT(
      decode(*adapter, R"({"e":"depthUpdate","E":1633998512068,"s":"X","U":100,"u":102,"b":[["1.0","0"]],"a":[]})"),
      ElementsAre("delta X @1633998512068 last=102 previous=- checksum=- bids=[1.0:0] asks=[]"));
  EXPECT_THAT(
      decode(*make_usd_margined(), R"({"e":"depthUpdate","E":1626992741037,"T":1626992741024,"s":"X","U":100,"u":102,)"
                                   R"("pu":98,"b":[],"a":[["2","3"],["4","5"]]})"),
      ElementsAre("delta X @1626992741024 last=102 previous=98 checksum=- bids=[] asks=[2:3 4:5]"));
}

TEST(Binance, KeysMayComeInAnyOrder) {
  EXPECT_THAT(decode(*make_coin_margined(),
                     R"({"data":{"u":7,"e":"bookTicker","A":"669","s":"BCHUSD_PERP","ps":"BCHUSD","b":"427.84",)"
                     R"("B":"24","a":"427.90","T":1626916403864},"stream":"bchusd_perp@bookTicker"})"),
              testing::SizeIs(1));
}

TEST(Binance, AMarkPriceFrameBringsThreeThings) {
  const auto lines =
      decode(*make_usd_margined(), R"({"e":"markPriceUpdate","E":1626992741037,"s":"X","p":"61800.1","i":"61799.9",)"
                                   R"("P":"1","r":"0.0001","T":1627027200000})");
  EXPECT_EQ(lines.size(), 3U);
  EXPECT_EQ(decode(*make_usd_margined(),
                   R"({"e":"markPriceUpdate","E":1626992741037,"s":"X","p":"61800.1","P":"1","r":"","T":0})")
                .size(),
            1U);
}

TEST(Binance, BooksOfFewLevelsAreWhole) {
  EXPECT_THAT(decode(*make_usd_margined(),
                     R"({"stream":"x@depth5@100ms","data":{"e":"depthUpdate","E":1626992741037,"T":1626992741024,)"
                     R"("s":"X","U":111,"u":120,"pu":110,"b":[["103","1"]],"a":[["104","1"]]}})"),
              ElementsAre("whole X @1626992741024 last=120 previous=110 checksum=- bids=[103:1] asks=[104:1]"));
  EXPECT_THAT(
      decode(*make_spot(), R"({"stream":"xy@depth10","data":{"lastUpdateId":160,"bids":[["1","2"]],"asks":[]}})"),
      ElementsAre("whole XY @- last=160 previous=- checksum=- bids=[1:2] asks=[]"));
  EXPECT_THAT(
      decode(*make_spot(), R"({"stream":"xy@depthSnapshot","data":{"lastUpdateId":160,"bids":[["1","2"]],"asks":[]}})"),
      ElementsAre("snapshot XY @- last=160 previous=- checksum=- bids=[1:2] asks=[]"));
  EXPECT_THAT(decode(*make_usd_margined(), R"({"stream":"x@rpiDepth@500ms","data":{"e":"depthUpdate","E":1,"T":2,)"
                                           R"("s":"X","U":1,"u":2,"pu":0,"b":[],"a":[]}})"),
              ElementsAre());
}

TEST(Binance, DecodesArraysOfEvents) {
  const std::string one =
      R"({"e":"markPriceUpdate","E":1626992741037,"s":"X","p":"2","i":"3","r":"0.1","T":1627027200000})";
  const std::string two = R"({"e":"markPriceUpdate","E":1626992741037,"s":"Y_210924","p":"2","i":"3","r":"0","T":0})";
  EXPECT_EQ(decode(*make_usd_margined(), R"({"stream":"!markPrice@arr@1s","data":[)" + one + "," + two + "]}").size(),
            5U);
  EXPECT_EQ(decode(*make_usd_margined(), "[" + two + ",7," + one + "]").size(), 5U);
  DecodedLines none;
  EXPECT_EQ(make_usd_margined()->decode("[]", none).reason, "no_elements");
  EXPECT_EQ(make_usd_margined()->decode("[{\"e\":\"x\"}]", none).reason, "event_of_another_type");
  EXPECT_EQ(make_usd_margined()->decode("[" + one, none).reason, "not_whole_json");
  EXPECT_TRUE(none.empty());
}

TEST(Binance, ReadsOpenInterestAmongFrames) {
  EXPECT_THAT(
      decode(*make_usd_margined(), R"({"stream":"x@openInterest","data":{"symbol":"X","openInterest":"26286.181"}})"),
      testing::SizeIs(1));
}

TEST(Binance, WhatNobodyTradedCountsAsANumberOnly) {
  EXPECT_THAT(decode(*make_usd_margined(), R"({"e":"trade","E":2,"T":1626992741024,"s":"X","t":5,"p":"7","q":"3",)"
                                           R"("X":"INSURANCE_FUND","m":true})"),
              ElementsAre("trade 5 sell 7 0 X @1626992741024 seq=5"));
  EXPECT_THAT(
      decode(*make_usd_margined(),
             R"({"e":"trade","E":1626992741024,"T":null,"s":"X","t":5,"p":"7","q":"3","X":"MARKET","m":false})"),
      ElementsAre("trade 5 buy 7 3 X @1626992741024 seq=5"));
  EXPECT_THAT(decode(*make_usd_margined(), R"({"e":"trade","E":2,"T":3,"s":"X","t":5,"p":"7","q":"3","m":null})"),
              ElementsAre());
}

TEST(Binance, AnOddInstrumentDoesNotHideTheOthers) {
  DecodedLines lines;
  make_usd_margined()->decode_rest(
      "/fapi/v1/exchangeInfo",
      R"({"symbols":[{"symbol":"A","deliveryDate":4133404800000},{"symbol":"B","deliveryDate":null,"filters":7},)"
      R"({"symbol":""},7,{"symbol":"C","contractSize":"x"}]})",
      {}, lines);
  ASSERT_EQ(lines.instruments.size(), 3U);
  EXPECT_EQ(lines.instruments[2].symbol, "C");
}

TEST(Binance, TellsAcknowledgementsRefusalsAndShutdown) {
  const auto adapter = make_spot();
  EXPECT_THAT(decode(*adapter, R"({"result":null,"id":3})"), ElementsAre("subscribed id=3 stream= code=0 text="));
  EXPECT_THAT(decode(*adapter, R"({"error":{"code":2,"msg":"Invalid request"},"id":4})"),
              ElementsAre("refused id=4 stream= code=2 text=Invalid request"));
  EXPECT_THAT(decode(*adapter, R"({"e":"serverShutdown","E":1})"),
              ElementsAre("closing id=-1 stream= code=0 text=serverShutdown"));
}

TEST(Binance, EveryCutFrameGivesNothing) {
  const auto adapter = make_usd_margined();
  const std::string frames[] = {
      R"({"e":"depthUpdate","E":1,"T":2,"s":"X","U":100,"u":102,"pu":98,"b":[["1","2"]],"a":[["2","3"]]})",
      R"({"stream":"x@kline_1m","data":{"e":"kline","E":1,"s":"X","k":{"t":1,"T":2,"s":"X","i":"1m","o":"1","c":"1","h":"1","l":"1","v":"9","x":false}}})",
      R"({"e":"forceOrder","E":1,"o":{"s":"X","S":"SELL","p":"61000","q":"0.1","ap":"61010","T":2}})"};
  for (const std::string& frame : frames) {
    EXPECT_EQ(decode(*adapter, frame).size(), 1U) << frame;
    for (std::size_t length = 0; length < frame.size(); ++length) {
      ASSERT_TRUE(decode(*adapter, std::string_view(frame).substr(0, length)).empty()) << frame.substr(0, length);
    }
  }
}

TEST(Binance, ReadsInstrumentsOfAllVenues) {
  DecodedLines lines;
  make_coin_margined()->decode_rest(
      "/dapi/v1/exchangeInfo",
      R"({"symbols":[{"symbol":"BTCUSD_210924","pair":"BTCUSD","contractType":"CURRENT_QUARTER",)"
      R"("deliveryDate":1632470400000,"contractStatus":"TRADING","contractSize":100,"marginAsset":"BTC",)"
      R"("baseAsset":"BTC","quoteAsset":"USD","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.1"},)"
      R"({"filterType":"LOT_SIZE","stepSize":"1"}]}]})",
      "", lines);
  ASSERT_EQ(lines.instruments.size(), 1U);
  const market::Instrument& future = lines.instruments[0];
  EXPECT_EQ(future.canonical, "BTC-USD-20210924");
  EXPECT_EQ(future.settle, "BTC");
  EXPECT_EQ(future.contract_size, Decimal::of("100"));
  EXPECT_EQ(future.amount_unit, "contract");
  EXPECT_EQ(future.tick_size, Decimal::of("0.1"));
  EXPECT_TRUE(future.is_trading());
}

TEST(Binance, NamesItsStreamsAndWeights) {
  const auto spot = make_spot();
  const auto usd = make_usd_margined();
  const market::Instrument perpetual{
      .symbol = "BTCUSDT", .kind = market::InstrumentKind::perpetual, .base = "BTC", .quote = "USDT"};
  const auto name = [&](Adapter& adapter, Channel channel, const Variants& variants = {}) {
    const auto streams = adapter.streams(channel, perpetual, variants);
    return streams && !streams->empty() ? streams->front().name + "/" + std::to_string(streams->front().endpoint)
                                        : std::string("-");
  };
  EXPECT_EQ(name(*spot, Channel::book), "btcusdt@depth@100ms/0");
  EXPECT_EQ(name(*usd, Channel::book, {.book = "depth@0ms"}), "btcusdt@depth@0ms/0");
  EXPECT_EQ(name(*usd, Channel::agg_trade), "btcusdt@aggTrade/1");  // on /market since 2026-04-23
  EXPECT_EQ(name(*usd, Channel::candle, {.candle = "5m"}), "btcusdt@kline_5m/1");
  EXPECT_EQ(name(*spot, Channel::mark_price), "-");
  EXPECT_EQ(usd->poll_requests(Channel::open_interest, perpetual).at(0).target, "/fapi/v1/openInterest?symbol=BTCUSDT");
  EXPECT_EQ(spot->snapshot_request("BTCUSDT", 1000).weight, 50);
  EXPECT_EQ(spot->snapshot_request("BTCUSDT", 100).target, "/api/v3/depth?symbol=BTCUSDT&limit=100");
  EXPECT_EQ(spot->subscribe_text(std::vector<std::string>{"a@trade", "b@trade"}, 9),
            R"({"method":"SUBSCRIBE","params":["a@trade","b@trade"],"id":9})");
}

}  // namespace
}  // namespace marketprism::exchange::binance
