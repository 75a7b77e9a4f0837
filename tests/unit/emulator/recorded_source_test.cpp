#include "marketprism/emulator/recorded_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/emulator/client_double.hpp"

namespace marketprism::emulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using tape::Direction;
using tape::FrameKind;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view depth_1 = R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","u":1}})";
constexpr std::string_view depth_2 = R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","u":2}})";
constexpr std::string_view trade_1 = R"({"stream":"btcusdt@trade","data":{"e":"trade","t":1}})";

struct Played : VenueFixture {
  explicit Played(std::string_view exchange, VenueOptions options = {}) : VenueFixture(exchange, std::move(options)) {
    recording = *make_recording(exchange);
  }
  void text(std::int64_t time_ms, std::string_view payload, Direction direction = Direction::received) {
    recording->add({.receive_time = unix_time_ms(time_ms), .direction = direction, .payload = payload});
  }
  void answer(std::int64_t time_ms, std::string_view url, std::string_view body, std::string_view hint = {},
              int code = 200) {
    recording->add({.receive_time = unix_time_ms(time_ms),
                    .kind = FrameKind::http_response,
                    .url = url,
                    .code = code,
                    .symbol_hint = hint,
                    .payload = body});
  }
  void start(const RecordedSourceOptions& options = {}) {
    venue.set_source(std::make_unique<RecordedSource>(recording, venue.dialect(), options, venue.streams(), venue),
                     true);
  }
  std::string rest(std::string_view target) { return venue.rest(target, moment).body; }

  std::shared_ptr<Recording> recording;
};

TEST(RecordedSource, plays_in_order_at_its_pace_to_who_is_subscribed) {
  Played played("binance");
  played.text(1'000, depth_1);
  played.text(1'100, trade_1);
  played.text(1'200, R"({"result":null,"id":1})");
  played.text(1'250, R"({"method":"SUBSCRIBE"})", Direction::sent);
  played.text(1'300, depth_2);
  EXPECT_EQ(played.recording->frames().size(), 3U);
  EXPECT_EQ(played.recording->control_frames(), 1U);
  played.start({.speed = 2});
  const ClientId client = played.connect("/stream?streams=btcusdt@depth@100ms");
  played.run(milliseconds(490));
  EXPECT_TRUE(played.outbox.sent.empty()) << "waits for more subscriptions";
  played.run(milliseconds(20));
  EXPECT_THAT(played.outbox.take(client), ElementsAre(depth_1));
  played.run(milliseconds(130));
  EXPECT_TRUE(played.outbox.sent.empty());
  played.run(milliseconds(30));
  EXPECT_THAT(played.outbox.take(client), ElementsAre(depth_2));
  EXPECT_EQ(played.venue.progress().played, 2U);
  EXPECT_EQ(played.venue.progress().skipped, 1U);
  EXPECT_TRUE(played.venue.progress().is_finished);
  EXPECT_TRUE(played.outbox.closed.empty());
}

TEST(RecordedSource, begins_at_once_when_all_streams_are_wanted) {
  Played played("binance", {.enforces_limits = true, .limits = {}, .faults = {}, .closes_when_finished = true});
  played.text(1'000, depth_1);
  played.text(9'000, trade_1);
  played.start({.speed = 0});
  const ClientId client = played.connect("/stream");
  played.ask(client, R"({"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1})");
  played.run(milliseconds(300));
  EXPECT_TRUE(played.outbox.sent.empty());
  played.ask(client, R"({"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":2})");
  played.run(milliseconds(10));
  EXPECT_THAT(played.outbox.take(client), ElementsAre(depth_1, trade_1));
  EXPECT_EQ(played.outbox.closed[client].first, 1000);
}

TEST(RecordedSource, each_request_puts_the_beginning_off) {
  Played played("binance");
  played.text(1'000, depth_1);
  played.text(1'000, trade_1);
  played.start();
  const ClientId client = played.connect("/stream?streams=btcusdt@trade");
  for (int i = 0; i < 5; ++i) {
    played.run(milliseconds(400));
    played.ask(client, R"({"method":"SUBSCRIBE","params":["other@trade"],"id":1})");
    EXPECT_FALSE(played.venue.progress().has_started);
  }
  played.run(milliseconds(510));
  EXPECT_THAT(played.outbox.take(client), ElementsAre(trade_1));
}

TEST(RecordedSource, frames_go_to_every_subscriber_and_in_the_form_of_each) {
  Played played("binance");
  played.text(1'000, depth_1);
  played.text(1'000, R"({"e":"trade","s":"BTCUSDT","t":5})");
  played.start({.speed = 0});
  const ClientId raw = played.connect("/ws/btcusdt@depth@100ms/btcusdt@trade");
  const ClientId combined = played.connect("/stream?streams=btcusdt@trade");
  played.run(milliseconds(10));
  const auto sent = played.outbox.sent;
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].client, raw);
  EXPECT_EQ(sent[0].text, R"({"e":"depthUpdate","u":1})");
  EXPECT_EQ(sent[1].text, R"({"e":"trade","s":"BTCUSDT","t":5})");
  EXPECT_EQ(sent[2].client, combined);
  EXPECT_EQ(sent[2].text, R"({"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":5}})");
}

TEST(RecordedSource, the_pace_of_a_stream_need_not_be_the_recorded_one) {
  Played binance("binance");
  binance.text(1'000, R"({"stream":"btcusdt@depth@0ms","data":{"u":1}})");
  binance.start({.speed = 0});
  const ClientId client = binance.connect("/stream?streams=btcusdt@depth@100ms");
  binance.run(milliseconds(10));
  EXPECT_EQ(binance.outbox.take(client).size(), 1U);

  Played deribit("deribit");
  deribit.text(1'000, R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.X.raw","data":{}}})");
  deribit.text(1'000, R"({"jsonrpc":"2.0","id":3,"result":[]})");
  deribit.start({.speed = 0});
  const ClientId other = deribit.connect("/ws/api/v2");
  EXPECT_THAT(deribit.ask(other, R"({"id":1,"method":"public/subscribe","params":{"channels":["book.X.100ms"]}})"),
              ElementsAre(HasSubstr(R"("result":["book.X.100ms"])")));
  deribit.run(milliseconds(10));
  EXPECT_THAT(deribit.outbox.take(other), ElementsAre(HasSubstr("book.X.raw")));
  EXPECT_EQ(deribit.recording->control_frames(), 1U);
}

TEST(RecordedSource, okx_streams_are_channel_and_instrument) {
  Played played("okx");
  played.text(1'000, R"({"event":"subscribe","arg":{"channel":"trades","instId":"A"}})");
  played.text(1'000, "pong");
  played.text(1'000, R"({"arg":{"channel":"trades","instId":"A"},"data":[]})");
  played.text(1'000, R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]})");
  played.text(1'000, R"({"arg":{"channel":"trades","inst)");
  EXPECT_THAT(played.recording->streams(), ElementsAre("trades:A", "liquidation-orders:SWAP"));
  EXPECT_EQ(played.recording->control_frames(), 3U);
}

TEST(RecordedSource, rest_answers_are_served_verbatim_whatever_order_and_limit) {
  Played played("binance");
  played.answer(900, "https://api.binance.com/api/v3/exchangeInfo", "INFO");
  played.answer(1'000, "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", "FIRST");
  played.answer(5'000, "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", "SECOND");
  played.answer(1'000, "https://api.binance.com/api/v3/depth?symbol=ETHUSDT&limit=1000", "ETH");
  played.answer(1'000, "https://api.binance.com/api/v3/depth?symbol=BNBUSDT", "TEAPOT", {}, 418);
  played.text(2'000, trade_1);
  played.text(5'100, trade_1);
  played.start({.speed = 0});
  EXPECT_EQ(played.rest("/api/v3/depth?limit=5&symbol=BTCUSDT"), "FIRST");
  EXPECT_EQ(played.rest("/api/v3/depth?symbol=ETHUSDT"), "ETH");
  EXPECT_EQ(played.rest("/api/v3/exchangeInfo?permissions=SPOT"), "INFO");
  EXPECT_EQ(played.venue.rest("/api/v3/depth?symbol=BNBUSDT", played.moment).status, 400);
  played.connect("/stream?streams=btcusdt@trade");
  played.run(milliseconds(10));
  EXPECT_EQ(played.rest("/api/v3/depth?symbol=BTCUSDT&limit=100"), "SECOND");
}

TEST(RecordedSource, instrument_lists_by_kind_family_and_all_currencies) {
  Played okx("okx");
  okx.answer(1, "https://www.okx.com/api/v5/public/instruments?instType=SPOT", "SPOT");
  okx.answer(2, "https://www.okx.com/api/v5/public/instruments?instType=OPTION&uly=BTC-USD", "BTC");
  okx.answer(3, "https://www.okx.com/api/v5/public/instruments?instType=OPTION&uly=ETH-USD", "ETH");
  okx.start();
  EXPECT_EQ(okx.rest("/api/v5/public/instruments?instType=SPOT"), "SPOT");
  EXPECT_EQ(okx.rest("/api/v5/public/instruments?instType=OPTION&instFamily=ETH-USD"), "ETH");
  EXPECT_EQ(okx.rest("/api/v5/public/instruments?instType=SWAP"), R"({"code":"0","data":[],"msg":""})");

  Played deribit("deribit");
  deribit.answer(1, "https://x/api/v2/public/get_instruments?currency=BTC&expired=false", R"({"result":[{"a":1}]})");
  deribit.answer(2, "https://x/api/v2/public/get_instruments?currency=ETH&expired=false", R"({"result":[]})");
  deribit.answer(3, "https://x/api/v2/public/get_instruments?currency=SOL&expired=false", R"({"result":[{"b":2}]})");
  deribit.start();
  EXPECT_EQ(deribit.rest("/api/v2/public/get_instruments?currency=any&expired=false"),
            R"({"jsonrpc":"2.0","result":[{"a":1},{"b":2}]})");
  EXPECT_EQ(deribit.rest("/api/v2/public/get_instruments?currency=BTC"), R"({"result":[{"a":1}]})");
}

TEST(RecordedSource, a_tape_without_lists_and_urls_still_serves_them) {
  Played played("binance-futures");
  played.answer(1'000, "", R"({"lastUpdateId":5})", "BTCUSDT");
  played.text(1'000, R"({"stream":"btcusdt@trade","data":{"e":"trade","t":1}})");
  played.text(1'000, R"({"stream":"ethusdt_270326@trade","data":{"e":"trade","t":1}})");
  played.start();
  EXPECT_EQ(played.rest("/fapi/v1/depth?symbol=BTCUSDT&limit=1000"), R"({"lastUpdateId":5})");
  const std::string list = played.rest("/fapi/v1/exchangeInfo");
  EXPECT_THAT(list, HasSubstr(R"({"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL")"));
  EXPECT_THAT(list, HasSubstr(R"("symbol":"ETHUSDT_270326","pair":"ETHUSDT","contractType":"CURRENT_QUARTER")"));
}

TEST(RecordedSource, nothing_recorded_is_a_silent_venue) {
  Played played("binance");
  played.start();
  const ClientId client = played.connect("/stream?streams=btcusdt@trade");
  played.run(seconds(2));
  EXPECT_TRUE(played.outbox.take(client).empty());
  EXPECT_TRUE(played.venue.progress().is_finished);
}

}  // namespace
}  // namespace marketprism::emulator
