// Requests whose body comes from a source, piece by piece.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/body_sources.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

/// Answers "one" when that has come, and "two" when that and the end have.
Task<> answer_as_it_comes(Socket& socket) {
  co_await read_until(socket, "one");
  send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none");
  co_await read_until(socket, "two\r\n0\r\n\r\n");
  send_text(socket, "two");
  co_await read_to_end(socket);
}

class HttpBodySourceTest : public testing::Test, public LoopFixture {
 public:
  void connect_to(std::uint16_t port, TlsContextPtr tls = nullptr) {
    ConnectTarget target;
    target.host = tls ? "localhost" : "127.0.0.1";
    target.port = port;
    target.tls = std::move(tls);
    connection_ = run(HttpConnection::connect(loop, std::move(target), soon(), options_)).value();
  }
  /// A server that does this with each connection.
  void serve(RawPeer::Script script) {
    peer_ = std::make_unique<RawPeer>(loop, std::move(script));
    connect_to(peer_->port());
  }
  /// A server that only notes what comes; the note is there after `until_received`.
  void serve_to_the_end() {
    has_received_ = false;
    serve([this](Socket& socket) -> Task<> {
      received_ = co_await read_to_end(socket);
      has_received_ = true;
    });
  }
  void until_received() {
    run([](HttpBodySourceTest& test) -> Task<> {
      for (int i = 0; i < 5'000 && !test.has_received_; ++i) co_await test.loop.sleep_for(1ms);
    }(*this));
    ASSERT_TRUE(has_received_);
  }
  std::shared_ptr<TestSource> source_of(std::vector<std::string> pieces) {
    return std::make_shared<TestSource>(loop, std::move(pieces));
  }
  Result<HttpResponse*> send(const std::shared_ptr<TestSource>& source, Nanoseconds timeout = 20s) {
    HttpRequest request;
    request.method = "POST";
    request.body_source = source;
    head_ = make_http_request("127.0.0.1", request).value();
    HttpConnection::SendOptions options;
    options.deadline = loop.refresh_now() + timeout;
    options.body = source;
    auto response = run(connection_->send(head_, options));
    EXPECT_EQ(source->waiting, 0) << "a read outlived its request";
    return response;
  }
  void expect_failure(const Result<HttpResponse*>& response, ErrorCode code, const std::string& says) {
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, code) << response.error().to_string();
    EXPECT_THAT(response.error().message, AllOf(HasSubstr("127.0.0.1:"), HasSubstr(says)));
    EXPECT_FALSE(connection_->is_open());
  }

  HttpConnectionOptions options_;
  std::string head_;
  std::string received_;
  bool has_received_ = false;
  std::unique_ptr<RawPeer> peer_;
  std::unique_ptr<HttpConnection> connection_;
};

TEST_F(HttpBodySourceTest, ArrivesWholeByLengthAndInChunksPlainAndOverTls) {
  for (const bool tls : {false, true}) {
    HttpServerOptions server_options;
    if (tls) server_options.tls = server_context();
    HttpServer server(loop, server_options);
    std::string coding;
    server.handle("POST", "/", [&coding](const HttpServerRequest& request) {
      coding = request.head.find("Transfer-Encoding").value_or("by length");
      return HttpReply{.body = request.body};
    });
    connect_to(server.listen().value(), tls ? client_context() : nullptr);
    for (const bool is_announced : {true, false, true}) {
      for (const auto& pieces : {many_pieces(), {}, {"x"}, {std::string(1'000'000, 'y')}}) {
        const auto source = source_of(pieces);
        if (is_announced) source->announce();
        const auto response = send(source);
        ASSERT_TRUE(response) << response.error().to_string();
        EXPECT_TRUE((*response)->body == joined(pieces));
        EXPECT_EQ(coding, is_announced ? "by length" : "chunked");
        EXPECT_TRUE(connection_->is_reusable());
        EXPECT_EQ(connection_->progress(), HttpProgress::complete);
      }
    }
    EXPECT_EQ(server.statistics().accepted, 1U);
  }
}

TEST_F(HttpBodySourceTest, APieceIsAskedForWhenTheOneBeforeHasGone) {
  async::Signal go_on(loop);
  serve([&](Socket& socket) -> Task<> {
    received_ = co_await read_until(socket, "\r\n\r\n");
    co_await go_on.wait(soon());
    std::size_t bytes = received_.size();
    std::array<std::byte, 64 * 1024> buffer;
    while (bytes < head_.size() + 30'000'000) {
      const auto count = co_await socket.read_some(buffer);
      if (!count) co_return;
      bytes += *count;
    }
    send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const auto source = source_of(std::vector<std::string>(300, std::string(100'000, 'x')));
  source->announce();
  std::uint64_t meanwhile = 0;
  loop.spawn([](EventLoop& l, async::Signal& go, std::uint64_t& seen, const TestSource& from) -> Task<> {
    co_await l.sleep_for(50ms);
    seen = from.bytes;
    go.set();
  }(loop, go_on, meanwhile, *source));
  const auto response = send(source);
  EXPECT_TRUE(response) << response.error().to_string();
  EXPECT_LT(meanwhile, 15'000'000U);  // what the sockets' buffers hold
  EXPECT_EQ(source->bytes, 30'000'000U);
}

TEST_F(HttpBodySourceTest, AFailureOfTheSourceIsNamedAndEndsTheConnection) {
  for (const bool throws : {false, true}) {
    for (const Nanoseconds pause : {Nanoseconds(0), Nanoseconds(1ms)}) {
      serve_to_the_end();
      const auto source = source_of({"one", "two", "three"});
      source->pause = pause;
      (throws ? source->throws_at : source->fails_at) = 2;
      expect_failure(
          send(source), ErrorCode::io_failed,
          std::string("the source of the request's body failed: ") + (throws ? "no disk" : "the disk is gone"));
      EXPECT_EQ(connection_->progress(), HttpProgress::source_failed);
      EXPECT_TRUE(connection_->has_read_source());
      until_received();
      EXPECT_THAT(received_, testing::EndsWith("3\r\none\r\n3\r\ntwo\r\n"));  // no last chunk
    }
  }
}

// In the same piece, in one more, and late: the server never takes the request for whole.
TEST_F(HttpBodySourceTest, MoreOrLessThanAnnouncedIsNamed) {
  const std::string large(100'000, 'x');
  struct Case {
    std::vector<std::string> pieces;
    std::uint64_t announced;
    std::string says;
  };
  const Case cases[] = {{{"hello"}, 3, "gave more than the 3 bytes announced"},
                        {{"hel", "lo"}, 3, "gave more than the 3 bytes announced"},
                        {{large, large, "x"}, 200'000, "gave more than the 200000 bytes announced"},
                        {{"x"}, 0, "gave more than the 0 bytes announced"},
                        {{"hello"}, 6, "ended after 5 of the 6 bytes announced"},
                        {{}, 1, "ended after 0 of the 1 bytes announced"}};
  for (const Case& one : cases) {
    for (const Nanoseconds pause : {Nanoseconds(0), Nanoseconds(1ms)}) {
      serve_to_the_end();
      const auto source = source_of(one.pieces);
      source->announced = one.announced;
      source->pause = pause;
      const auto response = send(source);
      expect_failure(response, ErrorCode::invalid_argument, one.says);
      EXPECT_TRUE(response.error().is_terminal);
      until_received();
      EXPECT_LT(received_.size(), head_.size() + std::max<std::uint64_t>(one.announced, 1));
    }
  }
}

// Closing with unread bytes makes a reset of it, which stops the write before the answer is read.
TEST_F(HttpBodySourceTest, AnAnswerBeforeTheEndCountsThoughTheServerCuts) {
  for (const bool is_in_memory : {false, true}) {
    for (int i = 0; i < 10; ++i) {
      serve([](Socket& socket) -> Task<> {
        co_await read_until(socket, "\r\n\r\n");
        send_text(socket, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        socket.close();
      });
      const auto source = source_of(std::vector<std::string>(300, std::string(100'000, 'x')));
      HttpRequest request;
      request.method = "POST";
      request.body.assign(10'000'000, 'x');
      const std::string text = make_http_request("127.0.0.1", request).value();
      const auto response = is_in_memory ? run(connection_->send(text)) : send(source);
      ASSERT_TRUE(response) << response.error().to_string();
      EXPECT_EQ((*response)->status(), 413);
      EXPECT_EQ((*response)->body, "big");
      EXPECT_FALSE(connection_->is_open());
      EXPECT_LT(source->reads, 300);
    }
  }
}

TEST_F(HttpBodySourceTest, AfterARefusalNoMoreIsSentAndTheAnswerIsRead) {
  serve([this](Socket& socket) -> Task<> {
    co_await read_until(socket, "one");
    send_text(socket, "HTTP/1.1 401 Who\r\nContent-Length: 6\r\n\r\nwho");
    co_await loop.sleep_for(100ms);
    send_text(socket, "are");
    received_ = co_await read_to_end(socket);
  });
  const auto source = source_of(std::vector<std::string>(100, "one"));
  source->pause = 5ms;
  const auto response = send(source);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->body, "whoare");
  EXPECT_LT(source->reads, 8);
  EXPECT_FALSE(connection_->is_reusable());  // half a request is on it
}

TEST_F(HttpBodySourceTest, AnAnswerThatDoesNotWaitForTheBodyIsTaken) {
  serve([](Socket& socket) -> Task<> {
    co_await read_until(socket, "one");
    send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    co_await read_to_end(socket);
  });
  const auto source = source_of({"one", "two"});
  source->hangs_at = 1;
  const auto response = send(source);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->body, "ok");
  EXPECT_FALSE(connection_->is_reusable());
}

// The server answers as it reads: the time for reading the response does not run while the source is slow.
TEST_F(HttpBodySourceTest, AResponseMayBeginWhileTheBodyIsSent) {
  options_.read_timeout = options_.head_timeout = options_.write_timeout = 30ms;
  serve(answer_as_it_comes);
  const auto source = source_of({"one", "two"});
  source->pause = 60ms;
  const auto response = send(source);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->body, "onetwo");
  EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(HttpBodySourceTest, EachPhaseHasItsTimeout) {
  const auto never_reads = [this](Socket& socket) -> Task<> {
    co_await loop.sleep_for(300ms);
    socket.close();
  };
  options_.write_timeout = 50ms;
  serve(never_reads);
  const auto large = source_of(std::vector<std::string>(300, std::string(100'000, 'x')));
  expect_failure(send(large), ErrorCode::timed_out, "timed out while sending the request");
  EXPECT_EQ(connection_->progress(), HttpProgress::written);

  options_.head_timeout = 50ms;
  serve([](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  expect_failure(send(source_of({"one"})), ErrorCode::timed_out, "timed out waiting for the response");

  options_.read_timeout = 50ms;
  serve([](Socket& socket) -> Task<> {
    co_await read_until(socket, "0\r\n\r\n");
    send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none");
    co_await read_to_end(socket);
  });
  expect_failure(send(source_of({"one"})), ErrorCode::timed_out, "timed out while reading the response");

  serve([](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  const auto hangs = source_of({"one"});
  hangs->hangs_at = 1;
  expect_failure(send(hangs, 120ms), ErrorCode::timed_out, "timed out waiting for the source of the request's body");
  EXPECT_EQ(connection_->progress(), HttpProgress::source_failed);
}

TEST_F(HttpBodySourceTest, ALostConnectionEndsTheWaitForTheSource) {
  serve([](Socket& socket) -> Task<> {
    co_await read_until(socket, "one");
    socket.close();
  });
  const auto source = source_of({"one"});
  source->hangs_at = 1;
  expect_failure(send(source), ErrorCode::connection_closed, "closed the connection before it answered");
  EXPECT_EQ(connection_->progress(), HttpProgress::written);
}

TEST_F(HttpBodySourceTest, AConnectionMayBeDestroyedWhileTheSourceIsSlow) {
  serve([](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  const auto source = source_of({"one"});
  source->hangs_at = 1;
  loop.spawn([](HttpBodySourceTest& test) -> Task<> {
    co_await test.loop.sleep_for(10ms);
    test.connection_.reset();
  }(*this));
  const auto response = send(source);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::cancelled);
}

TEST_F(HttpBodySourceTest, AStreamedResponseComesWhenTheBodyIsOut) {
  serve(answer_as_it_comes);
  const auto source = source_of({"one", "two"});
  source->pause = 10ms;
  HttpRequest request;
  request.body_source = source;
  const std::string head = make_http_request("127.0.0.1", request).value();
  std::string body;
  run([](HttpConnection& connection, std::string_view text, HttpBodySourcePtr from, std::string& all) -> Task<> {
    HttpConnection::SendOptions how;
    how.is_streamed = true;
    how.body = std::move(from);
    const auto response = co_await connection.send(text, how);
    EXPECT_TRUE(response);
    while (response) {
      const auto piece = co_await connection.read_body();
      EXPECT_TRUE(piece);
      if (!piece || piece->empty()) co_return;
      all += *piece;
    }
  }(*connection_, head, source, body));
  EXPECT_EQ(body, "onetwo");
  EXPECT_EQ(source->reads, 3);
  EXPECT_TRUE(connection_->is_reusable());
}

}  // namespace
}  // namespace marketprism::net
