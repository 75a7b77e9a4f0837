#include "marketprism/emulator/venue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/emulator/client_double.hpp"

namespace marketprism::emulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view subscribe_trade = R"({"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":7})";

TEST(BinanceVenue, acknowledges_known_and_unknown_streams_alike) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream");
  EXPECT_THAT(fixture.ask(client, subscribe_trade), ElementsAre(R"({"result":null,"id":7})"));
  EXPECT_THAT(fixture.ask(client, R"({"method":"SUBSCRIBE","params":["nosuch@trade"],"id":"a"})"),
              ElementsAre(R"({"result":null,"id":"a"})"));
  EXPECT_THAT(fixture.ask(client, R"({"method":"LIST_SUBSCRIPTIONS","id":8})"),
              ElementsAre(R"({"result":["btcusdt@trade"],"id":8})"));
  fixture.run(seconds(2));
  EXPECT_GT(fixture.outbox.sent.size(), 10U);
  EXPECT_THAT(fixture.outbox.sent.front().text, StartsWith(R"({"stream":"btcusdt@trade","data":{"e":"trade","E":)"));
  EXPECT_THAT(fixture.ask(client, R"({"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":9})"),
              ElementsAre(R"({"result":null,"id":9})"));
  fixture.run(seconds(1));
  EXPECT_TRUE(fixture.outbox.sent.empty());
}

TEST(BinanceVenue, says_what_is_wrong_with_a_request) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws");
  EXPECT_THAT(fixture.ask(client, "{\"method\":\"SUBSC"), ElementsAre(HasSubstr(R"("code":3)")));
  EXPECT_THAT(fixture.ask(client, R"({"method":"NONE","id":4})"),
              ElementsAre(testing::AllOf(HasSubstr("unknown variant `NONE`"), HasSubstr(R"("id":4})"))));
  EXPECT_THAT(fixture.ask(client, "[]"), ElementsAre(HasSubstr("error")));
  EXPECT_THAT(fixture.ask(client, R"({"id":5})"), ElementsAre(HasSubstr("missing field `method`")));
}

TEST(BinanceVenue, streams_of_the_url_and_raw_form) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId combined = fixture.connect("/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker");
  const ClientId raw = fixture.connect("/ws/btcusdt@bookTicker");
  fixture.run(milliseconds(500));
  bool saw_eth = false;
  std::vector<std::string> raws;
  for (const RecordingOutbox::Item& item : fixture.outbox.sent) {
    if (item.client == combined) {
      EXPECT_THAT(item.text, StartsWith("{\"stream\":"));
      saw_eth = saw_eth || item.text.find("ETHUSDT") != std::string::npos;
    } else {
      EXPECT_EQ(item.client, raw);
      EXPECT_THAT(item.text, StartsWith("{\"u\":"));
      EXPECT_EQ(item.text.back(), '}');
      EXPECT_EQ(item.text.find("}}"), std::string::npos);
      raws.push_back(item.text);
    }
  }
  EXPECT_TRUE(saw_eth);
  EXPECT_FALSE(raws.empty());
  EXPECT_EQ(fixture.connect("/nowhere"), 0U);
}

TEST(BinanceVenue, closes_who_asks_too_fast) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(fixture.ask(client, subscribe_trade).size(), 1U);
  fixture.pass(milliseconds(990));
  EXPECT_TRUE(fixture.ask(client, subscribe_trade).empty());
  EXPECT_EQ(fixture.outbox.closed[client], std::pair(1008, std::string("Too many requests")));
  const ClientId patient = fixture.connect("/stream");
  for (int i = 0; i < 20; ++i) {
    fixture.pass(milliseconds(201));
    EXPECT_EQ(fixture.ask(patient, subscribe_trade).size(), 1U);
  }
}

TEST(BinanceVenue, refuses_more_streams_than_a_connection_may_have) {
  VenueOptions options;
  options.limits = Limits{.streams_per_connection = 2};
  VenueFixture fixture("binance", options);
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream?streams=btcusdt@trade/ethusdt@trade");
  EXPECT_THAT(fixture.ask(client, R"({"method":"SUBSCRIBE","params":["bnbusdt@trade"],"id":19})"),
              ElementsAre(R"({"error":{"code":4,"msg":"Too many subscriptions"},"id":19})"));
  EXPECT_THAT(fixture.ask(client, subscribe_trade), ElementsAre(HasSubstr("null")));  // it has that one already
  EXPECT_EQ(fixture.connect("/stream?streams=a@trade/b@trade/c@trade"), 0U);
}

TEST(BinanceVenue, split_paths_bring_only_their_streams) {
  VenueFixture fixture("binance-futures");
  fixture.with_synthetic_market({.messages_per_s = 2000});
  const ClientId here = fixture.connect("/public/stream?streams=btcusdt@trade/btcusdt@aggTrade/btcusdt@markPrice@1s");
  const ClientId there = fixture.connect("/market/stream?streams=btcusdt@trade/btcusdt@aggTrade/btcusdt@markPrice@1s");
  const ClientId old = fixture.connect("/stream");
  EXPECT_THAT(fixture.ask(old, R"({"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@depth@100ms"],"id":1})"),
              ElementsAre(R"({"result":null,"id":1})"));
  fixture.run(seconds(2));
  std::map<ClientId, std::set<std::string>> seen;
  for (const RecordingOutbox::Item& item : fixture.outbox.sent) {
    seen[item.client].insert(item.text.substr(11, item.text.find('"', 11) - 11));
  }
  EXPECT_THAT(seen[here], ElementsAre("btcusdt@trade"));
  EXPECT_THAT(seen[there], ElementsAre("btcusdt@aggTrade", "btcusdt@markPrice@1s"));
  EXPECT_THAT(seen[old], ElementsAre("btcusdt@depth@100ms"));
}

TEST(BinanceVenue, counts_weight_and_refuses_past_the_limit) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  fixture.moment.utc = unix_time_ms(1'795'000'020'000);  // a full minute
  const auto depth = [&] { return fixture.venue.rest("/api/v3/depth?symbol=BTCUSDT&limit=5000", fixture.moment); };
  RestAnswer answer = depth();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.headers, ElementsAre(testing::Pair("X-MBX-USED-WEIGHT-1M", "250")));
  for (int i = 1; i < 24; ++i) EXPECT_EQ(depth().status, 200);
  fixture.pass(seconds(20));
  answer = depth();
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("-1003"));
  EXPECT_THAT(answer.headers, testing::Contains(testing::Pair("Retry-After", "40")));
  fixture.pass(seconds(40));
  EXPECT_EQ(depth().status, 200);
  EXPECT_EQ(fixture.venue.counters().rest_limited, 1U);
}

TEST(BinanceVenue, unknown_symbols_and_paths) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const RestAnswer symbol = fixture.venue.rest("/api/v3/depth?symbol=NOSUCH", fixture.moment);
  EXPECT_EQ(symbol.status, 400);
  EXPECT_EQ(symbol.body, R"({"code":-1121,"msg":"Invalid symbol."})");
  EXPECT_EQ(fixture.venue.rest("/fapi/v1/depth?symbol=BTCUSDT", fixture.moment).status, 404);
  EXPECT_EQ(fixture.venue.rest("/api/v3/time", fixture.moment).body, R"({"serverTime":1795000000000})");
  EXPECT_EQ(fixture.venue.rest("/api/v3/depth?symbol=BTCUSDT&limit=x", fixture.moment).status, 400);
}

TEST(BinanceVenue, announces_the_end_of_a_connection) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream");
  fixture.pass(std::chrono::hours(24) - minutes(10) - seconds(1));
  fixture.venue.advance(fixture.moment);
  EXPECT_TRUE(fixture.outbox.sent.empty());
  fixture.run(seconds(2));
  EXPECT_THAT(fixture.outbox.take(client), ElementsAre(StartsWith(R"({"e":"serverShutdown","E":)")));
  fixture.pass(minutes(10));
  fixture.venue.advance(fixture.moment);
  EXPECT_EQ(fixture.outbox.closed[client].first, 1001);
}

TEST(OkxVenue, acknowledges_each_argument_then_sends_the_snapshot) {
  VenueFixture fixture("okx");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/v5/public");
  const auto texts = fixture.ask(
      client,
      R"({"id":"7","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"nope","instId":"X"}]})");
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_EQ(texts[0], R"({"event":"subscribe","id":"7","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"e1"})");
  EXPECT_THAT(texts[1], StartsWith(R"({"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[)"));
  EXPECT_THAT(texts[1], HasSubstr(R"("prevSeqId":-1,)"));
  EXPECT_THAT(texts[2], HasSubstr(R"("code":"60018","msg":"Wrong URL or channel:nope,instId:X doesn't exist.)"));
}

TEST(OkxVenue, serves_candles_on_the_business_path_only) {
  VenueFixture fixture("okx");
  fixture.with_synthetic_market();
  constexpr std::string_view candles = R"({"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"}]})";
  EXPECT_THAT(fixture.ask(fixture.connect("/ws/v5/public"), candles), ElementsAre(HasSubstr("60018")));
  EXPECT_THAT(fixture.ask(fixture.connect("/ws/v5/business"), candles),
              ElementsAre(HasSubstr(R"("event":"subscribe")")));
  EXPECT_EQ(fixture.connect("/ws/v5/private"), 0U);
}

TEST(OkxVenue, pings_requests_without_sense_and_too_many) {
  VenueFixture fixture("okx");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/v5/public");
  EXPECT_THAT(fixture.ask(client, "ping"), ElementsAre("pong"));
  EXPECT_THAT(fixture.ask(client, R"({"op":"subscribe","args":[]})"), ElementsAre(HasSubstr(R"("code":"60012")")));
  EXPECT_THAT(fixture.ask(client, R"({"op":"buy","args":[{"channel":"a"}]})"), ElementsAre(HasSubstr("60012")));
  EXPECT_THAT(fixture.ask(client, "{"), ElementsAre(HasSubstr("60012")));
  constexpr std::string_view trades = R"({"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]})";
  for (int i = 0; i < 480; ++i) EXPECT_THAT(fixture.ask(client, trades), ElementsAre(HasSubstr("\"subscribe\"")));
  EXPECT_THAT(fixture.ask(client, trades), ElementsAre(HasSubstr(R"("code":"60014")")));
}

TEST(OkxVenue, cuts_silent_connections_and_too_many_connects) {
  VenueFixture fixture("okx");
  fixture.with_synthetic_market();
  const ClientId silent = fixture.connect("/ws/v5/public");
  const ClientId awake = fixture.connect("/ws/v5/public");
  EXPECT_NE(fixture.connect("/ws/v5/public"), 0U);
  EXPECT_EQ(fixture.connect("/ws/v5/public"), 0U);
  for (int i = 0; i < 3; ++i) {
    fixture.run(seconds(15));
    fixture.venue.receive(awake, "ping", fixture.moment);
  }
  EXPECT_EQ(fixture.outbox.closed[silent].first, 4004);
  EXPECT_FALSE(fixture.outbox.closed.contains(awake));
  fixture.outbox.sent.clear();
  fixture.venue.warn_all(fixture.moment);
  EXPECT_THAT(fixture.outbox.take(awake), ElementsAre(HasSubstr(R"("code":"64008")")));
}

TEST(DeribitVenue, names_what_was_subscribed_and_sends_snapshots) {
  VenueFixture fixture("deribit");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/api/v2");
  const auto texts = fixture.ask(
      client,
      R"({"jsonrpc":"2.0","id":3,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.100ms","book.NOSUCH.100ms"]}})");
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_THAT(texts[0], StartsWith(R"({"jsonrpc":"2.0","id":3,"result":["book.BTC-PERPETUAL.100ms"],"usIn":)"));
  EXPECT_THAT(texts[1], HasSubstr(R"("data":{"type":"snapshot",)"));
}

TEST(DeribitVenue, errors) {
  VenueFixture fixture("deribit");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/api/v2");
  EXPECT_THAT(fixture.ask(client, "}"), ElementsAre(HasSubstr("-32700")));
  EXPECT_THAT(fixture.ask(client, R"({"id":1,"method":"public/nope"})"), ElementsAre(HasSubstr("-32601")));
  EXPECT_THAT(fixture.ask(client, R"({"id":1,"method":"public/subscribe","params":{}})"),
              ElementsAre(HasSubstr("-32602")));
  EXPECT_THAT(fixture.ask(client, R"({"id":1,"method":"public/set_heartbeat","params":{"interval":5}})"),
              ElementsAre(HasSubstr("-32602")));
  EXPECT_THAT(
      fixture.ask(client, R"({"id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.raw"]}})"),
      ElementsAre(HasSubstr("13778")));
}

TEST(DeribitVenue, ends_connections_that_ask_too_fast) {
  VenueFixture fixture("deribit");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/api/v2");
  constexpr std::string_view text =
      R"({"id":1,"method":"public/subscribe","params":{"channels":["quote.BTC-PERPETUAL"]}})";
  for (int i = 0; i < 10; ++i) EXPECT_THAT(fixture.ask(client, text).front(), HasSubstr("result"));
  EXPECT_THAT(fixture.ask(client, text), ElementsAre(HasSubstr("10028")));
  EXPECT_TRUE(fixture.outbox.closed.contains(client));
}

TEST(DeribitVenue, heartbeats_want_an_answer) {
  VenueFixture fixture("deribit");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/ws/api/v2");
  EXPECT_THAT(fixture.ask(client, R"({"id":1,"method":"public/set_heartbeat","params":{"interval":10}})"),
              ElementsAre(HasSubstr("\"ok\"")));
  fixture.run(milliseconds(10'100));
  EXPECT_THAT(fixture.outbox.take(client), ElementsAre(HasSubstr("\"heartbeat\""), HasSubstr("test_request")));
  EXPECT_THAT(fixture.ask(client, R"({"id":2,"method":"public/test"})"), ElementsAre(HasSubstr("version")));
  fixture.run(seconds(10));
  EXPECT_FALSE(fixture.outbox.closed.contains(client));
  fixture.run(seconds(10));
  EXPECT_TRUE(fixture.outbox.closed.contains(client));
}

TEST(Venue, unknown_exchange_names_the_nearest) {
  const auto dialect = make_dialect("binanse");
  ASSERT_FALSE(dialect);
  EXPECT_THAT(dialect.error().message, HasSubstr("\"binance\""));
}

TEST(Venue, connection_limit_and_limits_switched_off) {
  VenueFixture strict("deribit");
  strict.with_synthetic_market();
  int accepted = 0;
  for (int i = 0; i < 40; ++i) accepted += strict.connect("/ws/api/v2") != 0 ? 1 : 0;
  EXPECT_EQ(accepted, 32);
  EXPECT_EQ(strict.venue.counters().refused, 8U);
  VenueFixture loose("deribit", {.enforces_limits = false, .limits = {}, .faults = {}});
  loose.with_synthetic_market();
  for (int i = 0; i < 40; ++i) EXPECT_NE(loose.connect("/ws/api/v2"), 0U);
}

TEST(Venue, a_closed_client_gets_nothing_more) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream?streams=btcusdt@bookTicker");
  fixture.run(milliseconds(100));
  EXPECT_FALSE(fixture.outbox.sent.empty());
  fixture.venue.closed(client, fixture.moment);
  fixture.outbox.sent.clear();
  fixture.run(seconds(1));
  EXPECT_TRUE(fixture.outbox.sent.empty());
  EXPECT_EQ(fixture.venue.counters().open, 0U);
  EXPECT_EQ(fixture.venue.counters().subscribed, 0U);
  fixture.venue.receive(client, subscribe_trade, fixture.moment);
  fixture.venue.closed(client, fixture.moment);
  EXPECT_TRUE(fixture.outbox.sent.empty());
}

TEST(Venue, sends_no_market_data_while_somebody_cannot_take_it) {
  VenueFixture fixture("binance");
  fixture.with_synthetic_market();
  fixture.connect("/stream?streams=btcusdt@bookTicker");
  fixture.outbox.congested = true;
  fixture.run(seconds(1));
  EXPECT_TRUE(fixture.outbox.sent.empty());
  fixture.outbox.congested = false;
  fixture.run(seconds(1));
  EXPECT_FALSE(fixture.outbox.sent.empty());
}

TEST(SyntheticSource, the_rate_is_kept) {
  for (const double rate : {100.0, 20'000.0, 100'000.0}) {
    VenueFixture fixture("binance");
    fixture.with_synthetic_market({.messages_per_s = rate});
    fixture.connect("/stream?streams=btcusdt@bookTicker/btcusdt@trade/ethusdt@trade/ethusdt@depth@100ms");
    fixture.run(seconds(2));
    EXPECT_NEAR(static_cast<double>(fixture.outbox.sent.size()), rate * 2, rate * 0.02 + 20);
  }
}

TEST(SyntheticSource, the_same_seed_gives_the_same_frames) {
  const auto frames = [](std::uint64_t seed) {
    VenueFixture fixture("okx");
    fixture.with_synthetic_market({.seed = seed});
    const ClientId client = fixture.connect("/ws/v5/public");
    fixture.ask(
        client,
        R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"trades","instId":"ETH-USDT"}]})");
    fixture.run(seconds(3));
    return fixture.outbox.take(client);
  };
  const auto first = frames(9);
  EXPECT_GT(first.size(), 30U);
  EXPECT_EQ(first, frames(9));
  EXPECT_NE(first, frames(10));
}

}  // namespace
}  // namespace marketprism::emulator
