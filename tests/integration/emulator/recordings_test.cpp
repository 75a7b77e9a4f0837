// Real recordings, served over TLS: what comes out of the socket is what was recorded, byte for byte and in order.
// MARKETPRISM_RECORDINGS names their folder (default ../shared/recordings); without it these tests are skipped, with CI
// set they fail.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/tape/gzip.hpp"
#include "marketprism/tape/importer.hpp"
#include "tests/integration/emulator/emulator_client.hpp"

namespace marketprism::emulator {
namespace {

std::filesystem::path recordings() {
  const char* const named = std::getenv("MARKETPRISM_RECORDINGS");
  return named != nullptr ? named : "../shared/recordings";
}

std::string unzipped(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(file), {}};
  tape::GzipInflater inflater;
  std::string text;
  std::string_view input = packed;
  std::vector<char> piece(1 << 20);
  while (true) {
    const std::size_t count = inflater.inflate(input, piece).value();
    text.append(piece.data(), count);
    if (count == 0 && input.empty()) return text;
  }
}

struct Case {
  std::string_view folder;
  std::string_view exchange;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.exchange; }

class RecordingsTest : public testing::TestWithParam<Case>, public EmulatorClient {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = recordings() / "cryptofeed" / GetParam().folder;
    if (!std::filesystem::exists(folder)) {
      if (std::getenv("CI") != nullptr) FAIL() << "no recordings in " << folder;
      GTEST_SKIP() << "no recordings in " << folder << "; MARKETPRISM_RECORDINGS names their folder";
    }
    recording = make_recording(GetParam().exchange).value();
    for (const auto& entry : std::filesystem::directory_iterator(folder)) add(entry.path());
  }

  void add(const std::filesystem::path& path) {
    const std::string text = unzipped(path);
    const auto importer =
        tape::make_importer(*tape::detect_format(text), {.exchange = std::string(GetParam().exchange)});
    importer->feed(text);
    tape::Frame frame;
    while (importer->next(frame)) recording->add(frame);
    importer->finish();
    while (importer->next(frame)) recording->add(frame);
  }

  std::shared_ptr<Recording> recording;
};

using Received = std::map<std::string, std::vector<std::string>>;

net::Task<> collect(net::WebSocketConnection& connection, const Dialect& dialect, Received& received,
                    std::size_t& taken) {
  while (true) {
    const auto some = co_await connection.read_some();
    while (const auto message = connection.next_message()) {
      std::string stream = dialect.stream_of(message->data);
      if (stream.empty()) continue;
      received[std::move(stream)].emplace_back(message->data);
      ++taken;
    }
    if (!some) co_return;
  }
}

TEST_P(RecordingsTest, come_out_as_they_were_recorded) {
  const std::string exchange(GetParam().exchange);
  ASSERT_GT(recording->frames().size(), 100U);
  EmulatorOptions options;
  options.use_tls = true;
  options.venues.push_back(
      {.exchange = exchange, .recording = recording, .playing = {.speed = 0}, .rules = {.enforces_limits = false}});
  Emulator emulator(loop, options);
  ASSERT_TRUE(emulator.start());
  std::map<std::string, std::string> latest;
  for (const Recording::Answer& answer : recording->answers()) {
    std::string target = answer.query.path;
    for (const auto& [name, value] : answer.query.parameters) {
      target += (target.find('?') == std::string::npos ? "?" : "&") + name + "=" + value;
    }
    latest.try_emplace(target, recording->text(answer));
  }
  EXPECT_FALSE(latest.empty());
  for (const auto& [target, body] : latest) EXPECT_EQ(get(emulator, exchange, target).body, body) << target;

  const auto adapter = exchange::make_adapter(exchange).value();
  std::vector<std::unique_ptr<net::WebSocketConnection>> connections;
  for (const exchange::WebSocketUrl& url : adapter->facts().websockets) {
    const wire::Url parsed = wire::parse_url(std::string(url.url)).value();
    connections.push_back(open(emulator, exchange, parsed.path).value());
    if (exchange == "okx") break;  // all is on the first path here
  }
  for (const auto& connection : connections) {
    ASSERT_TRUE(connection->send_text(adapter->subscribe_text(recording->streams(), 1)));
  }
  std::size_t taken = 0;
  Received received;
  const auto dialect = make_dialect(exchange).value();
  const auto all_taken = [&] { return emulator.is_finished() && taken >= emulator.status()[0].progress.played; };
  for (const auto& connection : connections) {
    loop.spawn(collect(*connection, *dialect, received, taken));
  }
  while (!all_taken()) loop.context().run_one();
  EXPECT_EQ(emulator.status()[0].progress.skipped, 0U);
  ASSERT_EQ(taken, recording->frames().size());
  Received expected;
  for (const Recording::Frame& frame : recording->frames()) {
    expected[recording->streams()[frame.stream]].emplace_back(recording->text(frame));
  }
  EXPECT_EQ(received, expected);
}

INSTANTIATE_TEST_SUITE_P(exchanges, RecordingsTest,
                         testing::Values(Case{"BINANCE", "binance"}, Case{"BINANCE_US", "binance-us"},
                                         Case{"BINANCE_FUTURES", "binance-futures"},
                                         Case{"BINANCE_DELIVERY", "binance-delivery"}, Case{"OKX", "okx"},
                                         Case{"DERIBIT", "deribit"}),
                         [](const auto& info) { return std::string(info.param.folder); });

}  // namespace
}  // namespace marketprism::emulator
