// The other side of the examples: says its port, serves until its standard input ends.
#include <iostream>
#include <thread>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/websocket_server.hpp"

using namespace marketprism;

namespace {

async::Task<> talk(net::WebSocketConnection& connection, const net::HttpServerRequest&) {
  while (co_await connection.read_some()) {
    while (const auto* message = connection.next_message()) {
      const std::string text(message->data);
      if (!text.starts_with("subscribe ")) {
        static_cast<void>(connection.send_text(text + " yourself"));
        continue;
      }
      const std::string name = text.substr(10);
      static_cast<void>(connection.send_text("subscribed " + name));
      for (int i = 1; i <= 3; ++i) static_cast<void>(connection.send_text(name + ": " + std::to_string(i)));
    }
  }
}

}  // namespace

int main() {
  async::EventLoop loop;
  net::HttpServer server(loop, {});
  server.handle("GET", "/", [](const net::HttpServerRequest&) { return net::HttpReply{.body = "hello"}; });
  server.handle_upgrade("/stream", net::accept_websocket({}, talk));
  std::cout << server.listen().value() << std::endl;
  std::thread runner([&loop] { loop.run(); });
  std::cin.get();
  loop.stop();
  runner.join();
}
