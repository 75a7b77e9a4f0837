// Once warm, a synthetic venue allocates nothing for a frame of market data.

#include <gtest/gtest.h>

#include "marketprism/emulator/synthetic_source.hpp"
#include "marketprism/emulator/venue.hpp"
#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::emulator {
namespace {

class Nowhere final : public Outbox {
 public:
  void send_text(ClientId, std::string_view text) override { bytes += text.size(); }
  void close(ClientId, int, std::string_view) override {}
  void abort(ClientId) override {}
  void abort_inside(ClientId, std::string_view) override {}
  void stall(ClientId) override {}
  bool is_congested() const override { return false; }
  std::size_t bytes = 0;
};

struct Row {
  const char* exchange;
  const char* path;
  const char* subscribe;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.exchange; }

class SyntheticAllocation : public testing::TestWithParam<Row> {};

TEST_P(SyntheticAllocation, none_once_warm) {
  ASSERT_TRUE(memory::counts_allocations());
  Nowhere nowhere;
  Venue venue(*make_dialect(GetParam().exchange), nowhere);
  Moment moment{Instant(std::chrono::hours(1)), unix_time_ms(1'795'000'000'000)};
  venue.set_source(
      std::make_unique<SyntheticSource>(GetParam().exchange, SyntheticSourceOptions{.messages_per_s = 5'000},
                                        venue.streams(), venue, moment),
      false);
  ASSERT_FALSE(venue.opened(1, GetParam().path, moment));
  venue.receive(1, GetParam().subscribe, moment);
  const auto run = [&](int ticks) {
    for (int i = 0; i < ticks; ++i) {
      moment.now += std::chrono::milliseconds(5);
      moment.utc += std::chrono::milliseconds(5);
      venue.advance(moment);
    }
  };
  run(4'000);
  const memory::AllocationCounter allocations;
  const std::size_t bytes_before = nowhere.bytes;
  run(1'000);
  EXPECT_EQ(allocations.count(), 0U);
  EXPECT_GT(nowhere.bytes, bytes_before + 1'000'000);
}

INSTANTIATE_TEST_SUITE_P(
    Venues, SyntheticAllocation,
    testing::Values(
        Row{"binance", "/ws/btcusdt@depth@100ms",
            R"({"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@bookTicker","btcusdt@kline_1m"],"id":1})"},
        Row{"okx", "/ws/v5/public",
            R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"trades","instId":"BTC-USDT"},{"channel":"bbo-tbt","instId":"BTC-USDT"}]})"},
        Row{"deribit", "/ws/api/v2",
            R"({"id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.100ms","trades.BTC-PERPETUAL.100ms","quote.BTC-PERPETUAL"]}})"}),
    [](const auto& info) { return std::string(info.param.exchange); });

}  // namespace
}  // namespace marketprism::emulator
