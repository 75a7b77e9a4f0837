#include "marketprism/monitor/admin_server.hpp"

#include <arpa/inet.h>
#include <future>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::monitor {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// A blocking client, as plain as can be: the server has a thread of its own.
class Client {
 public:
  explicit Client(const std::string& url, int receive_bytes = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }
  void send(std::string_view text) { EXPECT_GT(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), 0); }
  /// What comes until `end` or the server's goodbye.
  std::string read(std::string_view end = {}) {
    std::string text;
    std::array<char, 65536> buffer{};
    while (end.empty() || text.find(end) == std::string::npos) {
      const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int socket_;
  bool is_connected_ = false;
};

class AdminServerTest : public testing::Test {
 protected:
  void open(AdminOptions options = {}) {
    auto made = AdminServer::open(std::move(options));
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    server = std::move(*made);
    server->handle("GET", "/open", net::HttpFunction([](const auto&) { return json_reply("{}"); }), true);
    server->handle("GET", "/closed", net::HttpFunction([](const auto&) { return json_reply("{\"a\":1}"); }));
    server->handle("POST", "/do", net::HttpFunction([this](const auto&) {
                     ++done;
                     return json_reply("{}", 202);
                   }));
    server->serve_stream("/stream");
    server->start();
  }
  std::string ask(std::string_view line, std::string_view headers = {}, std::string_view host = "127.0.0.1") {
    Client client(server->url());
    client.send(std::string(line) + " HTTP/1.1\r\nConnection: close\r\nHost: " + std::string(host) + "\r\n" +
                std::string(headers) + "\r\n");
    return client.read();
  }
  /// Runs on the server's loop.
  template <class F>
  auto on_loop(F f) {
    std::promise<decltype(f())> promise;
    server->loop().post([&] { promise.set_value(f()); });
    return promise.get_future().get();
  }

  std::unique_ptr<AdminServer> server;
  std::atomic<int> done = 0;
};

constexpr std::string_view secret = "0123456789abcdef0123";

TEST_F(AdminServerTest, NamesWhatIsWrongWithItsAddress) {
  const auto error = [](AdminOptions options) { return check(options).error().message; };
  EXPECT_THAT(error({.listen = "8080"}), HasSubstr("127.0.0.1:8080"));
  EXPECT_THAT(error({.listen = "localhost:80"}), HasSubstr("not an address"));
  EXPECT_THAT(error({.listen = "127.0.0.1:99999"}), HasSubstr("not an address"));
  EXPECT_THAT(error({.listen = "0.0.0.0:0"}), HasSubstr("needs a token"));
  EXPECT_THAT(error({.listen = "[::]:0"}), HasSubstr("needs a token"));
  EXPECT_THAT(error({.token = "short"}), HasSubstr("shorter than 16"));
  EXPECT_THAT(error({.token = "with a blank in it, long"}), HasSubstr("blanks"));
  EXPECT_TRUE(check({.listen = "[::1]:0"}).has_value());
  EXPECT_TRUE(check({.listen = "0.0.0.0:0", .token = std::string(secret)}).has_value());
}

TEST_F(AdminServerTest, APortInUseIsNamed) {
  open();
  const std::string taken = server->url().substr(std::string("http://").size());
  const auto second = AdminServer::open({.listen = taken});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().to_string(), HasSubstr(taken + ": the port is in use"));
}

TEST_F(AdminServerTest, WithoutATokenThisMachineIsServed) {
  open();
  EXPECT_THAT(ask("GET /closed"), HasSubstr("{\"a\":1}"));
  EXPECT_THAT(ask("GET /closed", {}, "localhost:1"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /closed", {}, "[::1]:1"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /absent"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("POST /closed"), StartsWith("HTTP/1.1 405"));
}

TEST_F(AdminServerTest, PagesOfOtherSitesGetNothing) {
  open();
  EXPECT_THAT(ask("GET /closed", {}, "evil.example"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("GET /stream", {}, "evil.example"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("POST /do", "Content-Length: 0\r\nOrigin: http://evil.example\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_EQ(done, 0);
  EXPECT_THAT(ask("POST /do", "Content-Length: 0\r\nOrigin: http://127.0.0.1\r\n"), StartsWith("HTTP/1.1 202"));
  EXPECT_THAT(ask("POST /do", "Content-Length: 0\r\n"), StartsWith("HTTP/1.1 202"));
  EXPECT_EQ(done, 2);
}

TEST_F(AdminServerTest, ATokenIsAskedForAndNotTold) {
  open({.token = std::string(secret)});
  const std::string right = "Authorization: Bearer " + std::string(secret) + "\r\n";
  EXPECT_THAT(ask("GET /open"), StartsWith("HTTP/1.1 200"));
  const std::string refused = ask("GET /closed");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(refused, HasSubstr("WWW-Authenticate: Bearer"));
  EXPECT_EQ(refused.find(secret), std::string::npos);
  EXPECT_THAT(ask("GET /closed", "Authorization: Bearer 0123456789abcdef0124\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("GET /closed", "Authorization: Bearer " + std::string(secret) + "x\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("GET /closed", "Authorization: Bearer \r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("GET /stream"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("POST /do", "Content-Length: 0\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask("GET /closed", right), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /closed", "Cookie: a=b; marketprism_token=" + std::string(secret) + "\r\n"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /closed", "Cookie: marketprism_token=\r\n"), StartsWith("HTTP/1.1 401"));
}

TEST_F(AdminServerTest, OverlongRequestsGetTheirError) {
  open();
  EXPECT_THAT(ask("GET /" + std::string(20'000, 'x')), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("POST /do", "Content-Length: 100000\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("GET /closed"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, EventsReachWhoListens) {
  open();
  Client client(server->url());
  client.send("GET /stream?exchange=okx&symbol=BTC-USDT HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_THAT(client.read("retry: 1000\n\n"), HasSubstr("Content-Type: text/event-stream"));
  on_loop([this] {
    server->stream().for_each_client([this](EventStream::Client& one) {
      EXPECT_EQ(one.exchange(), "okx");
      EXPECT_EQ(one.symbol(), "BTC-USDT");
      server->stream().send(one, "book", "{\"n\":1}");
      server->stream().send(one, "book", "{\"n\":2}");
    });
    return 0;
  });
  EXPECT_EQ(client.read("2}\n\n"), "event: book\ndata: {\"n\":1}\n\nevent: book\ndata: {\"n\":2}\n\n");
}

TEST_F(AdminServerTest, AListenerThatNeverReadsIsCut) {
  EventStreamOptions stream;
  stream.pending_bytes_max = 256UL << 10;
  open({.stream = stream});
  Client lazy(server->url(), 4096), eager(server->url());
  for (Client* client : {&lazy, &eager}) client->send("GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  lazy.read("retry");
  eager.read("retry: 1000\n\n");
  const std::string json = "\"" + std::string(64UL << 10, 'x') + "\"";
  std::size_t clients = 2;
  for (int i = 0; i < 1000 && clients == 2; ++i) {
    clients = on_loop([&] {
      server->stream().for_each_client([&](EventStream::Client& one) { server->stream().send(one, "x", json); });
      return server->stream().clients();
    });
    EXPECT_THAT(eager.read("\n\n"), HasSubstr("event: x"));
  }
  EXPECT_EQ(on_loop([this] { return server->stream().cut_clients(); }), 1U);
  EXPECT_EQ(on_loop([this] { return server->stream().clients(); }), 1U);
  EXPECT_THAT(ask("GET /closed"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, MoreListenersThanAllowedAreToldSo) {
  EventStreamOptions stream;
  stream.clients_max = 1;
  open({.stream = stream});
  Client first(server->url());
  first.send("GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  first.read("retry");
  EXPECT_THAT(ask("GET /stream"), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(on_loop([this] { return server->stream().refused_clients(); }), 1U);
}

TEST_F(AdminServerTest, IdleClientsAreBoundedAndGo) {
  open({.connections_max = 20, .idle_timeout = std::chrono::milliseconds(200)});
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(std::make_unique<Client>(server->url()));
  for (const auto& client : idle) EXPECT_EQ(client->read(), "");  // each is cut, for a newcomer or after its time
  EXPECT_GE(on_loop([this] { return server->statistics().refused; }), 180U);
  EXPECT_THAT(ask("GET /closed"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, IdleClientsKeepNobodyOut) {
  open({.connections_max = 20, .idle_timeout = std::chrono::hours(1)});
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(std::make_unique<Client>(server->url()));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(ask("GET /closed"), StartsWith("HTTP/1.1 200"));
  EXPECT_LE(on_loop([this] { return server->statistics().open; }), 21U);
}

TEST_F(AdminServerTest, StopsWhileClientsHang) {
  open();
  Client listener(server->url()), half(server->url());
  listener.send("GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  listener.read("retry: 1000\n\n");
  half.send("GET /clo");
  server->stop();
  EXPECT_EQ(listener.read(), "");
  EXPECT_EQ(half.read(), "");
}

}  // namespace
}  // namespace marketprism::monitor
