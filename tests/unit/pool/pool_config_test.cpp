#include "marketprism/pool/pool_config.hpp"

#include <gtest/gtest.h>

namespace marketprism::pool {
namespace {

using namespace std::chrono_literals;

std::string refusal(const PoolConfig& config) {
  const auto result = config.validate();
  return result ? "" : result.error().message;
}

TEST(PoolConfig, HasTheStatedDefaults) {
  const PoolConfig config;
  EXPECT_TRUE(config.validate());
  EXPECT_EQ(config.max_size, 50U);
  EXPECT_EQ(config.min_size, 5U);
  EXPECT_EQ(config.max_idle_time, 300s);
  EXPECT_EQ(config.max_lifetime, 3600s);
  EXPECT_EQ(config.lifetime_jitter, 0.025);
  EXPECT_EQ(config.acquire_timeout, 10s);
  EXPECT_EQ(config.health_check_interval, 60s);
  EXPECT_EQ(config.health_check_timeout, 5s);
  EXPECT_EQ(config.retry_attempts, 3U);
  const WebSocketPoolConfig websocket;
  EXPECT_TRUE(websocket.validate());
  EXPECT_EQ(websocket.connections.max_size, 20U);
  EXPECT_EQ(websocket.connections.min_size, 2U);
  EXPECT_EQ(websocket.ping_interval, 20s);
  EXPECT_EQ(websocket.pong_timeout, 10s);
  EXPECT_EQ(websocket.close_timeout, 10s);
  const HttpPoolConfig http;
  EXPECT_TRUE(http.validate());
  EXPECT_EQ(http.per_host(), 25U);
  EXPECT_EQ(http.total_timeout, 30s);
  EXPECT_EQ(http.keep_alive, 30s);
}

TEST(PoolConfig, NamesWhatIsZeroOrContradictory) {
  PoolConfig config;
  config.name = "quotes";
  config.max_size = 0;
  EXPECT_EQ(refusal(config), "pool 'quotes': max_size is 0: no connection could ever be opened");
  config.max_size = 3;
  EXPECT_EQ(refusal(config), "pool 'quotes': min_size 5 is larger than max_size 3");
  config.min_size = 3;
  EXPECT_EQ(refusal(config), "");
  config.max_connecting = 0;
  EXPECT_NE(refusal(config).find("max_connecting is 0"), std::string::npos);
  config.max_connecting = 1;
  config.acquire_timeout = 0s;
  EXPECT_NE(refusal(config).find("acquire_timeout"), std::string::npos);
  config.acquire_timeout = 1s;
  config.max_lifetime = -1s;
  EXPECT_NE(refusal(config).find("max_lifetime"), std::string::npos);
  config.max_lifetime = 0s;
  config.lifetime_jitter = 0.26;
  EXPECT_NE(refusal(config).find("lifetime_jitter 0.26 is not within 0 and 0.25"), std::string::npos);
  config.lifetime_jitter = -0.01;
  EXPECT_NE(refusal(config).find("lifetime_jitter"), std::string::npos);
  config.lifetime_jitter = 0.25;
  EXPECT_EQ(refusal(config), "");
  config.lifetime_jitter = 0;
  config.dial_backoff = {2s, 1s, 0s};
  EXPECT_NE(refusal(config).find("dial_backoff"), std::string::npos);
  config.dial_backoff = {};
  config.name = "";
  EXPECT_NE(refusal(config).find("no name"), std::string::npos);
}

TEST(PoolConfig, NamesWhatIsWrongWithEndpointsTimesAndSlots) {
  PoolConfig config;
  config.failback_interval = -1s;
  EXPECT_NE(refusal(config).find("failback_interval is negative"), std::string::npos);
  config.failback_interval = 0s;
  config.ejection.time_max = 1s;
  EXPECT_NE(refusal(config).find("ejection.time_max is shorter than ejection.time"), std::string::npos);
  config.ejection.time_max = 300s;
  config.ejection.window = 0s;
  EXPECT_NE(refusal(config).find("ejection.window"), std::string::npos);
  config.ejection.window = 1s;
  config.ejection.outlier_gap = 1.5;
  EXPECT_NE(refusal(config).find("ejection.outlier_gap"), std::string::npos);
  SlotConfig slots;
  EXPECT_TRUE(slots.validate("quotes"));
  slots.max_streams = 0;
  EXPECT_EQ(slots.validate("quotes").error().message,
            "pool 'quotes': slots.max_streams is 0: no stream could ever be placed");
}

TEST(PoolConfig, ErrorsAreTerminalInvalidArguments) {
  PoolConfig config;
  config.max_size = 0;
  const auto result = config.validate();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(result.error().is_terminal);
}

TEST(PoolConfig, HttpAndWebSocketOptionsAreCheckedToo) {
  HttpPoolConfig http;
  http.max_per_host = 51;
  EXPECT_FALSE(http.validate());
  http.max_per_host = 50;
  EXPECT_TRUE(http.validate());
  http.read_timeout = 0s;
  EXPECT_FALSE(http.validate());
  WebSocketPoolConfig websocket;
  websocket.slots.streams_per_connection = 0;
  EXPECT_FALSE(websocket.validate());
  websocket.slots.streams_per_connection = 1;
  websocket.slots.streams_per_message = 0;
  EXPECT_FALSE(websocket.validate());
  websocket.slots.streams_per_message = 1;
  websocket.ping_interval = 0s;  // never
  EXPECT_TRUE(websocket.validate());
  websocket.pong_timeout = 0s;
  EXPECT_FALSE(websocket.validate());
}

}  // namespace
}  // namespace marketprism::pool
