// WebSocket connections from a pool, in both ways: a connection of one's own, and streams that share connections.
//   websocket_pool ws://127.0.0.1:8080/stream
// The server is asked for a stream by the text "subscribe NAME" and answers "subscribed NAME", then "NAME: …" again and
// again; what a real one wants to hear is said in the handler, the pool knows nothing of it.
#include <iostream>

#include "marketprism/async/block_on.hpp"
#include "marketprism/net/websocket_connection_pool.hpp"

namespace mp = marketprism;

namespace {

class Handler final : public mp::net::WebSocketStreamHandler {
 public:
  mp::net::WebSocketConnectionPool* pool = nullptr;
  int messages = 0;

  std::string subscribe_text(std::span<const std::string> streams, std::int64_t) override {
    return "subscribe " + streams.front();
  }
  std::string unsubscribe_text(std::span<const std::string> streams, std::int64_t) override {
    return "unsubscribe " + streams.front();
  }
  void on_message(std::uint32_t connection, const mp::net::WebSocketReceived& message) override {
    if (message.data.starts_with("subscribed ")) return pool->acknowledge(connection, message.data.substr(11));
    std::cout << message.data << " (connection " << connection << ")\n";
    ++messages;
  }
  void on_stream_up(std::string_view stream, std::uint32_t) override { std::cout << stream << " is up\n"; }
  void on_dial_failed(const mp::Error& error) override { std::cerr << error.to_string() << "\n"; }
};

mp::async::Task<int> run(mp::async::EventLoop& loop, mp::net::WebSocketConnectionPool& pool, Handler& handler) {
  {
    auto lease = co_await pool.acquire();  // nobody else uses it until this ends
    if (!lease) {
      std::cerr << lease.error().to_string() << "\n";
      co_return 1;
    }
    static_cast<void>((*lease)->send_text("hello"));
    const auto read = co_await (*lease)->read_some();
    if (const auto* answer = read ? (*lease)->next_message() : nullptr) std::cout << "lent: " << answer->data << "\n";
  }
  for (const char* stream : {"trades", "book", "ticker"}) {
    if (auto placed = pool.subscribe(stream); !placed) std::cerr << placed.error().to_string() << "\n";
  }
  while (handler.messages < 9) co_await loop.sleep_for(std::chrono::milliseconds(10));
  const auto stats = pool.slot_stats();
  std::cout << stats.up << " streams on " << stats.connections << " connections\n";
  co_await pool.drain(loop.refresh_now() + std::chrono::seconds(5));
  co_return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const auto url = mp::wire::parse_url(count == 2 ? arguments[1] : "");
  if (!url) {
    std::cerr << url.error().to_string() << "\nusage: websocket_pool URL\n";
    return 2;
  }
  mp::async::EventLoop loop;
  mp::net::WebSocketPoolOptions options;
  options.config.connections.name = "venue";
  options.config.connections.max_size = 4;
  options.config.connections.min_size = 0;
  options.config.connections.max_lifetime = std::chrono::hours(23);  // the server cuts after 24
  options.config.slots.streams_per_connection = 2;
  options.config.slots.streams_per_message = 1;
  options.tls = mp::net::TlsContext::make_client().value();
  Handler handler;
  auto pool = mp::net::WebSocketConnectionPool::create(loop, options, {*url}, handler);
  if (!pool) {
    std::cerr << pool.error().to_string() << "\n";
    return 1;
  }
  handler.pool = &*pool;
  pool->start();
  return mp::async::block_on(loop, run(loop, *pool, handler));
}
