#include "marketprism/collector/picture.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "marketprism/collector/picture_json.hpp"

namespace marketprism::collector {
namespace {

using market::EventType;
using std::chrono::seconds;

/// A collector of one exchange with one trade stream, `second` seconds after its start.
Picture picture_at(int second, std::uint64_t messages, int last_at) {
  Picture picture;
  picture.uptime_s = second;
  picture.loop.taken_at = Instant(seconds(1000 + second));
  picture.loop.wall_time = unix_time_ms(1'000'000 + 1000 * second);
  VenueSnapshot& venue = picture.loop.venues.emplace_back();
  venue.status.exchange = "okx";
  venue.status.is_started = true;
  venue.status.streams = venue.status.streams_up = 1;
  venue.status.feed.frames = messages;
  venue.status.feed.messages[static_cast<std::size_t>(EventType::trade)] = messages;
  const UnixTime last = last_at < 0 ? no_time : unix_time_ms(1'000'000 + 1000 * last_at);
  venue.streams.push_back({"BTC-USDT", EventType::trade, {last, messages}});
  return picture;
}

TEST(Picture, RatesAreMeasuredBetweenMarks) {
  PictureMaker maker({});
  for (int second = 0; second <= 2; ++second) maker.mark(picture_at(second, 100 * second, second));
  Picture picture = picture_at(3, 400, 3);  // 200 more than a second ago, 300 more than two seconds ago
  maker.complete(picture);
  ASSERT_EQ(picture.feeds.size(), 1U);
  EXPECT_DOUBLE_EQ(picture.feeds[0].messages_per_s, 150);
  EXPECT_DOUBLE_EQ(picture.messages_per_s, 150);
}

TEST(Picture, IsReadyWhenSubscribedAndFresh) {
  const PictureMaker maker({seconds(5), seconds(15)});
  std::string why;
  Picture fresh = picture_at(100, 5, 98);
  maker.complete(fresh);
  EXPECT_TRUE(fresh.is_ready(&why));
  EXPECT_TRUE(fresh.attention.empty());

  Picture late = picture_at(100, 5, 94);
  maker.complete(late);
  EXPECT_TRUE(late.is_ready());
  ASSERT_EQ(late.attention.size(), 1U);
  EXPECT_EQ(late.attention[0].level, Health::late);

  Picture stale = picture_at(100, 5, 80);
  maker.complete(stale);
  EXPECT_FALSE(stale.is_ready(&why));
  EXPECT_EQ(why, "okx trade: nothing for 20 s");
  EXPECT_EQ(stale.attention.at(0).level, Health::stale);

  Picture down = picture_at(100, 5, 99);
  down.loop.venues[0].status.streams_up = 0;
  maker.complete(down);
  EXPECT_FALSE(down.is_ready(&why));
  EXPECT_EQ(why, "1 of 1 streams are not up");

  Picture starting = picture_at(100, 5, 99);
  starting.loop.venues[0].books_wanted = 100;
  starting.loop.venues[0].status.books_live = 40;
  maker.complete(starting);
  EXPECT_FALSE(starting.is_ready(&why));
  EXPECT_EQ(why, "60 of 100 books are not live");
  starting.loop.venues[0].status.books_live = 96;  // a gap now and then is everyday
  EXPECT_TRUE(starting.is_ready());

  Picture unreachable = picture_at(100, 5, 99);
  VenueStatus& other = unreachable.loop.venues.emplace_back().status;
  other.exchange = "deribit";
  other.last_error = "connection refused";
  maker.complete(unreachable);
  EXPECT_FALSE(unreachable.is_ready(&why));
  EXPECT_EQ(why, "deribit has not started: connection refused");
  EXPECT_EQ(unreachable.attention.at(0).level, Health::stale);

  Picture blocked = picture_at(100, 5, 99);
  blocked.is_answering = false;
  maker.complete(blocked);
  EXPECT_FALSE(blocked.is_ready(&why));
  EXPECT_EQ(blocked.attention.at(0).view, "loops");
}

TEST(Picture, TellsWhoHoldsMemoryAndWhoHasNearlyAllItMay) {
  const PictureMaker maker({seconds(5), seconds(15)});
  Picture picture = picture_at(100, 5, 99);
  picture.memory.rss = 100 << 20;
  picture.loop.venues[0].directory_bytes = 1 << 20;
  picture.store.batches_max = 128;
  picture.store.batches_waiting = 2;
  memory::MemoryBudget budget;
  memory::MemoryAccount& books = budget.account("books", {.soft = 40 << 20, .hard = 50 << 20});
  books.add(45 << 20);
  picture.owners = budget.owners();
  Picture refused = picture;
  maker.complete(picture);
  std::uint64_t sum = 0;
  std::string names;
  for (const memory::OwnerBytes& owner : picture.owners) {
    sum += owner.bytes;
    names += owner.owner + ' ';
  }
  EXPECT_EQ(names, "books instruments pools sinks queues other ");
  EXPECT_EQ(sum, picture.memory.rss);
  ASSERT_EQ(picture.attention.size(), 1U);
  EXPECT_EQ(picture.attention[0].level, Health::late);
  EXPECT_EQ(picture.attention[0].text, "books hold 45 of 50 MiB; raise memory.books_bytes or collect fewer symbols");

  EXPECT_FALSE(books.reserve(10 << 20));
  refused.owners = budget.owners();
  maker.complete(refused);
  EXPECT_EQ(refused.attention.at(0).level, Health::stale);
}

TEST(Picture, WhatNeverCameIsAsOldAsTheCollector) {
  const PictureMaker maker({seconds(5), seconds(15)});
  Picture young = picture_at(3, 0, -1);
  maker.complete(young);
  EXPECT_EQ(young.feeds.at(0).health, Health::fresh);
  Picture old = picture_at(16, 0, -1);
  maker.complete(old);
  EXPECT_EQ(old.feeds.at(0).health, Health::stale);
  EXPECT_NE(feeds_json(old).find(R"(["okx","BTC-USDT","trade",-1,0])"), std::string::npos);
}

TEST(Picture, TheConfigurationIsToldWithoutSecrets) {
  CollectConfig config;
  config.admin.token = "very-secret-token-1";
  ExchangeConfig& exchange = config.exchanges.emplace_back();
  exchange.name = "okx";
  exchange.address = "https://me:secret-2@proxy.example:8443/x@y";
  exchange.proxy = "socks5://u:secret-4@proxy.example:1080";
  exchange.rest_url = "https://host.example/a@b";
  exchange.websocket_urls["public"] = "wss://u:secret-3@h.example/ws";
  const std::string json = config_json(config);
  EXPECT_EQ(json.find("secret"), std::string::npos);
  EXPECT_NE(json.find("https://proxy.example:8443/x@y"), std::string::npos);
  EXPECT_NE(json.find("https://host.example/a@b"), std::string::npos);
  EXPECT_NE(json.find("socks5://proxy.example:1080"), std::string::npos);
  EXPECT_NE(json.find("wss://h.example/ws"), std::string::npos);
  EXPECT_NE(json.find("\"needs_token\":true"), std::string::npos);
}

}  // namespace
}  // namespace marketprism::collector
