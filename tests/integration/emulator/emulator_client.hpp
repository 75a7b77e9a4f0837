#pragma once
#include <string>
#include <vector>

#include "marketprism/emulator/emulator.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::emulator {

/// A client on the same loop as the emulator it talks to.
class EmulatorClient : public net::LoopFixture {
 public:
  net::TlsContextPtr client_tls(const Emulator& emulator) {
    if (emulator.ca_pem().empty()) return nullptr;
    net::TlsClientOptions options;
    options.use_system_authorities = false;
    options.ca_pem = emulator.ca_pem();
    return net::TlsContext::make_client(options).value();
  }

  Result<std::unique_ptr<net::WebSocketConnection>> open(const Emulator& emulator, std::string_view exchange,
                                                         std::string_view path, bool compress = false) {
    net::WebSocketConnectTarget target;
    target.url = wire::parse_url(emulator.websocket_url(exchange) + std::string(path)).value();
    target.tls = client_tls(emulator);
    if (compress) target.deflate.emplace();
    return run(net::WebSocketConnection::connect(loop, std::move(target), soon()));
  }

  /// Status, body and the value of a header, of a GET request.
  struct Got {
    int status = 0;
    std::string body;
    std::string used_weight;
  };
  Got get(const Emulator& emulator, std::string_view exchange, std::string_view target) {
    net::ConnectTarget to;
    to.host = "127.0.0.1";
    to.port = emulator.port(exchange);
    to.tls = client_tls(emulator);
    const auto connection = run(net::HttpConnection::connect(loop, to, soon())).value();
    net::HttpRequest request;
    request.target = target;
    const std::string bytes = net::make_http_request("127.0.0.1", request).value();
    const auto response = run(connection->send(bytes));
    if (!response) return {.status = 0, .body = response.error().message};
    return {(*response)->status(), (*response)->body,
            std::string((*response)->head.find("X-MBX-USED-WEIGHT-1M").value_or(""))};
  }

  /// Messages until there are `count` or the connection ends; the end is left in `end`.
  std::vector<std::string> read(net::WebSocketConnection& connection, std::size_t count) {
    std::vector<std::string> texts;
    while (texts.size() < count) {
      while (texts.size() < count) {
        const auto message = connection.next_message();
        if (!message) break;
        texts.emplace_back(message->data);
      }
      if (texts.size() == count) break;
      const auto received = run(connection.read_some());
      if (received) continue;
      end = received.error();
      break;
    }
    return texts;
  }

  Error end;
};

}  // namespace marketprism::emulator
