// The primary endpoint dies under load, and comes back.
#include <gtest/gtest.h>

#include "marketprism/net/http_connection_pool.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

class FailoverTest : public testing::Test, public LoopFixture {
 public:
  FailoverTest() {
    primary_ = make_server("primary");
    standby_ = make_server("standby");
    options_.config.connections.min_size = 0;
    options_.config.connections.max_size = 128;
    options_.config.max_per_host = 64;
    options_.config.connections.max_connecting = 64;
    options_.config.connections.ejection.time = 100ms;
    options_.config.connections.ejection.recovery = 100ms;
    options_.config.connections.failback_interval = 20ms;
    pool_.emplace(HttpConnectionPool::create(loop, options_).value());
    url_ = wire::parse_url("http://venue.invalid/").value();
    EXPECT_TRUE(pool_->set_endpoints(
        url_, {{"127.0.0.1", primary_->port(), false, "", 0, 1}, {"127.0.0.1", standby_->port(), false, "", 1, 1}}));
  }

  std::unique_ptr<HttpServer> make_server(std::string name) {
    HttpServerOptions options;
    {
      Listener free(loop);
      options.port = free.listen("127.0.0.1", 0).value();  // fixed, so that it can come back there
      free.close();
    }
    auto server = std::make_unique<HttpServer>(loop, options);
    server->handle("GET", "/*", [this, name](const HttpServerRequest& request) { return serve(name, request); });
    EXPECT_TRUE(server->listen());
    return server;
  }

  // Takes a moment, so that requests are under way whenever something happens.
  Task<HttpReply> serve(std::string name, const HttpServerRequest&) {
    if (name == "primary" && dies_at_next_) {
      dies_at_next_ = false;
      kill_primary();
    }
    co_await loop.sleep_for(1ms);
    HttpReply reply;
    reply.body = name;
    co_return reply;
  }
  void kill_primary() {
    primary_->stop_accepting();
    primary_->cut_all();
  }

  static Task<> ask(FailoverTest& test, int& running, async::Signal& done) {
    while (!test.is_over_) {
      HttpRequest get;
      auto response = co_await test.pool_->request(test.url_, std::move(get));
      EXPECT_TRUE(response) << response.error().to_string();
      if (!response) ++test.failures_;
      if (response && (*response)->body == "primary") ++test.by_primary_;
      if (response && (*response)->body == "standby") ++test.by_standby_;
    }
    if (--running == 0) done.set();
  }
  Task<bool> until(std::function<bool()> what) {
    for (int i = 0; i < 5'000 && !what(); ++i) co_await loop.sleep_for(2ms);
    co_return what();
  }

  HttpPoolOptions options_;
  std::unique_ptr<HttpServer> primary_;
  std::unique_ptr<HttpServer> standby_;
  std::optional<HttpConnectionPool> pool_;
  wire::Url url_;
  bool dies_at_next_ = false;
  bool is_over_ = false;
  int by_primary_ = 0;
  int by_standby_ = 0;
  int failures_ = 0;
};

TEST_F(FailoverTest, NoIdempotentRequestFailsAndTheTrafficComesBack) {
  run([](FailoverTest& test) -> Task<> {
    async::Signal done(test.loop);
    int running = 64;
    for (int i = 0; i < 64; ++i) test.loop.spawn(ask(test, running, done));
    const auto primary_has_many = [&] { return test.by_primary_ > 1'000; };
    const bool is_loaded = co_await test.until(primary_has_many);
    EXPECT_TRUE(is_loaded);
    EXPECT_EQ(test.by_standby_, 0);
    EXPECT_EQ(test.pool_->summary().gauges.active, 64U);

    test.kill_primary();
    const auto standby_has_many = [&] { return test.by_standby_ > 1'000; };
    const bool is_moved = co_await test.until(standby_has_many);
    EXPECT_TRUE(is_moved);

    EXPECT_TRUE(test.primary_->listen());
    const int before = test.by_primary_;
    const auto primary_has_more = [&] { return test.by_primary_ > before + 1'000; };
    const bool is_back = co_await test.until(primary_has_more);
    EXPECT_TRUE(is_back);
    // All of it: while the primary takes a thousand more, the standby gets nothing.
    bool is_whole = false;
    for (int i = 0; i < 50 && !is_whole; ++i) {
      const int standby = test.by_standby_;
      const int primary = test.by_primary_;
      const auto primary_goes_on = [&] { return test.by_primary_ > primary + 1'000; };
      const bool went_on = co_await test.until(primary_goes_on);
      is_whole = went_on && test.by_standby_ == standby;
    }
    EXPECT_TRUE(is_whole);
    test.is_over_ = true;
    co_await done.wait();
  }(*this));
  EXPECT_EQ(failures_, 0);
  EXPECT_GE(pool_->request_counters().retried, 1U);
}

TEST_F(FailoverTest, TheFirstRequestThatMeetsTheDeadEndpointEndsOnTheStandby) {
  const auto fetch = [](FailoverTest& test) -> Task<std::string> {
    HttpRequest get;
    auto response = co_await test.pool_->request(test.url_, std::move(get));
    if (!response) co_return response.error().to_string();
    co_return response->take().body;
  };
  EXPECT_EQ(run(fetch(*this)), "primary");
  dies_at_next_ = true;
  EXPECT_EQ(run(fetch(*this)), "standby");
  EXPECT_EQ(pool_->request_counters().retried, 1U);
  EXPECT_EQ(pool_->summary().counters.failures, 1U);  // the one dial that was refused
}

}  // namespace
}  // namespace marketprism::net
