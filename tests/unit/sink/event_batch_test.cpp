#include "marketprism/sink/event_batch.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "marketprism/market/event_json.hpp"
#include "tests/unit/sink/sample_events.hpp"

namespace marketprism::sink {
namespace {

std::string json_of(const std::vector<market::Event>& events) {
  std::string text;
  for (const market::Event& event : events) market::append_json(event, text);
  return text;
}

TEST(EventBatch, OwnsEverythingTheEventsPointTo) {
  const std::string expected = json_of(one_of_each());
  EventBatch batch;
  {
    std::string symbol = "BTCUSDT";
    std::string id = "a rather long trade id 1";
    std::vector<market::Event> events = one_of_each();
    std::vector<market::Level> bids(std::get<market::Book>(events[1].payload).bids.begin(),
                                    std::get<market::Book>(events[1].payload).bids.end());
    for (market::Event& event : events) {
      event.symbol = symbol;
      if (auto* const trade = std::get_if<market::Trade>(&event.payload)) trade->id = id;
      if (auto* const book = std::get_if<market::Book>(&event.payload)) book->bids = bids;
      batch.append(event);
    }
    symbol.assign("XXXXXXX");
    id.assign(id.size(), 'x');
    std::ranges::fill(bids, market::Level{});
  }
  EXPECT_EQ(json_of(batch.events()), expected);
  EXPECT_GT(batch.bytes(), batch.events().size() * sizeof(market::Event));
}

TEST(EventBatch, ASymbolThatTakesTheMemoryOfAnotherIsNotMistakenForIt) {
  EventBatch batch;
  char memory[] = "AAAUSDT";
  batch.append(event_of(market::MarkPrice{}, std::string_view(memory, 7)));
  std::ranges::copy(std::string_view("BBBUSDT"), memory);
  batch.append(event_of(market::MarkPrice{}, std::string_view(memory, 7)));
  batch.append(event_of(market::MarkPrice{}, std::string_view(memory, 7)));
  EXPECT_EQ(batch.events()[0].symbol, "AAAUSDT");
  EXPECT_EQ(batch.events()[1].symbol, "BBBUSDT");
  EXPECT_EQ(batch.events()[1].symbol.data(), batch.events()[2].symbol.data());
}

TEST(EventBatch, OneMadeForASizeTakesNoMoreUpToIt) {
  constexpr std::size_t bytes_max = 128 << 10;
  for (const market::Event& event : one_of_each()) {
    if (event.type() == market::EventType::instrument) continue;  // rare; each allocates
    EventBatch batch(bytes_max);
    const std::size_t capacity = batch.capacity_bytes();
    while (batch.bytes() < bytes_max) batch.append(event);
    EXPECT_EQ(batch.capacity_bytes(), capacity) << name_of(event.type());
  }
}

TEST(EventBatch, CanBeUsedAgain) {
  const std::string expected = json_of(one_of_each());
  EventBatch batch;
  for (int round = 0; round < 3; ++round) {
    for (const market::Event& event : one_of_each()) batch.append(event);
    EXPECT_EQ(json_of(batch.events()), expected);
    batch.clear();
    EXPECT_TRUE(batch.empty());
    EXPECT_EQ(batch.bytes(), 0U);
  }
}

TEST(Arena, GivesPiecesThatDoNotOverlapAndKeepsItsChunks) {
  Arena arena(256);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < 100; ++i)
      pieces.push_back(arena.copy(std::string(i * 5, static_cast<char>('a' + i % 26))));
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_EQ(pieces[i], std::string(i * 5, static_cast<char>('a' + i % 26)));
    }
    void* const aligned = arena.allocate(32, 16);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % 16, 0U);
    arena.clear();
  }
  EXPECT_EQ(arena.copy({}).data(), nullptr);
}

}  // namespace
}  // namespace marketprism::sink
