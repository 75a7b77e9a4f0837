// How fast one connection takes in 200-byte text messages, next to a raw read of the same bytes. The sender is a thread
// that writes the same block over and over; what counts is the CPU time of the reading thread.
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "marketprism/async/block_on.hpp"
#include "marketprism/net/self_signed.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/net/websocket_server.hpp"
#include "marketprism/wire/websocket_handshake.hpp"

namespace marketprism::net {
namespace {

constexpr std::size_t message_bytes = 200;
constexpr std::size_t messages_per_block = 1300;

std::string make_block() {
  std::string block;
  wire::WebSocketFrameHeader header;
  for (std::size_t i = 0; i < messages_per_block; ++i) {
    std::string payload =
        R"({"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"16578.50","q":"0.001","T":1672515782136})";
    payload.resize(message_bytes, ' ');
    wire::append_frame(block, header, payload);
  }
  return block;
}

void write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// Accepts one connection, answers the handshake if there is one, then sends blocks until the peer is gone.
class Firehose {
 public:
  explicit Firehose(bool shakes_hands) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 1) != 0)
      std::abort();
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, shakes_hands] { serve(shakes_hands); });
  }
  ~Firehose() {
    is_over_ = true;
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void serve(bool shakes_hands) {
    const int socket = ::accept(listener_, nullptr, nullptr);
    if (shakes_hands) {
      std::string text;
      std::array<char, 4096> buffer;
      while (text.find("\r\n\r\n") == std::string::npos) {
        const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (count <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(count));
      }
      const wire::WebSocketPolicy policy;
      write_all(socket, wire::answer_websocket_request(wire::parse_request_head(text).value(), policy).response);
    }
    const std::string block = make_block();
    while (!is_over_) {
      const ssize_t sent = ::send(socket, block.data(), block.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      write_all(socket, std::string_view(block).substr(static_cast<std::size_t>(sent)));
    }
    ::close(socket);
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

async::Task<> take(WebSocketConnection& connection, std::size_t count) {
  std::size_t seen = 0;
  std::size_t bytes = 0;
  while (seen < count) {
    const auto received = co_await connection.read_some();
    if (!received) std::abort();
    while (const auto message = connection.next_message()) {
      ++seen;
      bytes += message->data.size();
    }
  }
  benchmark::DoNotOptimize(bytes);
}

void websocket_ingest(benchmark::State& state) {
  Firehose firehose(true);
  async::EventLoop loop;
  WebSocketConnectTarget target;
  target.url = wire::parse_url("ws://127.0.0.1:" + std::to_string(firehose.port()) + "/").value();
  auto connection = async::block_on(loop, WebSocketConnection::connect(loop, std::move(target),
                                                                       loop.now() + std::chrono::seconds(10)))
                        .value();
  constexpr std::size_t batch = 1'000'000;
  std::int64_t messages = 0;
  for (auto _ : state) {
    async::block_on(loop, take(*connection, batch));
    messages += batch;
  }
  state.SetItemsProcessed(messages);
  state.counters["reads_per_M"] =
      static_cast<double>(connection->statistics().reads) * 1e6 / static_cast<double>(messages);
  connection.reset();
}
BENCHMARK(websocket_ingest)->Unit(benchmark::kMillisecond);

void raw_read(benchmark::State& state) {
  Firehose firehose(false);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(firehose.port());
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  std::vector<char> buffer(256 * 1024);
  constexpr std::size_t batch_bytes = 1'000'000 * (message_bytes + 4);
  std::int64_t messages = 0;
  for (auto _ : state) {
    for (std::size_t bytes = 0; bytes < batch_bytes;) {
      const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (count <= 0) std::abort();
      bytes += static_cast<std::size_t>(count);
    }
    messages += 1'000'000;
  }
  state.SetItemsProcessed(messages);
  ::close(socket);
}
BENCHMARK(raw_read)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace marketprism::net
