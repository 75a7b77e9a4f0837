// GET of 200 bytes over kept connections: 64 clients on one loop against our server on another thread. What counts is
// the CPU time of the clients' thread a request.
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/runtime.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/self_signed.hpp"

namespace marketprism::net {
namespace {

async::Task<> ask(async::EventLoop& loop, HttpConnection& connection, std::string_view request, std::size_t count,
                  std::size_t& left) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto response = co_await connection.send(request);
    if (!response || (*response)->body.size() != 200) std::abort();
  }
  if (--left == 0) loop.stop();
}

void http_get(benchmark::State& state, bool tls) {
  const SelfSigned certificates = make_self_signed().value();
  async::Runtime server_runtime;
  HttpServerOptions options;
  if (tls) options.tls = TlsContext::make_server(certificates.server_options()).value();
  HttpServer server(server_runtime.loop(0), options);
  server.handle("GET", "/t", [](const HttpServerRequest&) {
    HttpReply reply;
    reply.body.assign(200, 'x');
    return reply;
  });
  const auto port = server.listen().value();
  server_runtime.start();

  async::EventLoop loop;
  ConnectTarget target;
  target.host = "127.0.0.1";
  target.port = port;
  if (tls) {
    TlsClientOptions client;
    client.ca_pem = certificates.ca_pem;
    target.tls = TlsContext::make_client(client).value();
  }
  std::vector<std::unique_ptr<HttpConnection>> connections;
  for (int i = 0; i < 64; ++i) {
    connections.push_back(
        async::block_on(loop, HttpConnection::connect(loop, target, loop.refresh_now() + std::chrono::seconds(10)))
            .value());
  }
  HttpRequest request;
  request.target = "/t";
  const std::string text = make_http_request("127.0.0.1", request).value();
  constexpr std::size_t per_connection = 200;
  std::int64_t requests = 0;
  for (auto _ : state) {
    std::size_t left = connections.size();
    for (auto& connection : connections) loop.spawn(ask(loop, *connection, text, per_connection, left));
    loop.run();
    requests += static_cast<std::int64_t>(per_connection * connections.size());
  }
  state.SetItemsProcessed(requests);
  connections.clear();
  server_runtime.stop();
  server_runtime.join();
}
void http_get_tcp(benchmark::State& state) { http_get(state, false); }
void http_get_tls(benchmark::State& state) { http_get(state, true); }
BENCHMARK(http_get_tcp)->Unit(benchmark::kMillisecond);
BENCHMARK(http_get_tls)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace marketprism::net
