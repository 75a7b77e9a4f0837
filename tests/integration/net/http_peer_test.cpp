// The HTTP client against servers that do what good servers never do, and the server against such clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/gzip_decoder.hpp"
#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class HttpPeerTest : public testing::Test, public LoopFixture {
 protected:
  std::unique_ptr<HttpConnection> connect(std::uint16_t port, HttpConnectionOptions options = {}) {
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = port;
    return run(HttpConnection::connect(loop, std::move(target), soon(), options)).value();
  }
  // One request to a server that answers with these bytes and then closes, or holds the connection.
  Result<HttpResponse*> ask(std::string answer, bool then_close, HttpConnectionOptions options = {}) {
    peer = std::make_unique<RawPeer>(loop, [answer, then_close](Socket& socket) -> Task<> {
      co_await read_until(socket, "\r\n\r\n");
      send_text(socket, answer);
      if (!then_close) co_await read_to_end(socket);
      socket.close();
    });
    connection = connect(peer->port(), options);
    return run(connection->send(request));
  }

  const std::string request = make_http_request("127.0.0.1", HttpRequest{}).value();
  std::unique_ptr<RawPeer> peer;
  std::unique_ptr<HttpConnection> connection;
};

TEST_F(HttpPeerTest, reads_chunked_gzip_and_keep_alive_hints) {
  const std::string packed = gzip("hello");
  std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nKeep-Alive: timeout=5, max=9\r\n\r\n";
  for (const char c : packed) answer += "1\r\n" + std::string(1, c) + "\r\n";
  const auto response = ask(answer + "0\r\n\r\n", false);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->body, "hello");
  EXPECT_EQ(connection->keep_alive_hint(), std::chrono::seconds(5));
  EXPECT_TRUE(connection->is_reusable());
}

TEST_F(HttpPeerTest, a_body_until_the_close_is_whole) {
  const auto response = ask("HTTP/1.1 200 OK\r\n\r\nhello", true);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->body, "hello");
  EXPECT_FALSE(connection->is_open());
}

TEST_F(HttpPeerTest, a_cut_body_is_an_error) {
  const auto response = ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", true);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::connection_closed);
  EXPECT_THAT(response.error().message, HasSubstr("in the middle of the response"));
  EXPECT_EQ(connection->progress(), HttpProgress::response_begun);
}

TEST_F(HttpPeerTest, a_close_before_the_answer_leaves_the_request_written_only) {
  const auto response = ask("", true);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::connection_closed);
  EXPECT_THAT(response.error().message, HasSubstr("before it answered"));
  EXPECT_EQ(connection->progress(), HttpProgress::written);
}

TEST_F(HttpPeerTest, garbage_is_malformed) {
  const auto response = ask("SSH-2.0-OpenSSH_9.2\r\n\r\n", false);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::malformed);
  EXPECT_THAT(response.error().message, AllOf(HasSubstr("127.0.0.1:"), HasSubstr("SSH-2.0")));
  EXPECT_FALSE(connection->is_open());
}

TEST_F(HttpPeerTest, an_endless_head_meets_the_limit) {
  const auto response = ask("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'), false);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::too_large);
}

TEST_F(HttpPeerTest, a_body_that_stalls_meets_the_deadline) {
  HttpConnectionOptions options;
  options.read_timeout = std::chrono::milliseconds(50);
  const auto response = ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false, options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
  EXPECT_THAT(response.error().message, HasSubstr("while reading the response"));
}

TEST_F(HttpPeerTest, bytes_after_the_response_make_it_the_last) {
  const auto response =
      ask("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
  ASSERT_TRUE(response);
  EXPECT_FALSE(connection->is_reusable());
}

TEST_F(HttpPeerTest, a_request_that_is_not_read_meets_the_write_deadline) {
  RawPeer silent(loop, [](Socket& socket) -> Task<> {
    async::Signal never(socket.loop());
    co_await never.wait();
  });
  HttpConnectionOptions options;
  options.write_timeout = std::chrono::milliseconds(50);
  const auto slow = connect(silent.port(), options);
  HttpRequest upload;
  upload.method = "POST";
  upload.body.assign(50'000'000, 'x');
  const std::string text = make_http_request("127.0.0.1", upload).value();
  const auto response = run(slow->send(text));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
  EXPECT_THAT(response.error().message, HasSubstr("while sending the request"));
}

TEST_F(HttpPeerTest, the_end_in_an_exchange_is_told_once_and_before_its_outcome) {
  int told = 0;
  bool was_told_first = false;
  const auto count = [&](const std::string& answer, bool then_close) {
    peer = std::make_unique<RawPeer>(loop, [answer, then_close](Socket& socket) -> Task<> {
      co_await read_until(socket, "\r\n\r\n");
      send_text(socket, answer);
      if (!then_close) co_await read_to_end(socket);
      socket.close();
    });
    told = 0;
    connection = connect(peer->port());
    connection->on_closed([&told] { ++told; });
    run([](HttpConnection& one, const std::string& text, int& so_far, bool& first) -> Task<> {
      const auto response = co_await one.send(text);
      static_cast<void>(response);
      first = so_far == 1;
    }(*connection, request, told, was_told_first));
    connection->close();
    return told;
  };
  for (const std::string_view last :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\nhello", "garbage\r\n\r\n", ""}) {
    EXPECT_EQ(count(std::string(last), true), 1) << last;
    EXPECT_TRUE(was_told_first) << last;
  }
}

// Raw requests against our server, the whole answer back.
class HttpServerPeerTest : public HttpPeerTest {
 protected:
  HttpServerPeerTest() : server(loop, options()) {
    server.handle("*", "/echo", [](const HttpServerRequest& received) {
      HttpReply reply;
      reply.body = received.body;
      reply.content_type = "text/plain";
      return reply;
    });
    port = server.listen().value();
  }
  static HttpServerOptions options() {
    HttpServerOptions out;
    out.read_timeout = std::chrono::milliseconds(100);
    out.idle_timeout = std::chrono::milliseconds(100);
    out.server_name.clear();
    return out;
  }
  static Task<std::string> exchange(EventLoop& loop, std::uint16_t to, std::string text) {
    Socket socket(loop, "server");
    const Socket::Endpoint endpoint(boost::asio::ip::address_v4::loopback(), to);
    const auto connected = co_await socket.connect(endpoint, 0);
    if (!connected) co_return "cannot connect";
    send_text(socket, text);
    co_return co_await read_to_end(socket);
  }
  std::string answer(std::string text) { return run(exchange(loop, port, std::move(text))); }

  HttpServer server;
  std::uint16_t port = 0;
};

TEST_F(HttpServerPeerTest, answers_pipelined_requests_in_order) {
  const std::string text = answer(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\naPOST /echo HTTP/1.1\r\nHost: "
      "a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n"
      "GET /echo HTTP/1.0\r\n\r\n");
  const std::size_t first = text.find("\r\n\r\na");
  const std::size_t second = text.find("\r\n\r\nb");
  EXPECT_NE(first, std::string::npos) << text;
  EXPECT_NE(second, std::string::npos) << text;
  EXPECT_LT(first, second);
  EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));  // HTTP/1.0 without keep-alive
}

TEST_F(HttpServerPeerTest, refuses_bad_requests_with_a_status) {
  EXPECT_THAT(answer("hello\r\n\r\n"), HasSubstr("HTTP/1.1 400 "));
  EXPECT_THAT(answer("GET / HTTP/2.0\r\n\r\n"), HasSubstr("HTTP/1.1 505 "));
  EXPECT_THAT(answer("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"), HasSubstr("HTTP/1.1 501 "));
  EXPECT_THAT(
      answer("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      HasSubstr("HTTP/1.1 400 "));
  EXPECT_THAT(answer("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"),
              HasSubstr("HTTP/1.1 413 "));
  EXPECT_EQ(server.statistics().failed, 5U);
}

TEST_F(HttpServerPeerTest, wants_to_know_for_which_host) {
  const std::string good = "Host: a\r\nConnection: close\r\n\r\n";
  EXPECT_THAT(answer("GET /echo HTTP/1.1\r\n" + good), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(answer("GET http://a/echo HTTP/1.1\r\n" + good), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(answer("GET /echo HTTP/1.0\r\n\r\n"), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(answer("GET /echo HTTP/1.1\r\n\r\n"), HasSubstr("HTTP/1.1 400 "));
  EXPECT_THAT(answer("GET /echo HTTP/1.1\r\nHost: b\r\n" + good), HasSubstr("HTTP/1.1 400 "));
  EXPECT_THAT(answer("GET /echo HTTP/1.0\r\nHost: b\r\n" + good), HasSubstr("HTTP/1.1 400 "));
}

TEST_F(HttpServerPeerTest, closes_half_requests_and_idle_connections) {
  EXPECT_THAT(answer("GET /echo HTTP/1.1\r\nHo"), HasSubstr("HTTP/1.1 408 "));
  EXPECT_EQ(answer(""), "");
}

TEST_F(HttpServerPeerTest, says_continue_when_asked) {
  const std::string text =
      answer("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(text, testing::StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
}

TEST_F(HttpServerPeerTest, gives_the_place_of_who_is_idle_longest_to_a_newcomer) {
  HttpServerOptions limited;
  limited.connections_max = 2;
  HttpServer small(loop, limited);
  bool may_go_on = false;
  small.handle("GET", "/", [](const HttpServerRequest&) { return HttpReply{}; });
  small.handle("GET", "/slow", [&](const HttpServerRequest&) -> Task<HttpReply> {
    while (!may_go_on) co_await loop.sleep_for(std::chrono::milliseconds(5));
    co_return HttpReply{};
  });
  const auto small_port = small.listen().value();
  const auto first = connect(small_port);
  const auto second = connect(small_port);
  ASSERT_TRUE(run(first->send(request)));
  ASSERT_TRUE(run(second->send(request)));
  const auto third = connect(small_port);
  EXPECT_TRUE(run(third->send(request)));  // the first has made room
  EXPECT_TRUE(run(second->send(request)));
  EXPECT_FALSE(run(first->send(request)));
  EXPECT_EQ(small.statistics().refused, 1U);
  // Where nobody is idle the newcomer is turned away.
  const std::string slow = make_http_request("127.0.0.1", HttpRequest{.target = "/slow"}).value();
  bool second_done = false, third_done = false;
  const auto ask = [&](HttpConnection& from, bool& is_done) -> Task<> {
    const auto response = co_await from.send(slow);
    is_done = response.has_value();
  };
  loop.spawn(ask(*second, second_done));
  loop.spawn(ask(*third, third_done));
  const auto fourth = connect(small_port);
  EXPECT_FALSE(run(fourth->send(request)));
  EXPECT_EQ(small.statistics().refused, 2U);
  EXPECT_EQ(small.statistics().open, 2U);
  may_go_on = true;
  const auto both_done = [&]() -> Task<bool> {
    for (int i = 0; i < 1000 && !(second_done && third_done); ++i)
      co_await loop.sleep_for(std::chrono::milliseconds(10));
    co_return second_done&& third_done;
  };
  EXPECT_TRUE(run(both_done()));
}

}  // namespace
}  // namespace marketprism::net
