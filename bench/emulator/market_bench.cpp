// What the synthetic market and the venue around it cost without sockets: one order, one frame.
#include <benchmark/benchmark.h>

#include "marketprism/emulator/synthetic_source.hpp"
#include "marketprism/emulator/venue.hpp"

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

void order(benchmark::State& state) {
  SyntheticMarket market(synthetic_instruments("binance", unix_time_ms(1'795'000'000'000)), {});
  std::int64_t time_ns = 1'795'000'000'000'000'000;
  for (auto _ : state) benchmark::DoNotOptimize(market.step(unix_time_ns(time_ns += 10'000)));
}
BENCHMARK(order);

// Frames of trades, best prices and book changes of two symbols, 5 ms at a time at 100,000 a second.
void frame(benchmark::State& state) {
  Nowhere nowhere;
  Venue venue(*make_dialect("binance"), nowhere);
  Moment moment{Instant(std::chrono::hours(1)), unix_time_ms(1'795'000'000'000)};
  const SyntheticSourceOptions options{.messages_per_s = 100'000};
  venue.set_source(std::make_unique<SyntheticSource>("binance", options, venue.streams(), venue, moment), false);
  venue.opened(1,
               "/stream?streams=btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms/ethusdt@trade/ethusdt@bookTicker/"
               "ethusdt@depth@100ms",
               moment);
  for (auto _ : state) {
    moment.now += std::chrono::milliseconds(5);
    moment.utc += std::chrono::milliseconds(5);
    venue.advance(moment);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(venue.counters().frames));
  state.SetBytesProcessed(static_cast<std::int64_t>(nowhere.bytes));
}
BENCHMARK(frame);

}  // namespace
}  // namespace marketprism::emulator
