// Once warm, an adapter allocates nothing for a frame of market data.

#include <gtest/gtest.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::exchange {
namespace {

class Counter final : public DecodeHandler {
 public:
  int messages = 0;
  void on_payload(std::string_view, UnixTime, const market::Event::Payload&) override { ++messages; }
  void on_trade(std::string_view, UnixTime, const market::Trade&, std::int64_t) override { ++messages; }
  void on_book(const BookMessage&) override { ++messages; }
  void on_instrument(market::Instrument&&) override { ++messages; }
  void on_control(const ControlMessage&) override { ++messages; }
};

struct Row {
  const char* venue;
  const char* frame;
};

// Names are long enough not to fit into a string object.
constexpr Row rows[] = {
    {"okx",
     R"({"arg":{"channel":"trades","instId":"BTC-USD-220514-22000-C"},"data":[{"instId":"BTC-USD-220514-22000-C",)"
     R"("tradeId":"1306394741306394741306394741","px":"42219.9","sz":"0.12","side":"buy","ts":"1630048897897"}]})"},
    {"okx",
     R"({"arg":{"channel":"books","instId":"BTC-USD-220514-22000-C"},"action":"update","data":[{"asks":[["1","2","0",)"
     R"("1"],["3","4","0","1"]],"bids":[["0.5","9","0","1"]],"ts":"1597026383085","prevSeqId":1,"seqId":2}]})"},
    {"okx", R"({"data":[{"instId":"BTC-USD-220514-22000-C","markPx":"0.5","ts":"1597026383085"}],)"
            R"("arg":{"channel":"mark-price","instId":"BTC-USD-220514-22000-C"}})"},
    {"okx",
     R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkPx":"0.1","side":"buy",)"
     R"("sz":"13","ts":"1692266434010"}],"instId":"BTC-USD-220514-22000-C"}]})"},
    {"okx", R"({"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USD-220514-22000-C"},"connId":"a"})"},
    {"deribit",
     R"({"method":"subscription","params":{"channel":"book.BTC-24SEP21-40000-P.100ms","data":{"type":"change",)"
     R"("timestamp":1554373911330,"prev_change_id":7,"instrument_name":"BTC-24SEP21-40000-P","change_id":8,)"
     R"("bids":[["delete",5041.94,0.0],["change",5042.34,20.0]],"asks":[["new",5043.0,1.0]]}}})"},
    {"deribit",
     R"({"method":"subscription","params":{"channel":"quote.BTC-24SEP21-40000-P","data":{"timestamp":1550658624149,)"
     R"("instrument_name":"BTC-24SEP21-40000-P","best_bid_price":3.5,"best_bid_amount":4,"best_ask_price":3.6,)"
     R"("best_ask_amount":5}}})"},
    {"deribit",
     R"({"method":"subscription","params":{"channel":"ticker.BTC-24SEP21-40000-P.raw","data":{"timestamp":1,)"
     R"("instrument_name":"BTC-24SEP21-40000-P","best_bid_price":3.5,"best_bid_amount":4,"best_ask_price":3.6,)"
     R"("best_ask_amount":5,"mark_price":3.55,"index_price":4.1,"open_interest":7,"stats":{"low":null}}}})"},
    {"deribit",
     R"({"method":"subscription","params":{"channel":"trades.BTC-24SEP21-40000-P.raw","data":[{"trade_seq":3,)"
     R"("trade_id":"48","timestamp":1590484512188,"price":8950.0,"instrument_name":"BTC-24SEP21-40000-P",)"
     R"("direction":"sell","amount":10.0,"liquidation":"MT"}]}})"},
    {"deribit", R"({"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}})"},
    {"binance",
     R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDTBTCUSDTBTCUSDT","U":100,"u":102,)"
     R"("b":[["61837.63","0.5"],["61837.62","0.1"]],"a":[["61838.00","0.2"]]}})"},
    {"binance",
     R"({"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDTBTCUSDTBTCUSDT","t":12,"p":"61837.63",)"
     R"("q":"0.02","T":2,"m":true}})"},
};

TEST(Allocation, NoneForAFrameOnceWarm) {
  ASSERT_TRUE(memory::counts_allocations());
  for (const Row& row : rows) {
    const std::unique_ptr<Adapter> adapter = *make_adapter(row.venue);
    const std::string_view frame = row.frame;
    Counter counter;
    for (int i = 0; i < 3; ++i) adapter->decode(frame, counter);
    const int messages = counter.messages;
    ASSERT_GT(messages, 0) << frame;
    const memory::AllocationCounter allocations;
    for (int i = 0; i < 100; ++i) adapter->decode(frame, counter);
    EXPECT_EQ(allocations.count(), 0U) << frame;
    EXPECT_GT(counter.messages, messages);
  }
}

}  // namespace
}  // namespace marketprism::exchange
