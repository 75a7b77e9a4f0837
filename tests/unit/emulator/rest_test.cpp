#include "marketprism/emulator/rest.hpp"

#include <gtest/gtest.h>

namespace marketprism::emulator {
namespace {

TEST(RestQuery, takes_urls_and_targets_apart) {
  const RestQuery url = RestQuery::of("https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000");
  EXPECT_EQ(url.path, "/api/v3/depth");
  EXPECT_EQ(url.value("symbol"), "BTCUSDT");
  EXPECT_EQ(url.value("limit"), "1000");
  const RestQuery target = RestQuery::of("/api/v3/depth?limit=5&symbol=A%2FB&flag&=x&&");
  EXPECT_EQ(target.path, "/api/v3/depth");
  EXPECT_EQ(target.value("symbol"), "A/B");
  EXPECT_TRUE(target.has("flag"));
  EXPECT_EQ(target.value("flag"), "");
  EXPECT_FALSE(target.has("symbo"));
  EXPECT_EQ(RestQuery::of("https://host").path, "/");
  EXPECT_EQ(RestQuery::of("").path, "");
  EXPECT_EQ(RestQuery::of("/x?a=%zz").value("a"), "%zz");
  EXPECT_EQ(RestQuery::of("/x?url=http://y").path, "/x");
}

}  // namespace
}  // namespace marketprism::emulator
