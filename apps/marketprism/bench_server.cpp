#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cstdio>
#include <span>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/emulator/emulator.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/self_signed.hpp"
#include "marketprism/wire/websocket_frame.hpp"
#include "marketprism/wire/websocket_handshake.hpp"

namespace marketprism::app {

void add_bench_server(CLI::App& bench, Action& action);

namespace {

constexpr std::size_t message_bytes = 200;
constexpr std::size_t frame_bytes = message_bytes + 4;
constexpr std::size_t frames_per_block = 1284;  // 256 KiB

std::string padded(std::string json) {
  json.resize(message_bytes - 2, ' ');
  return json += R"("})";
}

std::string get_body() {
  return padded(R"({"symbol":"BTCUSDT","id":28457,"price":"43123.01","qty":"0.0012","quoteQty":"51.747612",)"
                R"("time":1499865549590,"isBuyerMaker":true,"isBestMatch":true,"pad":")");
}

std::string firehose_block() {
  const std::string payload =
      padded(R"({"e":"trade","E":1633998512068,"s":"BTCUSDT","t":1089231123,"p":"57201.45","q":"0.0012",)"
             R"("T":1633998512067,"m":true,"M":true,"pad":")");
  std::string block;
  for (std::size_t i = 0; i < frames_per_block; ++i) wire::append_frame(block, {}, payload);
  return block;
}

// One frame a line, as they stand in a tape of Binance's combined streams.
std::string trades_page() {
  std::string page;
  for (int i = 0; i < 40; ++i) {
    page += fmt::format(
        R"({{"stream":"btcusdt@trade","data":{{"e":"trade","E":{0},"s":"BTCUSDT","t":{1},"p":"57201.{2:02}000000",)"
        R"("q":"0.00{3:02}0000","T":{0},"m":{4},"M":true}}}})"
        "\n",
        1633998512000 + i, 1089231123 + i, i, 99 - i, i % 2 == 0);
  }
  return page;
}

std::size_t count_in(std::string_view query) {
  const std::size_t at = query.starts_with("n=") ? 0 : query.find("&n=") + 1;
  std::size_t count = 0;
  if (query.size() < at + 2) return 0;
  std::from_chars(query.data() + at + 2, query.data() + query.size(), count);
  return count;
}

/// Sends blocks that were made before, so that the server is never what limits.
async::Task<> pour(net::TransportPtr transport, std::string answer, const std::string& block, std::size_t messages) {
  auto sent = co_await transport->write(answer);
  for (std::size_t left = messages; sent && left > 0;) {
    const std::size_t count = std::min(left, frames_per_block);
    sent = co_await transport->write(std::string_view(block).substr(0, count * frame_bytes));
    left -= count;
  }
  std::string close;
  wire::WebSocketFrameHeader header;
  header.opcode = wire::WebSocketOpcode::close;
  wire::append_frame(close, header, "\x03\xe8");
  if (sent) sent = co_await transport->write(close);
  std::array<std::byte, 64> rest{};
  while (sent && co_await transport->read_some(rest)) continue;  // the client ends it
}

void add_routes(net::HttpServer& server, const std::string& block) {
  server.handle("GET", bench_get_path, [body = get_body()](const net::HttpServerRequest&) {
    net::HttpReply reply;
    reply.body = body;
    return reply;
  });
  server.handle("GET", bench_trades_path, [page = trades_page()](const net::HttpServerRequest&) {
    net::HttpReply reply;
    reply.body = page;
    return reply;
  });
  server.handle_upgrade(
      bench_firehose_path,
      [&block](const net::HttpServerRequest& request, net::TransportPtr transport, std::string) -> async::Task<> {
        const wire::WebSocketPolicy policy;
        wire::WebSocketAnswer answer = wire::answer_websocket_request(request.head.to_request_head(), policy);
        const std::size_t messages = answer.is_accepted() ? count_in(request.head.query()) : 0;
        return pour(std::move(transport), std::move(answer.response), block, messages);
      });
}

emulator::EmulatorOptions emulated_binance(const net::TlsServerOptions& certificate, bool use_tls) {
  emulator::EmulatorOptions options;
  emulator::EmulatedVenue venue;
  venue.exchange = "binance";
  venue.rules.enforces_limits = false;
  options.venues.push_back(std::move(venue));
  options.certificate = certificate;
  options.use_tls = use_tls;
  return options;
}

/// Waits for the end of the input: whoever started the server has closed it, or is gone.
async::Task<> stop_at_end_of_input(async::EventLoop& loop) {
  using boost::asio::as_tuple, boost::asio::deferred;
  using Input = boost::asio::posix::basic_stream_descriptor<async::Executor>;
  Input input(loop.executor(), ::dup(STDIN_FILENO));
  std::array<char, 64> buffer{};
  while (true) {
    const auto [error, count] = co_await input.async_read_some(boost::asio::buffer(buffer), as_tuple(deferred));
    if (error) break;
  }
  loop.stop();
}

Result<> serve() {
  const auto certificates = net::make_self_signed();
  if (!certificates) return std::unexpected(certificates.error());
  const net::TlsServerOptions certificate = certificates->server_options();
  auto tls = net::TlsContext::make_server(certificate);
  if (!tls) return std::unexpected(tls.error());
  const std::string block = firehose_block();
  async::EventLoop loop;
  net::HttpServerOptions options;
  net::HttpServer plain(loop, options);
  options.tls = *tls;
  net::HttpServer secure(loop, options);
  add_routes(plain, block);
  add_routes(secure, block);
  emulator::Emulator plain_emulator(loop, emulated_binance(certificate, false));
  emulator::Emulator secure_emulator(loop, emulated_binance(certificate, true));
  const auto plain_port = plain.listen();
  if (!plain_port) return std::unexpected(plain_port.error());
  const auto secure_port = secure.listen();
  if (!secure_port) return std::unexpected(secure_port.error());
  if (auto started = plain_emulator.start(); !started) return started;
  if (auto started = secure_emulator.start(); !started) return started;
  fmt::print("{} {} {} {}\n{}", *plain_port, *secure_port, plain_emulator.port("binance"),
             secure_emulator.port("binance"), certificates->ca_pem);
  std::fclose(stdout);
  loop.spawn(stop_at_end_of_input(loop));
  loop.run();
  return {};
}

}  // namespace

void add_bench_server(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("server", "The other side of the other benchmarks, which start it themselves");
  verb->group("");  // not for people
  verb->callback([&action] {
    action = [] {
      const auto served = serve();
      if (!served) complain(served.error().to_string());
      return served ? exit_success : exit_failure;
    };
  });
}

}  // namespace marketprism::app
