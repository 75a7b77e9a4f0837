#pragma once
#include <memory>
#include <string>
#include <vector>

#include "marketprism/wire/http_message.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {

/// Reads exactly so many bytes, or fewer if the peer closes.
inline Task<std::string> read_bytes(Socket& socket, std::size_t count) {
  std::string text;
  std::array<std::byte, 4096> buffer;
  while (text.size() < count) {
    const auto got = co_await socket.read_some(std::span(buffer).first(std::min(count - text.size(), buffer.size())));
    if (!got) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), *got);
  }
  co_return text;
}

inline Task<> pump(Socket& from, Socket& to) {
  std::array<std::byte, 16 * 1024> buffer;
  while (true) {
    const auto count = co_await from.read_some(buffer);
    if (!count) break;
    send_text(to, std::string_view(reinterpret_cast<const char*>(buffer.data()), *count));
  }
  to.shutdown_send();
}

/// Connects to a host of this machine and carries bytes to and fro until both sides have ended.
class Relay {
 public:
  explicit Relay(EventLoop& loop) : there_(std::make_shared<There>(loop)) {}
  Task<bool> connect(std::uint16_t port) {
    const auto address = boost::asio::ip::make_address("127.0.0.1");
    const auto connected = co_await there_->socket.connect(Socket::Endpoint(address, port), 0);
    co_return connected.has_value();
  }
  Task<> run(Socket& client) {
    client.loop().spawn([](std::shared_ptr<There> there, Socket& to) -> Task<> {
      co_await pump(there->socket, to);
      there->ended.set();
    }(there_, client));
    co_await pump(client, there_->socket);
    co_await there_->ended.wait();
  }

 private:
  struct There {
    explicit There(EventLoop& loop) : socket(loop, "relay"), ended(loop) {}
    Socket socket;
    async::Signal ended;
  };
  std::shared_ptr<There> there_;
};

/// Proxies that do what they should. They note who was asked for; every name is this machine.
class TestProxy {
 public:
  enum class Kind { http, socks5 };
  TestProxy(EventLoop& loop, Kind kind, std::string user_and_password = "")
      : credentials_(std::move(user_and_password)),
        peer_(
            loop,
            [this, kind](Socket& socket) { return kind == Kind::http ? serve_http(socket) : serve_socks(socket); },
            RawPeer::Order::side_by_side) {}

  [[nodiscard]] std::uint16_t port() const { return peer_.port(); }
  [[nodiscard]] const std::vector<std::string>& asked() const { return asked_; }
  [[nodiscard]] const std::string& last_head() const { return head_; }
  [[nodiscard]] int connections() const { return peer_.connections(); }

  bool refuses_tunnels = false;

 private:
  Task<> serve_http(Socket& socket) {
    bool goes_on = true;
    while (goes_on) goes_on = co_await serve_http_request(socket);
  }

  // Whether another request may follow: not after a tunnel.
  Task<bool> serve_http_request(Socket& socket) {
    std::string text = co_await read_until(socket, "\r\n\r\n");
    head_ = text.substr(0, text.find("\r\n\r\n") + 4);
    const auto head = wire::parse_request_head(head_);
    if (!head) co_return false;
    if (!credentials_.empty() && head->headers.find("Proxy-Authorization") != "Basic " + credentials_) {
      send_text(socket, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
      co_return true;
    }
    asked_.push_back(head->target);
    if (head->method != "CONNECT") co_return co_await forward(socket, *head, text.substr(head_.size()));
    if (refuses_tunnels) {
      send_text(socket, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      co_return false;
    }
    Relay relay(socket.loop());
    const bool is_connected = co_await relay.connect(port_of(head->target));
    if (!is_connected) {
      send_text(socket, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      co_return false;
    }
    send_text(socket, "HTTP/1.1 200 Connection established\r\n\r\n");
    co_await relay.run(socket);
    co_return false;
  }

  // RFC 9112, section 3.2.2: what is to be fetched stands in the target.
  static Task<bool> forward(Socket& socket, wire::HttpRequestHead head, std::string body) {
    constexpr std::string_view scheme = "http://";
    if (!head.target.starts_with(scheme)) {
      send_text(socket, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
      co_return true;
    }
    const std::size_t path = std::min(head.target.find('/', scheme.size()), head.target.size());
    const std::string authority = head.target.substr(scheme.size(), path - scheme.size());
    head.target.erase(0, path);
    if (head.target.empty()) head.target = head.method == "OPTIONS" ? "*" : "/";
    head.headers.remove("Proxy-Authorization");
    head.headers.set("Host", authority);
    head.headers.add("Connection", "close");
    const std::size_t length = std::stoul(std::string(head.headers.find("Content-Length").value_or("0")));
    const std::string more = co_await read_bytes(socket, length - std::min(length, body.size()));
    body += more;
    std::string text;
    if (!wire::append_head(text, head)) co_return false;
    Socket origin(socket.loop(), authority);
    const auto address = boost::asio::ip::make_address("127.0.0.1");
    const auto connected = co_await origin.connect(Socket::Endpoint(address, port_of(authority)), 0);
    if (!connected) {
      send_text(socket, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      co_return true;
    }
    send_text(origin, text + body);
    std::string answer = co_await read_to_end(origin);
    const std::string_view closes = "Connection: close\r\n";
    if (const std::size_t at = answer.find(closes); at != std::string::npos) answer.erase(at, closes.size());
    send_text(socket, answer);
    co_return true;
  }

  Task<> serve_socks(Socket& socket) {
    const std::string greeting = co_await read_bytes(socket, 2);
    if (greeting.size() < 2) co_return;
    const std::string methods = co_await read_bytes(socket, static_cast<unsigned char>(greeting[1]));
    if (credentials_.empty()) {
      send_text(socket, std::string_view("\x05\x00", 2));
    } else {
      if (methods.find('\x02') == std::string::npos) {
        send_text(socket, "\x05\xFF");
        co_return;
      }
      send_text(socket, "\x05\x02");
      const std::string expected = credentials_;  // "\x01" + counted user + counted password
      const std::string given = co_await read_bytes(socket, expected.size());
      send_text(socket, given == expected ? std::string_view("\x01\x00", 2) : std::string_view("\x01\x01", 2));
      if (given != expected) co_return;
    }
    co_await serve_socks_request(socket);
  }

  Task<> serve_socks_request(Socket& socket) {
    const std::string head = co_await read_bytes(socket, 4);
    if (head.size() < 4) co_return;
    std::string host;
    if (head[3] == 3) {
      const std::string count = co_await read_bytes(socket, 1);
      host = co_await read_bytes(socket, static_cast<unsigned char>(count[0]));
    } else {
      host = co_await read_bytes(socket, head[3] == 1 ? 4 : 16);
      host = head[3] == 1 ? "an IPv4 address" : "an IPv6 address";
    }
    const std::string port = co_await read_bytes(socket, 2);
    const auto number =
        static_cast<std::uint16_t>((static_cast<unsigned char>(port[0]) << 8) | static_cast<unsigned char>(port[1]));
    asked_.push_back(host + ":" + std::to_string(number));
    Relay relay(socket.loop());
    const bool is_connected = co_await relay.connect(number);
    // The address it connects from, as a name: the longest form of the answer.
    send_text(socket, std::string_view(
                          is_connected ? "\x05\x00\x00\x03\x04host\x12\x34" : "\x05\x05\x00\x03\x04host\x12\x34", 11));
    if (is_connected) co_await relay.run(socket);
  }

  static std::uint16_t port_of(const std::string& target) {
    const std::size_t colon = target.find(':', target.starts_with('[') ? target.find(']') : 0);
    return colon == std::string::npos ? 80 : static_cast<std::uint16_t>(std::stoi(target.substr(colon + 1)));
  }

  std::string credentials_;
  std::vector<std::string> asked_;
  std::string head_;
  RawPeer peer_;
};

}  // namespace marketprism::net
