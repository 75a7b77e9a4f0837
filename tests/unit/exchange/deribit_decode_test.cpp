#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/exchange/deribit/adapter.hpp"
#include "tests/unit/exchange/decoded_lines.hpp"

namespace marketprism::exchange::deribit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string notification(std::string_view channel, std::string_view data) {
  return fmt::format(R"({{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{}","data":{}}}}})", channel,
                     data);
}

const std::string snapshot =
    notification("book.BTC-PERPETUAL.100ms",
                 R"({"type":"snapshot","timestamp":1554373962454,"instrument_name":"BTC-PERPETUAL","change_id":297217,)"
                 R"("bids":[["new",5042.34,30.0],["new",5041.94,20.0]],"asks":[["new",5042.64,1e-05]]})");
const std::string change = notification(
    "book.BTC-PERPETUAL.100ms",
    R"({"type":"change","timestamp":1554373911330,"prev_change_id":297217,"instrument_name":"BTC-PERPETUAL",)"
    R"("change_id":297218,"bids":[["delete",5041.94,0.0],["change",5042.34,20.0]],"asks":[]})");
const std::string ticker = notification(
    "ticker.BTC-PERPETUAL.100ms",
    R"({"timestamp":1623060194301,"stats":{"volume_usd":284061480.0,"low":null},"state":"open","open_interest":502097590,)"
    R"("mark_price":36446.51,"instrument_name":"BTC-PERPETUAL","index_price":36441.64,"funding_8h":0.0000211,)"
    R"("estimated_delivery_price":"expired","current_funding":-1.5e-05,"best_bid_price":36442.50,"best_bid_amount":5000.0,)"
    R"("best_ask_price":36443.0,"best_ask_amount":100.0})");
const std::string quote = notification(
    "quote.BTC-PERPETUAL",
    R"({"timestamp":1550658624149,"instrument_name":"BTC-PERPETUAL","best_bid_price":3914.97,"best_bid_amount":40,)"
    R"("best_ask_price":3996.61,"best_ask_amount":50})");
const std::string trades = notification(
    "trades.BTC-PERPETUAL.100ms",
    R"([{"trade_seq":30289442,"trade_id":"48079269","timestamp":1590484512188,"tick_direction":2,"price":8950.0,)"
    R"("mark_price":8948.9,"instrument_name":"BTC-PERPETUAL","index_price":8955.88,"direction":"sell","amount":10.0},)"
    R"({"trade_seq":30289443,"trade_id":"48079270","timestamp":1590484512189,"price":8949.5,)"
    R"("instrument_name":"BTC-PERPETUAL","direction":"buy","amount":20.0}])");

class DeribitDecode : public testing::Test {
 protected:
  std::vector<std::string> lines(std::string_view frame) { return lines_of(*adapter, frame); }
  std::string_view reason(std::string_view frame) {
    const Decoded decoded = refusal_of(*adapter, frame);
    return decoded.kind == Decoded::Kind::data ? "handed something over" : decoded.reason;
  }

  std::unique_ptr<Adapter> adapter = make();
};

TEST_F(DeribitDecode, Books) {
  EXPECT_THAT(lines(snapshot),
              ElementsAre("snapshot BTC-PERPETUAL @1554373962454 last=297217 previous=- checksum=- bids=[5042.34:30.0 "
                          "5041.94:20.0] asks=[5042.64:0.00001]"));
  EXPECT_THAT(lines(change),
              ElementsAre("delta BTC-PERPETUAL @1554373911330 last=297218 previous=297217 checksum=- bids=[5041.94:0 "
                          "5042.34:20.0] asks=[]"));
}

TEST_F(DeribitDecode, DeletedLevelsAreGoneWhateverTheirAmount) {
  EXPECT_THAT(lines(replaced(change, R"(["delete",5041.94,0.0])", R"(["delete",5041.94,7.0])"))[0],
              testing::HasSubstr("bids=[5041.94:0 "));
}

TEST_F(DeribitDecode, OldBooksHaveNoType) {
  EXPECT_THAT(lines(replaced(snapshot, R"("type":"snapshot",)", ""))[0], testing::StartsWith("snapshot "));
  EXPECT_THAT(lines(replaced(change, R"("type":"change",)", ""))[0], testing::StartsWith("delta "));
  EXPECT_THAT(lines(replaced(change, R"("prev_change_id":297217)", R"("prev_change_id":0)"))[0],
              testing::StartsWith("snapshot "));
}

TEST_F(DeribitDecode, GroupedBooksAreSnapshots) {
  EXPECT_THAT(lines(notification("book.BTC-PERPETUAL.none.10.100ms",
                                 R"({"timestamp":1769246173071,"instrument_name":"BTC-PERPETUAL","change_id":5,)"
                                 R"("bids":[[89532.5,254900.0]],"asks":[[89533.0,91570.0]]})")),
              ElementsAre("whole BTC-PERPETUAL @1769246173071 last=5 previous=- checksum=- bids=[89532.5:254900.0] "
                          "asks=[89533.0:91570.0]"));
}

TEST_F(DeribitDecode, Trades) {
  EXPECT_THAT(lines(trades), ElementsAre("trade 48079269 sell 8950.0 10.0 BTC-PERPETUAL @1590484512188 seq=30289442",
                                         "trade 48079270 buy 8949.5 20.0 BTC-PERPETUAL @1590484512189 seq=30289443"));
}

TEST_F(DeribitDecode, LiquidationsAreMarkedInTheTrades) {
  const auto marked = [&](std::string_view mark) {
    return lines(
        replaced(trades, R"("direction":"buy")", fmt::format(R"("liquidation":"{}","direction":"buy")", mark)));
  };
  const std::string taker = "liquidation 48079270 buy 8949.5 20.0 BTC-PERPETUAL @1590484512189";
  const std::string maker = "liquidation 48079270 sell 8949.5 20.0 BTC-PERPETUAL @1590484512189";
  EXPECT_THAT(marked("T"), ElementsAre(testing::_, testing::_, taker));
  EXPECT_THAT(marked("M"), ElementsAre(testing::_, testing::_, maker));
  EXPECT_THAT(marked("MT"), ElementsAre(testing::_, testing::_, taker, maker));
}

TEST_F(DeribitDecode, Ticker) {
  EXPECT_THAT(lines(ticker),
              ElementsAre("bbo 36442.50x5000.0 36443.0x100.0 seq=- BTC-PERPETUAL @1623060194301",
                          "mark 36446.51 BTC-PERPETUAL @1623060194301", "index 36441.64 BTC-PERPETUAL @1623060194301",
                          "interest 502097590 BTC-PERPETUAL @1623060194301",
                          "funding -0.000015 due @- BTC-PERPETUAL @1623060194301"));
}

TEST_F(DeribitDecode, TickerOfWhatHasNoFunding) {
  EXPECT_EQ(lines(replaced(ticker, R"("current_funding":-1.5e-05,)", "")).size(), 4U);
  EXPECT_EQ(lines(replaced(ticker, R"("mark_price":36446.51,)", R"("mark_price":null,)")).size(), 4U);
}

TEST_F(DeribitDecode, EmptySidesOfATicker) {
  const std::string zero = replaced(ticker, R"("best_bid_price":36442.50,"best_bid_amount":5000.0)",
                                    R"("best_bid_price":0.0,"best_bid_amount":0.0)");
  EXPECT_THAT(lines(zero)[0], testing::StartsWith("bbo -x- 36443.0x100.0 "));
  const std::string null = replaced(ticker, R"("best_bid_price":36442.50,"best_bid_amount":5000.0)",
                                    R"("best_bid_price":null,"best_bid_amount":0.0)");
  EXPECT_THAT(lines(null)[0], testing::StartsWith("bbo -x- 36443.0x100.0 "));
  // The price of a combination may be zero or less.
  const std::string combination = replaced(ticker, R"("best_bid_price":36442.50,)", R"("best_bid_price":0.0,)");
  EXPECT_THAT(lines(combination)[0], testing::StartsWith("bbo 0.0x5000.0 36443.0x100.0 "));
}

TEST_F(DeribitDecode, QuotesReplaceTheTickersBestPrices) {
  EXPECT_THAT(lines(ticker)[0], testing::StartsWith("bbo "));
  EXPECT_THAT(lines(quote), ElementsAre("bbo 3914.97x40 3996.61x50 seq=- BTC-PERPETUAL @1550658624149"));
  EXPECT_THAT(lines(ticker)[0], testing::StartsWith("mark "));
  const std::string other =
      replaced(ticker, R"("instrument_name":"BTC-PERPETUAL")", R"("instrument_name":"ETH-PERPETUAL")");
  EXPECT_THAT(lines(other)[0], testing::StartsWith("bbo "));
}

TEST_F(DeribitDecode, AQuoteThatIsNotWholeReplacesNothing) {
  EXPECT_THAT(lines(std::string_view(quote).substr(0, quote.size() - 1)), IsEmpty());
  EXPECT_THAT(lines(ticker)[0], testing::StartsWith("bbo "));
}

TEST_F(DeribitDecode, Candle) {
  EXPECT_THAT(
      lines(notification("chart.trades.BTC-PERPETUAL.60",
                         R"({"volume":0.05219351,"tick":1573642800000,"open":8869.79,"low":8788.25,"high":8870.31,)"
                         R"("cost":460,"close":8791.25})")),
      ElementsAre("candle 1h @1573642800000..@1573646399999 8869.79 8870.31 8788.25 8791.25 0.05219351 running "
                  "BTC-PERPETUAL @-"));
}

TEST_F(DeribitDecode, IndexPriceBearsTheIndexName) {
  EXPECT_THAT(lines(notification("deribit_price_index.btc_usd",
                                 R"({"timestamp":1550588002899,"price":3937.89,"index_name":"btc_usd"})")),
              ElementsAre("index 3937.89 btc_usd @1550588002899"));
}

TEST_F(DeribitDecode, DataBeforeItsChannelIsTheSame) {
  EXPECT_THAT(lines(R"({"params":{"data":{"timestamp":1550588002899,"price":3937.89,"index_name":"btc_usd"},)"
                    R"("channel":"deribit_price_index.btc_usd"},"method":"subscription"})"),
              ElementsAre("index 3937.89 btc_usd @1550588002899"));
}

TEST_F(DeribitDecode, Heartbeats) {
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}})"),
              ElementsAre("heartbeat id=-1 stream= code=0 text="));
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}})"),
              ElementsAre("must_reply id=-1 stream= code=0 "
                          R"(text={"jsonrpc":"2.0","id":2000000002,"method":"public/test","params":{}})"));
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","id":2000000002,"result":{"version":"1.2.26"},"usIn":1,"usOut":2})"),
              ElementsAre("heartbeat id=-1 stream= code=0 text="));
}

TEST_F(DeribitDecode, AcceptedChannels) {
  EXPECT_THAT(
      lines(R"({"jsonrpc":"2.0","id":5,"result":["book.A.100ms","quote.A"],"usIn":1,"testnet":false})"),
      ElementsAre("subscribed id=5 stream=book.A.100ms code=0 text=", "subscribed id=5 stream=quote.A code=0 text="));
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","id":1000000006,"result":["quote.A"]})"),
              ElementsAre("unsubscribed id=6 stream=quote.A code=0 text="));
}

TEST_F(DeribitDecode, ChannelsLeftOutOfTheAnswerAreRefused) {
  const std::array<std::string, 3> asked{"book.A.100ms", "book.NONE.100ms", "quote.A"};
  adapter->subscribe_text(asked, 5);
  EXPECT_THAT(
      lines(R"({"jsonrpc":"2.0","id":5,"result":["quote.A","book.A.100ms"]})"),
      ElementsAre("subscribed id=5 stream=quote.A code=0 text=", "subscribed id=5 stream=book.A.100ms code=0 text=",
                  "refused id=5 stream=book.NONE.100ms code=0 text=not among the channels the venue accepts"));
  // Said once.
  EXPECT_EQ(lines(R"({"jsonrpc":"2.0","id":5,"result":["quote.A"]})").size(), 1U);
}

TEST_F(DeribitDecode, AnAnswerToAnotherRequestOfTheSameIdRefusesNothing) {
  const std::array<std::string, 1> asked{"book.A.100ms"};
  adapter->subscribe_text(asked, 5);
  EXPECT_EQ(lines(R"({"jsonrpc":"2.0","id":5,"result":["quote.B"]})").size(), 1U);
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","id":5,"result":[]})"),
              ElementsAre("refused id=5 stream=book.A.100ms code=0 text=not among the channels the venue accepts"));
}

TEST_F(DeribitDecode, OpenRequestsAreBounded) {
  const std::array<std::string, 1> asked{"book.A.100ms"};
  for (int id = 0; id < 1000; ++id) adapter->subscribe_text(asked, id);
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","id":0,"result":[]})"), IsEmpty());
  EXPECT_EQ(lines(R"({"jsonrpc":"2.0","id":999,"result":[]})").size(), 1U);
}

TEST_F(DeribitDecode, Errors) {
  EXPECT_THAT(lines(R"({"jsonrpc":"2.0","id":1,"error":{"code":10028,"message":"too_many_requests","data":null}})"),
              ElementsAre("refused id=1 stream= code=10028 text=too_many_requests"));
  EXPECT_THAT(
      lines(
          R"({"jsonrpc":"2.0","error":{"message":"bad_request","data":{"reason":"no id","param":"x"},"code":11050}})"),
      ElementsAre("refused id=-1 stream= code=11050 text=bad_request: no id"));
}

TEST_F(DeribitDecode, CutFramesSayNothing) {
  for (const std::string& frame : {snapshot, change, ticker, quote, trades}) {
    EXPECT_EQ(first_cut_that_speaks(*adapter, frame), frame.size()) << frame;
    EXPECT_FALSE(lines(frame).empty());
  }
}

TEST_F(DeribitDecode, EveryFieldIsNeeded) {
  for (const std::string_view field : {R"("timestamp":1554373911330,)", R"("instrument_name":"BTC-PERPETUAL",)",
                                       R"("change_id":297218,)", R"(,"asks":[])"}) {
    EXPECT_EQ(reason(replaced(change, field, "")), "missing_or_bad_field") << field;
  }
  EXPECT_EQ(reason(replaced(change, R"("delete")", R"("unheard")")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(change, R"(5042.34,20.0)", R"(5042.34)")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(trades, R"("direction":"buy")", R"("direction":"both")")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(trades, R"("trade_id":"48079270",)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(replaced(ticker, R"("timestamp":1623060194301,)", "")), "missing_or_bad_field");
  EXPECT_EQ(reason(notification("chart.trades.1", R"({"tick":1573642800000})")), "missing_or_bad_field");
}

TEST_F(DeribitDecode, FramesThatAreNoMarketData) {
  EXPECT_EQ(reason(""), "not_an_object");
  EXPECT_EQ(reason("null"), "not_an_object");
  EXPECT_EQ(reason("{}"), "method_of_another_kind");
  EXPECT_EQ(reason(snapshot + "}"), "not_whole_json");
  EXPECT_EQ(reason(R"({"method":"subscription","params":{}})"), "no_channel");
  EXPECT_EQ(reason(R"({"method":"subscription","params":{"channel":"quote.A"}})"), "no_data");
  EXPECT_EQ(reason(notification("trades.A.100ms", "[]")), "no_elements");
  EXPECT_EQ(reason(notification("platform_state", R"({"maintenance":false})")), "channel_of_another_kind");
}

}  // namespace
}  // namespace marketprism::exchange::deribit
