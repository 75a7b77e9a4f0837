// The emulator's servers over real sockets, plain and TLS.
#include "marketprism/emulator/emulator.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/emulator/emulator_client.hpp"

namespace marketprism::emulator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view all_trades = "/stream?streams=btcusdt@trade/ethusdt@trade/solusdt@trade";

class EmulatorTest : public testing::TestWithParam<bool>, public EmulatorClient {
 protected:
  EmulatorOptions options(std::vector<std::string> exchanges) const {
    EmulatorOptions out;
    out.use_tls = GetParam();
    for (std::string& exchange : exchanges) out.venues.push_back({.exchange = std::move(exchange)});
    return out;
  }
};

TEST_P(EmulatorTest, one_port_serves_requests_and_streams) {
  Emulator emulator(loop, options({"binance", "okx", "deribit"}));
  ASSERT_TRUE(emulator.start());
  const Got list = get(emulator, "binance", "/api/v3/exchangeInfo");
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.used_weight, "20");
  EXPECT_THAT(list.body, HasSubstr("BTCUSDT"));
  EXPECT_EQ(get(emulator, "binance", "/api/v3/depth?symbol=NOSUCH").status, 400);
  EXPECT_THAT(get(emulator, "okx", "/api/v5/public/instruments?instType=SWAP").body, HasSubstr("BTC-USDT-SWAP"));
  EXPECT_THAT(get(emulator, "deribit", "/api/v2/public/get_instruments?currency=any").body, HasSubstr("BTC-PERPETUAL"));

  const auto connection = open(emulator, "binance", "/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms").value();
  ASSERT_TRUE(connection->send_text(R"({"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1})"));
  const auto texts = read(*connection, 200);
  EXPECT_THAT(texts, testing::Contains(R"({"result":null,"id":1})"));
  EXPECT_THAT(texts, testing::Contains(StartsWith(R"({"stream":"ethusdt@trade")")));
  EXPECT_THAT(texts, testing::Contains(StartsWith(R"({"stream":"btcusdt@depth@100ms")")));
  ASSERT_TRUE(run(connection->close(net::WebSocketCloseCode::normal, "", soon())));

  const auto okx = open(emulator, "okx", "/ws/v5/public").value();
  ASSERT_TRUE(okx->send_text("ping"));
  EXPECT_THAT(read(*okx, 1), ElementsAre("pong"));
  const std::vector<VenueStatus> status = emulator.status();
  EXPECT_EQ(status[0].counters.connections, 1U);
  EXPECT_EQ(status[0].counters.rest_requests, 2U);
  EXPECT_GE(status[0].counters.frames, 199U);
  EXPECT_EQ(status[0].counters.open, 0U);
  EXPECT_EQ(status[1].counters.open, 1U);
}

TEST_P(EmulatorTest, paths_that_do_not_exist_are_refused_before_the_upgrade) {
  Emulator emulator(loop, options({"okx"}));
  ASSERT_TRUE(emulator.start());
  const auto refused = open(emulator, "okx", "/ws/v5/nowhere");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::rejected);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("404"));
}

TEST_P(EmulatorTest, who_breaks_the_rules_is_closed_with_the_venue_s_code) {
  Emulator emulator(loop, options({"binance"}));
  ASSERT_TRUE(emulator.start());
  const auto connection = open(emulator, "binance", "/stream").value();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(connection->send_text(R"({"method":"LIST_SUBSCRIPTIONS","id":1})"));
  EXPECT_EQ(read(*connection, 100).size(), 5U);
  EXPECT_EQ(static_cast<int>(connection->close_code()), 1008);
  EXPECT_EQ(connection->close_reason(), "Too many requests");
}

TEST_P(EmulatorTest, compression_is_agreed_on) {
  EmulatorOptions wanted = options({"binance"});
  wanted.compress = true;
  Emulator emulator(loop, wanted);
  ASSERT_TRUE(emulator.start());
  const auto connection = open(emulator, "binance", all_trades, true).value();
  EXPECT_TRUE(connection->is_compressed());
  EXPECT_THAT(read(*connection, 50), testing::Each(StartsWith("{\"stream\":")));
}

TEST_P(EmulatorTest, faults_reach_the_socket) {
  EmulatorOptions wanted = options({"binance"});
  wanted.venues[0].rules.faults = {.half_frame = 1};
  Emulator emulator(loop, wanted);
  ASSERT_TRUE(emulator.start());
  auto connection = open(emulator, "binance", all_trades).value();
  EXPECT_TRUE(read(*connection, 1).empty());
  EXPECT_EQ(connection->close_code(), net::WebSocketCloseCode::abnormal);

  emulator.set_faults("binance", {.abort_after_frames = 7});
  connection = open(emulator, "binance", all_trades).value();
  EXPECT_EQ(read(*connection, 100).size(), 7U);
  EXPECT_EQ(connection->close_code(), net::WebSocketCloseCode::abnormal);

  emulator.set_faults("binance", {.stall_after_frames = 3});
  connection = open(emulator, "binance", all_trades).value();
  EXPECT_EQ(read(*connection, 3).size(), 3U);
  // Nothing comes any more, pongs neither, but the connection is open.
  ASSERT_TRUE(connection->send_ping("x"));
  const auto pongs = connection->statistics().pongs_received;
  run(loop.sleep_for(std::chrono::milliseconds(100)));
  EXPECT_FALSE(connection->next_message());
  EXPECT_EQ(connection->statistics().pongs_received, pongs);
  EXPECT_TRUE(connection->is_open());

  emulator.set_faults("binance", {.refuse_upgrades = 1});
  const auto refused = open(emulator, "binance", "/stream");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("503"));
  EXPECT_TRUE(open(emulator, "binance", "/stream"));
}

TEST_P(EmulatorTest, a_venue_can_go_away_and_come_back) {
  Emulator emulator(loop, options({"binance"}));
  ASSERT_TRUE(emulator.start());
  const std::uint16_t port = emulator.port("binance");
  const auto connection = open(emulator, "binance", all_trades).value();
  EXPECT_EQ(read(*connection, 5).size(), 5U);
  emulator.warn_all("binance");
  bool was_warned = false;
  for (int i = 0; i < 1000 && !was_warned; ++i) {
    for (const std::string& text : read(*connection, 1)) was_warned = text.starts_with(R"({"e":"serverShutdown")");
  }
  EXPECT_TRUE(was_warned);
  emulator.refuse_connections("binance");
  emulator.cut_all("binance");
  read(*connection, SIZE_MAX);
  EXPECT_EQ(connection->close_code(), net::WebSocketCloseCode::abnormal);
  const auto refused = open(emulator, "binance", "/stream");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::connection_refused);
  ASSERT_TRUE(emulator.accept_again("binance"));
  EXPECT_EQ(emulator.port("binance"), port);
  EXPECT_TRUE(open(emulator, "binance", "/stream"));
}

TEST_P(EmulatorTest, a_recording_waits_for_a_slow_client_and_loses_nothing) {
  EmulatorOptions wanted = options({"binance"});
  wanted.congestion_bytes = 64 * 1024;
  auto recording = make_recording("binance").value();
  const std::string filler(2'000, 'x');
  constexpr std::size_t count = 20'000;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string frame = R"({"stream":"a@trade","data":{"t":)" + std::to_string(i) + R"(,"x":")" + filler + "\"}}";
    recording->add({.receive_time = unix_time_ms(static_cast<std::int64_t>(i)), .payload = frame});
  }
  wanted.venues[0].recording = recording;
  wanted.venues[0].playing.speed = 0;
  Emulator emulator(loop, wanted);
  ASSERT_TRUE(emulator.start());
  const auto connection = open(emulator, "binance", "/stream?streams=a@trade").value();
  run(loop.sleep_for(std::chrono::milliseconds(300)));  // takes nothing for a while
  EXPECT_LT(emulator.status()[0].progress.played, count);
  const auto texts = read(*connection, count);
  ASSERT_EQ(texts.size(), count);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(texts[i], recording->text(recording->frames()[i]));
  EXPECT_TRUE(emulator.is_finished());
  EXPECT_TRUE(connection->is_open());
}

TEST_P(EmulatorTest, errors_at_the_start) {
  Emulator first(loop, options({"binance"}));
  ASSERT_TRUE(first.start());
  EmulatorOptions taken = options({"okx"});
  taken.venues[0].port = first.port("binance");
  const Result<> in_use = Emulator(loop, taken).start();
  ASSERT_FALSE(in_use);
  EXPECT_EQ(in_use.error().code, ErrorCode::already_exists);
  EXPECT_THAT(in_use.error().to_string(), HasSubstr(std::to_string(first.port("binance"))));
  const Result<> unknown = Emulator(loop, options({"okex"})).start();
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean \"okx\""));
  EXPECT_FALSE(Emulator(loop, options({"okx", "okx"})).start());
}

TEST_P(EmulatorTest, can_be_destroyed_with_open_connections) {
  auto emulator = std::make_unique<Emulator>(loop, options({"binance"}));
  ASSERT_TRUE(emulator->start());
  const auto connection = open(*emulator, "binance", all_trades).value();
  EXPECT_EQ(read(*connection, 5).size(), 5U);
  emulator.reset();
  read(*connection, SIZE_MAX);
  EXPECT_FALSE(connection->is_open());
}

// A program that is told to end: the loop stops first and never runs again.
TEST_P(EmulatorTest, can_be_destroyed_on_a_loop_that_stands_still) {
  auto other = std::make_unique<async::EventLoop>();
  {
    Emulator emulator(*other, options({"binance", "okx"}));
    ASSERT_TRUE(emulator.start());
    net::WebSocketConnectTarget target;
    target.url = wire::parse_url(emulator.websocket_url("binance") + std::string(all_trades)).value();
    target.tls = client_tls(emulator);
    const Instant deadline = other->refresh_now() + std::chrono::seconds(20);
    const auto connection =
        async::block_on(*other, net::WebSocketConnection::connect(*other, std::move(target), deadline)).value();
    ASSERT_TRUE(async::block_on(*other, connection->read_some()));
  }
  other.reset();
}

TEST(EmulatorFiles, the_certificate_is_written_for_clients) {
  async::EventLoop loop;
  const std::string folder = testing::TempDir() + "emulator_certificate";
  std::filesystem::create_directories(folder);
  EmulatorOptions options;
  options.use_tls = true;
  options.certificate_folder = folder;
  options.venues.push_back({.exchange = "okx"});
  Emulator emulator(loop, options);
  ASSERT_TRUE(emulator.start());
  std::ifstream file(folder + "/ca.pem");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, emulator.ca_pem());
  EXPECT_THAT(text, StartsWith("-----BEGIN CERTIFICATE-----"));
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(transports, EmulatorTest, testing::Bool(),
                         [](const auto& info) { return info.param ? std::string("tls") : std::string("tcp"); });

}  // namespace
}  // namespace marketprism::emulator
