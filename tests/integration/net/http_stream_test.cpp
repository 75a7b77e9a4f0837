// Bodies that are read piece by piece.
#include <array>
#include <charconv>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/gzip_decoder.hpp"
#include "marketprism/net/http_connection.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpStreamTest : public testing::Test, public LoopFixture {
 public:
  /// A server that answers each request with what this writes.
  void serve(std::function<Task<>(Socket&)> answer) {
    peer_ = std::make_unique<RawPeer>(loop, [answer = std::move(answer)](Socket& socket) -> Task<> {
      while (true) {
        const std::string head = co_await read_until(socket, "\r\n\r\n");
        if (head.empty()) co_return;
        co_await answer(socket);
      }
    });
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = peer_->port();
    connection_ = run(HttpConnection::connect(loop, std::move(target), soon(), options_)).value();
  }
  /// Sends all of it, however slowly it is taken.
  static Task<> send_slowly(Socket& socket, std::string text) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto sent = socket.send_now(std::span(&rest, 1));
      if (!sent) co_return;
      rest.remove_prefix(*sent);
      if (*sent > 0) continue;
      const auto writable = co_await socket.wait_writable();
      if (!writable) co_return;
    }
  }
  static std::string with_length(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  HttpConnection::SendOptions streamed() {
    HttpConnection::SendOptions options;
    options.is_streamed = true;
    options.deadline = soon();
    return options;
  }
  struct Outcome {
    int status = 0;
    std::string body;
    int pieces = 0;
    std::optional<Error> error;
  };
  Outcome fetch(HttpConnection::SendOptions options) {
    return run([](HttpConnection& connection, std::string_view text, HttpConnection::SendOptions how) -> Task<Outcome> {
      Outcome outcome;
      const auto head = co_await connection.send(text, how);
      if (!head) {
        outcome.error = head.error();
        co_return outcome;
      }
      outcome.status = (*head)->status();
      while (true) {
        const auto piece = co_await connection.read_body();
        if (!piece) {
          outcome.error = piece.error();
          break;
        }
        if (piece->empty()) break;
        outcome.body += *piece;
        ++outcome.pieces;
      }
      co_return outcome;
    }(*connection_, request_, options));
  }

  const std::string request_ = make_http_request("127.0.0.1", HttpRequest{}).value();
  HttpConnectionOptions options_;
  std::unique_ptr<RawPeer> peer_;
  std::unique_ptr<HttpConnection> connection_;
};

TEST_F(HttpStreamTest, ABodyLargerThanTheLimitOfWholeOnesComesInPieces) {
  options_.body_bytes_max = 100'000;
  std::string body(3'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + (i / 1000) % 26);
  serve([&body](Socket& socket) { return send_slowly(socket, with_length(body)); });
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = fetch(streamed());
    EXPECT_FALSE(outcome.error) << outcome.error->to_string();
    EXPECT_EQ(outcome.status, 200);
    EXPECT_TRUE(outcome.body == body);
    EXPECT_GT(outcome.pieces, 3);
    EXPECT_TRUE(connection_->is_reusable());
  }
  EXPECT_EQ(peer_->connections(), 1);
}

TEST_F(HttpStreamTest, ASlowReaderHoldsThePeerBackInsteadOfFillingTheMemory) {
  options_.stream_bytes = 64 * 1024;
  options_.read_timeout = 50ms;
  const std::string body(30'000'000, 'x');
  serve([&body](Socket& socket) { return send_slowly(socket, with_length(body)); });
  run([](HttpStreamTest& test) -> Task<> {
    const auto head = co_await test.connection_->send(test.request_, test.streamed());
    EXPECT_TRUE(head);
    co_await test.loop.sleep_for(120ms);  // longer than the read timeout, which must not run meanwhile
    EXPECT_LT(test.connection_->memory_bytes(), 1'500'000U);
    std::size_t bytes = 0;
    while (true) {
      const auto piece = co_await test.connection_->read_body();
      EXPECT_TRUE(piece) << piece.error().to_string();
      if (!piece || piece->empty()) break;
      bytes += piece->size();
    }
    EXPECT_EQ(bytes, 30'000'000U);
  }(*this));
  EXPECT_TRUE(connection_->is_reusable());
}

TEST_F(HttpStreamTest, ChunkedGzipIsDecompressedOnTheWay) {
  const std::string body(500'000, 'g');
  const std::string packed = gzip(body);
  std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n";
  for (const char c : packed) answer += "1\r\n" + std::string(1, c) + "\r\n";
  serve([&](Socket& socket) { return send_slowly(socket, answer + "0\r\n\r\n"); });
  const Outcome outcome = fetch(streamed());
  EXPECT_FALSE(outcome.error) << outcome.error->to_string();
  EXPECT_TRUE(outcome.body == body);
}

// A thousand times smaller than what comes out of it, it arrives with a few reads.
TEST_F(HttpStreamTest, GzipThatGrowsALotIsDecompressedInSteps) {
  options_.body_bytes_max = 1'000'000;  // of whole bodies only
  options_.stream_bytes = 64 * 1024;
  std::string body(30'000'000, 'g');
  body += "the end";
  const std::string packed = gzip(body, 9);
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";
  const std::string chunk_end = "\r\n0\r\n\r\n";
  std::array<char, 16> size{};
  const auto size_end = std::to_chars(size.data(), size.data() + size.size(), packed.size(), 16).ptr;
  const std::string answers[] = {
      head + "Content-Length: " + std::to_string(packed.size()) + "\r\n\r\n" + packed,
      head + "Transfer-Encoding: chunked\r\n\r\n" + std::string(size.data(), size_end) + "\r\n" + packed + chunk_end,
      head + "\r\n" + packed,  // until the end of the connection
  };
  for (const std::string& answer : answers) {
    serve([&](Socket& socket) -> Task<> {
      co_await send_slowly(socket, answer);
      if (&answer == &answers[2]) socket.close();
    });
    run([](HttpStreamTest& test, const std::string& expected) -> Task<> {
      const auto response = co_await test.connection_->send(test.request_, test.streamed());
      EXPECT_TRUE(response);
      std::string_view rest = expected;
      while (true) {
        const auto piece = co_await test.connection_->read_body();
        EXPECT_TRUE(piece) << piece.error().to_string();
        if (!piece || piece->empty()) break;
        EXPECT_LE(piece->size(), 64U * 1024);
        EXPECT_LT(test.connection_->memory_bytes(), 1'500'000U);
        EXPECT_TRUE(rest.starts_with(*piece));
        rest.remove_prefix(std::min(piece->size(), rest.size()));
        if (rest.size() % 7 == 0) co_await test.loop.sleep_for(0ms);  // sometimes it comes before the next is asked for
      }
      EXPECT_TRUE(rest.empty());
    }(*this, body));
    EXPECT_EQ(connection_->is_reusable(), &answer != &answers[2]);
  }
}

TEST_F(HttpStreamTest, NoBodyAndABodyUntilTheEnd) {
  serve([](Socket& socket) { return send_slowly(socket, "HTTP/1.1 204 No Content\r\n\r\n"); });
  EXPECT_EQ(fetch(streamed()).status, 204);
  EXPECT_TRUE(connection_->is_reusable());
  serve([](Socket& socket) -> Task<> {
    send_text(socket, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    socket.close();
    co_return;
  });
  const Outcome outcome = fetch(streamed());
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.body, "until the end");
  EXPECT_FALSE(connection_->is_open());
}

TEST_F(HttpStreamTest, AnEndlessBodyMeetsTheLimit) {
  serve([](Socket& socket) -> Task<> {
    send_text(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
    while (socket.is_open()) {
      std::string_view rest = chunk;
      while (!rest.empty()) {
        const auto sent = socket.send_now(std::span(&rest, 1));
        if (!sent) co_return;
        rest.remove_prefix(*sent);
        if (*sent > 0) continue;
        const auto writable = co_await socket.wait_writable();
        if (!writable) co_return;
      }
    }
  });
  auto options = streamed();
  options.body_bytes_max = 1'000'000;
  const Outcome outcome = fetch(options);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::too_large);
  EXPECT_LE(outcome.body.size(), 1'000'000U);
  EXPECT_FALSE(connection_->is_open());
}

TEST_F(HttpStreamTest, ACutComesAfterWhatWasThere) {
  serve([](Socket& socket) -> Task<> {
    send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    socket.close();
    co_return;
  });
  const Outcome outcome = fetch(streamed());
  EXPECT_EQ(outcome.body, "half");
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::connection_closed);
  EXPECT_THAT(outcome.error->message, HasSubstr("in the middle of the response"));
}

TEST_F(HttpStreamTest, TheDeadlineHoldsForASlowReaderToo) {
  options_.stream_bytes = 1000;
  serve([](Socket& socket) { return send_slowly(socket, with_length(std::string(5'000'000, 'x'))); });
  auto options = streamed();
  options.deadline = loop.refresh_now() + 60ms;
  run([](HttpStreamTest& test, HttpConnection::SendOptions how) -> Task<> {
    const auto head = co_await test.connection_->send(test.request_, how);
    EXPECT_TRUE(head);
    while (test.connection_->is_open()) co_await test.loop.sleep_for(5ms);
    std::optional<ErrorCode> error;
    while (!error) {
      const auto piece = co_await test.connection_->read_body();
      EXPECT_TRUE(!piece || !piece->empty());
      if (!piece) error = piece.error().code;
    }
    EXPECT_EQ(error, ErrorCode::timed_out);
  }(*this, options));
}

TEST_F(HttpStreamTest, AConnectionMayBeDestroyedInTheMiddle) {
  options_.stream_bytes = 1000;
  serve([](Socket& socket) { return send_slowly(socket, with_length(std::string(5'000'000, 'x'))); });
  run([](HttpStreamTest& test) -> Task<> {
    const auto head = co_await test.connection_->send(test.request_, test.streamed());
    EXPECT_TRUE(head);
    co_await test.loop.sleep_for(5ms);
    test.connection_.reset();
    co_await test.loop.sleep_for(5ms);
  }(*this));
}

TEST_F(HttpStreamTest, AWholeResponseAfterAStreamedOne) {
  serve([](Socket& socket) { return send_slowly(socket, with_length("hello")); });
  EXPECT_EQ(fetch(streamed()).body, "hello");
  const auto response = run(connection_->send(request_));
  ASSERT_TRUE(response);
  EXPECT_EQ((*response)->body, "hello");
  EXPECT_EQ(fetch(streamed()).body, "hello");
}

}  // namespace
}  // namespace marketprism::net
