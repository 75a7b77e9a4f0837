// A synthetic venue and one client on one event loop and core, over loopback: how many frames a second get through,
// both ends included.
#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/emulator/emulator.hpp"
#include "marketprism/net/websocket_connection.hpp"

namespace marketprism::emulator {
namespace {

net::Task<> take(net::WebSocketConnection& connection, std::int64_t& count) {
  while (co_await connection.read_some()) {
    while (connection.next_message()) ++count;
  }
}

// Argument: 0 plain, 1 TLS. The market is asked for far more than a core can do.
void loopback(benchmark::State& state) {
  async::EventLoop loop;
  EmulatorOptions options;
  options.use_tls = state.range(0) != 0;
  options.venues.push_back({.exchange = "binance", .market = {.messages_per_s = 3'000'000}});
  Emulator emulator(loop, options);
  if (!emulator.start()) return state.SkipWithError("no emulator");
  net::WebSocketConnectTarget target;
  target.url = wire::parse_url(emulator.websocket_url("binance") +
                               "/stream?streams=btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms/ethusdt@trade/"
                               "ethusdt@bookTicker/ethusdt@depth@100ms")
                   .value();
  if (options.use_tls) {
    net::TlsClientOptions trust;
    trust.ca_pem = emulator.ca_pem();
    target.tls = net::TlsContext::make_client(trust).value();
  }
  const Instant deadline = loop.refresh_now() + std::chrono::seconds(10);
  const auto connection =
      async::block_on(loop, net::WebSocketConnection::connect(loop, std::move(target), deadline)).value();
  std::int64_t count = 0;
  loop.spawn(take(*connection, count));
  for (auto _ : state) {
    const std::int64_t before = count;
    while (count < before + 10'000 && connection->is_open()) loop.context().run_one();
  }
  if (!connection->is_open()) return state.SkipWithError("cut");
  state.SetItemsProcessed(count);
}
BENCHMARK(loopback)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

}  // namespace
}  // namespace marketprism::emulator
