// What a pool does with requests whose body comes from a source: sent again only if the source can be rewound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "tests/integration/net/body_sources.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpBodyRetryTest : public testing::Test, public LoopFixture {
 public:
  HttpBodyRetryTest() {
    options_.config.connections.min_size = 0;
    options_.config.connections.max_size = 2;
    source_->announce();
  }
  /// A server that loses so many connections when it has the head, and answers what follows with its body.
  void serve(int losses, const std::string& answer = "") {
    losses_ = losses;
    peer_ = std::make_unique<RawPeer>(
        loop,
        [this, answer](Socket& socket) -> Task<> {
          while (true) {
            const std::string text = co_await read_until(socket, losses_ > 0 ? "\r\n\r\n" : "end");
            if (text.empty()) co_return;
            heads_.push_back(text.substr(0, text.find("\r\n\r\n")));
            if (losses_-- > 0) co_return;
            bodies_.push_back(text.substr(text.find("\r\n\r\n") + 4));
            const bool is_first = bodies_.size() == 1 && !answer.empty();
            send_text(socket, is_first ? answer : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
          }
        },
        RawPeer::Order::side_by_side);
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
  }
  [[nodiscard]] wire::Url url() const {
    return wire::parse_url("http://127.0.0.1:" + std::to_string(peer_->port()) + "/").value();
  }
  void set_endpoints(std::uint16_t first, std::uint16_t second) {
    ASSERT_TRUE(
        pool_->set_endpoints(url(), {{"127.0.0.1", first, false, "", 0, 1}, {"127.0.0.1", second, false, "", 1, 1}}));
  }
  Result<int> send(const std::string& method, unsigned redirects_max = 0) {
    HttpRequest request;
    request.method = method;
    request.body_source = source_;
    HttpRequestOptions how;
    how.redirects_max = redirects_max;
    return run(
        [](HttpConnectionPool& pool, wire::Url to, HttpRequest what, HttpRequestOptions as) -> Task<Result<int>> {
          const auto response = co_await pool.request(std::move(to), std::move(what), as);
          if (!response) co_return std::unexpected(response.error());
          co_return (*response)->status();
        }(*pool_, url(), std::move(request), how));
  }

  HttpPoolOptions options_;
  std::shared_ptr<TestSource> source_ = std::make_shared<TestSource>(loop, std::vector<std::string>{"the ", "end"});
  std::unique_ptr<RawPeer> peer_;
  std::optional<HttpConnectionPool> pool_;
  std::vector<std::string> heads_;
  std::vector<std::string> bodies_;
  int losses_ = 0;
};

TEST_F(HttpBodyRetryTest, ARewoundSourceIsSentAgainWhole) {
  serve(2);
  source_->can_rewind = true;
  EXPECT_EQ(send("PUT"), 200);
  EXPECT_EQ(source_->rewinds, 2);
  EXPECT_EQ(bodies_, std::vector<std::string>{"the end"});
  EXPECT_EQ(pool_->request_counters().retried, 2U);
}

TEST_F(HttpBodyRetryTest, ASourceThatWasReadAndCannotBeRewoundIsNotSentAgain) {
  serve(1);
  const auto response = send("PUT");
  ASSERT_FALSE(response);
  EXPECT_TRUE(response.error().code == ErrorCode::connection_closed ||
              response.error().code == ErrorCode::connection_reset)
      << response.error().to_string();
  EXPECT_EQ(heads_.size(), 1U);
  EXPECT_EQ(pool_->request_counters().retried, 0U);
  EXPECT_EQ(pool_->summary().gauges.size, 0U);
}

TEST_F(HttpBodyRetryTest, ARequestThatIsNotIdempotentIsNotSentAgainThoughItCouldBe) {
  serve(1);
  source_->can_rewind = true;
  EXPECT_FALSE(send("POST"));
  EXPECT_EQ(heads_.size(), 1U);
  EXPECT_EQ(source_->rewinds, 0);
}

// The source was not asked for anything yet: any request may go to the next endpoint.
TEST_F(HttpBodyRetryTest, AFailedDialCostsNothingOfTheSource) {
  std::uint16_t closed_port = 0;
  {
    RawPeer gone(loop, [](Socket&) -> Task<> { co_return; });
    closed_port = gone.port();
  }
  serve(0);
  set_endpoints(closed_port, peer_->port());
  EXPECT_EQ(send("POST"), 200);
  EXPECT_EQ(bodies_, std::vector<std::string>{"the end"});
}

// Neither the endpoint nor the pool suffers from what the source does: it is not the server's failure.
TEST_F(HttpBodyRetryTest, AFailureOfTheSourceIsNotTheEndpoints) {
  options_.config.connections.ejection.consecutive_failures = 2;
  serve(0);
  RawPeer standby(loop, [](Socket& socket) -> Task<> { co_await read_to_end(socket); });
  set_endpoints(peer_->port(), standby.port());
  for (int i = 0; i < 6; ++i) {
    source_ = std::make_shared<TestSource>(loop, std::vector<std::string>{"the ", "end"});
    source_->can_rewind = true;
    if (i % 3 == 0) source_->fails_at = 1;
    if (i % 3 == 1) source_->hangs_at = 1;
    if (i % 3 == 2) source_->announced = 99;
    options_.config.total_timeout = 50ms;
    ASSERT_TRUE(pool_->reconfigure(options_.config));
    const auto response = send("PUT");
    ASSERT_FALSE(response);
    const ErrorCode expected[] = {ErrorCode::io_failed, ErrorCode::timed_out, ErrorCode::invalid_argument};
    EXPECT_EQ(response.error().code, expected[i % 3]);
    EXPECT_EQ(source_->rewinds, 0);
  }
  EXPECT_EQ(pool_->request_counters().retried, 0U);
  options_.config.total_timeout = 20s;
  ASSERT_TRUE(pool_->reconfigure(options_.config));
  source_ = std::make_shared<TestSource>(loop, std::vector<std::string>{"the ", "end"});
  EXPECT_EQ(send("POST"), 200);
  EXPECT_EQ(standby.connections(), 0);
}

TEST_F(HttpBodyRetryTest, ARedirectSendsARewoundSourceAgain) {
  serve(0, "HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
  source_->can_rewind = true;
  EXPECT_EQ(send("POST", 3), 200);
  EXPECT_EQ(bodies_, (std::vector<std::string>{"the end", "the end"}));
  EXPECT_THAT(heads_.back(), HasSubstr("POST /there "));
}

TEST_F(HttpBodyRetryTest, ARedirectOfASourceThatCannotBeRewoundIsNamed) {
  serve(0, "HTTP/1.1 308 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
  const auto response = send("PUT", 3);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::unsupported);
  EXPECT_THAT(response.error().to_string(), HasSubstr("/there, where the body has to be sent again: the source"));
}

TEST_F(HttpBodyRetryTest, ARedirectToAGetLeavesTheSourceAlone) {
  serve(0, "HTTP/1.1 303 There\r\nLocation: /there-is-an-end\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(send("POST", 3), 200);
  EXPECT_EQ(source_->rewinds, 0);
  EXPECT_THAT(heads_.back(), HasSubstr("GET /there-is-an-end"));
}

}  // namespace
}  // namespace marketprism::net
