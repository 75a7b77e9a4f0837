#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/exchange/okx/adapter.hpp"
#include "tests/unit/exchange/decoded_lines.hpp"

namespace marketprism::exchange::okx {
namespace {

using testing::ElementsAre;

constexpr std::string_view trade =
    R"({"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",)"
    R"("px":"42219.90","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"1"}]})";
constexpr std::string_view snapshot =
    R"({"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"],)"
    R"(["8477","7","0","2"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":0,"prevSeqId":-1,)"
    R"("seqId":123456}]})";
constexpr std::string_view liquidations =
    R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"0.007831",)"
    R"("ccy":"","posSide":"short","side":"buy","sz":"13","ts":"1692266434010"},{"bkLoss":"0","bkPx":"0.0078",)"
    R"("ccy":"","posSide":"long","side":"sell","sz":"2","ts":"1692266434011"}],"instFamily":"IOST-USDT",)"
    R"("instId":"IOST-USDT-SWAP","instType":"SWAP","uly":"IOST-USDT"},{"details":[{"bkPx":"1","side":"sell","sz":"3",)"
    R"("ts":"1692266434012"}],"instId":"X-USDT-SWAP"}]})";

class OkxDecode : public testing::Test {
 protected:
  std::vector<std::string> lines(std::string_view frame) { return lines_of(*adapter, frame); }
  std::string_view reason(std::string_view frame) {
    const Decoded decoded = refusal_of(*adapter, frame);
    return decoded.kind == Decoded::Kind::data ? "handed something over" : decoded.reason;
  }

  std::unique_ptr<Adapter> adapter = make();
};

TEST_F(OkxDecode, Trade) {
  EXPECT_THAT(lines(trade), ElementsAre("trade 130639474 buy 42219.90 0.12060306 BTC-USDT @1630048897897 seq=-"));
}

TEST_F(OkxDecode, TradeOfSeveralFillsIsAnAggregate) {
  EXPECT_THAT(lines(replaced(std::string(trade), R"("count":"1")", R"("count":"3")")),
              ElementsAre("trade 130639474 buy 42219.90 0.12060306 aggregate BTC-USDT @1630048897897 seq=-"));
  EXPECT_THAT(lines(replaced(std::string(trade), R"(,"count":"1")", "")),
              ElementsAre("trade 130639474 buy 42219.90 0.12060306 BTC-USDT @1630048897897 seq=-"));
}

TEST_F(OkxDecode, DataBeforeItsChannelIsTheSame) {
  EXPECT_THAT(lines(R"({"data":[{"ts":"1630048897897","side":"sell","sz":"1","px":"2","tradeId":"5","instId":"A-B"}],)"
                    R"("arg":{"instId":"A-B","channel":"trades-all"}})"),
              ElementsAre("trade 5 sell 2 1 A-B @1630048897897 seq=-"));
  EXPECT_THAT(lines(R"({"data":[{"seqId":7,"prevSeqId":6,"ts":"1597026383085","bids":[],"asks":[["9","0","0","0"]]}],)"
                    R"("action":"update","arg":{"channel":"books","instId":"A-B"}})"),
              ElementsAre("delta A-B @1597026383085 last=7 previous=6 checksum=- bids=[] asks=[9:0]"));
}

TEST_F(OkxDecode, BookWithNumbers) {
  EXPECT_THAT(lines(snapshot),
              ElementsAre("snapshot BTC-USDT @1597026383085 last=123456 previous=- checksum=- bids=[8476.97:256] "
                          "asks=[8476.98:415 8477:7]"));
}

TEST_F(OkxDecode, ChecksumCountsOnlyWithoutNumbers) {
  const std::string numbered = replaced(std::string(snapshot), R"("checksum":0)", R"("checksum":-855196043)");
  EXPECT_THAT(lines(numbered)[0], testing::HasSubstr("checksum=- "));
  const std::string plain = replaced(numbered, R"(,"prevSeqId":-1,"seqId":123456)", "");
  EXPECT_THAT(lines(plain)[0], testing::HasSubstr("last=- previous=- checksum=-855196043 "));
  EXPECT_THAT(lines(replaced(plain, "-855196043", "0"))[0], testing::HasSubstr("checksum=- "));
}

TEST_F(OkxDecode, MessageWithoutChangesKeepsTheChain) {
  EXPECT_THAT(lines(R"({"arg":{"channel":"books","instId":"A"},"action":"update","data":[{"asks":[],"bids":[],)"
                    R"("ts":"1597026383085","checksum":0,"prevSeqId":15,"seqId":15}]})"),
              ElementsAre("delta A @1597026383085 last=15 previous=15 checksum=- bids=[] asks=[]"));
}

TEST_F(OkxDecode, NumbersMayGoBackAfterMaintenance) {
  EXPECT_THAT(lines(R"({"arg":{"channel":"books50-l2-tbt","instId":"A"},"action":"update","data":[{"asks":[],)"
                    R"("bids":[["1","2","0","1"]],"ts":"1597026383085","prevSeqId":150000,"seqId":3}]})"),
              ElementsAre("delta A @1597026383085 last=3 previous=150000 checksum=- bids=[1:2] asks=[]"));
}

TEST_F(OkxDecode, Books5IsASnapshotEachTime) {
  EXPECT_THAT(lines(R"({"arg":{"channel":"books5","instId":"A"},"data":[{"asks":[["2","1","0","1"]],"bids":[],)"
                    R"("instId":"A","ts":"1597026383085","seqId":9}]})"),
              ElementsAre("whole A @1597026383085 last=9 previous=- checksum=- bids=[] asks=[2:1]"));
}

TEST_F(OkxDecode, BestPrices) {
  EXPECT_THAT(lines(R"({"arg":{"channel":"bbo-tbt","instId":"A"},"data":[{"asks":[["8476.98","415","0","13"]],)"
                    R"("bids":[],"ts":"1597026383085","seqId":123456}]})"),
              ElementsAre("bbo -x- 8476.98x415 seq=123456 A @1597026383085"));
}

TEST_F(OkxDecode, TickerWithAnEmptySide) {
  const std::string frame =
      R"({"arg":{"channel":"tickers","instId":"A"},"data":[{"instType":"SWAP","instId":"A","last":"","askPx":"9.10",)"
      R"("askSz":"4","bidPx":"","bidSz":"","ts":"1597026383085"}]})";
  EXPECT_THAT(lines(frame), ElementsAre("bbo -x- 9.10x4 seq=- A @1597026383085"));
  EXPECT_THAT(lines(replaced(frame, R"("bidPx":"","bidSz":"")", R"("bidPx":"0","bidSz":"0")")),
              ElementsAre("bbo -x- 9.10x4 seq=- A @1597026383085"));
  EXPECT_EQ(reason(replaced(frame, R"("bidPx":"",)", "")), "missing_or_bad_field");
}

TEST_F(OkxDecode, Candles) {
  const std::string frame =
      R"({"arg":{"channel":"candle1m","instId":"A"},"data":[["1597026360000","3.7","3.8","3.6","3.75","8422","22698",)"
      R"("12698","0"],["1597026420000","3.75","3.8","3.6","3.70","1","2","3","1"]]})";
  EXPECT_THAT(lines(frame), ElementsAre("candle 1m @1597026360000..@1597026419999 3.7 3.8 3.6 3.75 8422 running A @-",
                                        "candle 1m @1597026420000..@1597026479999 3.75 3.8 3.6 3.70 1 closed A @-"));
  EXPECT_THAT(lines(R"({"arg":{"channel":"candle1Mutc","instId":"A"},"data":[["1704067200000","1","1","1","1","0"]]})"),
              ElementsAre("candle 1M @1704067200000..@1706745599999 1 1 1 1 0 running A @-"));
  EXPECT_EQ(reason(R"({"arg":{"channel":"candle1m","instId":"A"},"data":[["1597026360000","3.7","3.8","3.6","3"]]})"),
            "missing_or_bad_field");
}

TEST_F(OkxDecode, SingleValues) {
  EXPECT_THAT(lines(R"({"arg":{"channel":"funding-rate","instId":"A-SWAP"},"data":[{"fundingRate":"-0.00015",)"
                    R"("fundingTime":"1744590400000","nextFundingTime":"1744619200000","nextFundingRate":"",)"
                    R"("instId":"A-SWAP","ts":"1744590349506"}]})"),
              ElementsAre("funding -0.00015 due @1744590400000 A-SWAP @1744590349506"));
  EXPECT_THAT(lines(R"({"arg":{"channel":"open-interest","instId":"A-SWAP"},"data":[{"instId":"A-SWAP","oi":"5000",)"
                    R"("oiCcy":"55","oiUsd":"5","ts":"1743041250440"}]})"),
              ElementsAre("interest 5000 A-SWAP @1743041250440"));
  EXPECT_THAT(lines(R"({"arg":{"channel":"mark-price","instId":"A-SWAP"},"data":[{"instType":"SWAP",)"
                    R"("instId":"A-SWAP","markPx":"42310.6","ts":"1630049139746"}]})"),
              ElementsAre("mark 42310.6 A-SWAP @1630049139746"));
  EXPECT_THAT(lines(R"({"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",)"
                    R"("idxPx":"0.1","high24h":"0.5","ts":"1597026383085"}]})"),
              ElementsAre("index 0.1 BTC-USDT @1597026383085"));
}

TEST_F(OkxDecode, AnEmptyValueIsNotKnownYet) {
  const std::string frame =
      R"({"arg":{"channel":"funding-rate","instId":"A-SWAP"},"data":[{"fundingRate":"","fundingTime":"","instId":"A-SWAP"}]})";
  EXPECT_EQ(reason(frame), "no_elements");
  EXPECT_EQ(reason(replaced(frame, R"("fundingRate":"",)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(frame, R"("fundingRate":"")", R"("fundingRate":"x")")), "missing_or_bad_field");
}

TEST_F(OkxDecode, Liquidations) {
  EXPECT_THAT(lines(liquidations), ElementsAre("liquidation - buy 0.007831 13 IOST-USDT-SWAP @1692266434010",
                                               "liquidation - sell 0.0078 2 IOST-USDT-SWAP @1692266434011",
                                               "liquidation - sell 1 3 X-USDT-SWAP @1692266434012"));
}

TEST_F(OkxDecode, Acknowledgements) {
  EXPECT_THAT(lines(R"({"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4","id":"17"})"),
              ElementsAre("subscribed id=17 stream=books:BTC-USDT code=0 text="));
  EXPECT_THAT(lines(R"({"event":"unsubscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"}})"),
              ElementsAre("unsubscribed id=-1 stream=liquidation-orders:SWAP code=0 text="));
}

TEST_F(OkxDecode, Refusals) {
  EXPECT_THAT(lines(R"({"id":"3","event":"error","code":"60018","msg":"Wrong URL or channel:candle1m,)"
                    R"(instId:BTC-USDT doesn't exist. Please use the correct URL.","connId":"a4"})"),
              ElementsAre("refused id=3 stream=candle1m:BTC-USDT code=60018 text=Wrong URL or channel:candle1m,"
                          "instId:BTC-USDT doesn't exist. Please use the correct URL."));
  EXPECT_THAT(lines(R"({"event":"error","code":"60014","msg":"Requests too frequent"})"),
              ElementsAre("refused id=-1 stream= code=60014 text=Requests too frequent"));
}

TEST_F(OkxDecode, NoticeBeforeAnUpgrade) {
  EXPECT_THAT(lines(R"({"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"a4"})"),
              ElementsAre("closing id=-1 stream= code=64008 text=The connection will soon be closed."));
  EXPECT_EQ(reason(R"({"event":"notice","code":"1","msg":"x"})"), "event_of_another_kind");
  EXPECT_EQ(reason(R"({"event":"channel-conn-count","channel":"orders","connCount":"2"})"), "event_of_another_kind");
}

TEST_F(OkxDecode, PongIsAHeartbeat) { EXPECT_THAT(lines("pong"), ElementsAre("heartbeat id=-1 stream= code=0 text=")); }

TEST_F(OkxDecode, CutFramesSayNothing) {
  for (const std::string_view frame : {trade, snapshot, liquidations}) {
    EXPECT_EQ(first_cut_that_speaks(*adapter, frame), frame.size());
    EXPECT_FALSE(lines(frame).empty());
  }
}

TEST_F(OkxDecode, OneBadElementSilencesTheFrame) {
  const std::string two = R"({"arg":{"channel":"trades","instId":"A"},"data":[)"
                          R"({"instId":"A","tradeId":"1","px":"1","sz":"1","side":"buy","ts":"1630048897897"},)"
                          R"({"instId":"A","tradeId":"2","px":"1","sz":"1","side":"sell","ts":"1630048897898"}]})";
  EXPECT_EQ(lines(two).size(), 2U);
  EXPECT_EQ(reason(replaced(two, R"("tradeId":"2",)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(two, R"("side":"sell")", R"("side":"up")")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(two, R"("ts":"1630048897898")", R"("ts":"99999999999999999999")")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(two, R"("px":"1","sz":"1","side":"sell")", R"("px":"1,0","sz":"1","side":"sell")")),
            "missing_or_bad_field");
}

TEST_F(OkxDecode, EveryFieldOfABookIsNeeded) {
  const std::string whole(snapshot);
  EXPECT_EQ(reason(replaced(whole, R"("ts":"1597026383085",)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"("action":"snapshot",)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"("action":"snapshot",)", R"("action":"partial",)")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"("bids":[["8476.97","256","0","12"]],)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"(,"instId":"BTC-USDT")", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"(["8476.97","256","0","12"])", R"(["8476.97"])")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(whole, R"(["8476.97","256","0","12"])", R"(["8476.97",null])")), "missing_or_bad_field");
}

TEST_F(OkxDecode, FramesThatAreNoMarketData) {
  EXPECT_EQ(reason(""), "not_an_object");
  EXPECT_EQ(reason("[1,2]"), "not_an_object");
  EXPECT_EQ(reason("\xff\xfe{}"), "not_an_object");
  EXPECT_EQ(reason("{}"), "no_channel");
  EXPECT_EQ(reason(std::string(trade) + "x"), "not_whole_json");
  EXPECT_EQ(reason(R"({"arg":{"channel":"trades","instId":"A"}})"), "no_data");
  EXPECT_EQ(reason(R"({"arg":{"channel":"trades","instId":"A"},"data":[]})"), "no_elements");
  EXPECT_EQ(reason(R"({"arg":{"channel":"trades","instId":"A"},"data":{}})"), "not_whole_json");
  EXPECT_EQ(reason(R"({"arg":{"channel":"opt-summary","instFamily":"BTC-USD"},"data":[{"a":[1,{"b":null}]}]})"),
            "channel_of_another_kind");
  EXPECT_EQ(reason(R"({"data":[{"x":1}],"arg":{"channel":"trades","instId":"A"}})"), "missing_or_bad_field");
}

TEST_F(OkxDecode, AFrameLeavesNothingForTheNext) {
  EXPECT_FALSE(lines(snapshot).empty());
  EXPECT_EQ(reason(R"({"data":[]})"), "no_channel");
  EXPECT_EQ(reason(R"({"arg":{"channel":"books"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1"}]})"),
            "missing_or_bad_field");
}

}  // namespace
}  // namespace marketprism::exchange::okx
