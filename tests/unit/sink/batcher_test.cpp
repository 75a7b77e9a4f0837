#include "marketprism/sink/batcher.hpp"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/market/event_json.hpp"
#include "tests/unit/sink/sample_events.hpp"

namespace marketprism::sink {
namespace {

using ::testing::HasSubstr;

/// Keeps what it is given as JSON; can be held up.
class RecordingSink final : public Sink {
 public:
  struct Record {
    std::mutex mutex;
    std::mutex held;  // write() waits while somebody else has it
    std::vector<std::string> lines;
    bool is_closed = false;
  };
  explicit RecordingSink(Record& record, Result<> on_close = {}) : record_(record), on_close_(std::move(on_close)) {}

  [[nodiscard]] std::string_view name() const override { return "recording"; }
  void write(const EventBatch& batch, Instant) override {
    const std::lock_guard held(record_.held);
    const std::lock_guard lock(record_.mutex);
    for (const market::Event& event : batch.events()) {
      std::string line;
      market::append_json(event, line);
      record_.lines.push_back(line);
    }
  }
  void tick(Instant) override {}
  Result<> close() override {
    record_.is_closed = true;
    return on_close_;
  }
  [[nodiscard]] SinkStats stats() const override { return {.events = 7}; }

 private:
  Record& record_;
  Result<> on_close_;
};

std::vector<std::unique_ptr<Sink>> only(std::unique_ptr<Sink> sink) {
  std::vector<std::unique_ptr<Sink>> sinks;
  sinks.push_back(std::move(sink));
  return sinks;
}

TEST(SinkThread, GivesEveryEventOfEveryThreadToTheSinkInOrder) {
  RecordingSink::Record record;
  SinkThread thread(only(std::make_unique<RecordingSink>(record)),
                    {.batches = {.batch_bytes_max = 4096, .batches_max = 4, .when_full = WhenFull::wait}});
  constexpr int count = 5000;
  std::vector<std::thread> producers;
  for (const std::string_view exchange : {"okx", "binance"}) {
    producers.emplace_back([&thread, exchange] {
      Batcher& batcher = thread.batcher();
      for (int i = 0; i < count; ++i) {
        batcher.on_event(event_of(trade_of(std::to_string(i), "1.5", "2"), "S", sample_ns, exchange));
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_TRUE(thread.close());
  EXPECT_TRUE(record.is_closed);
  ASSERT_EQ(record.lines.size(), 2U * count);
  int next_okx = 0;
  int next_binance = 0;
  for (const std::string& line : record.lines) {
    int& next = line.find("okx") != std::string::npos ? next_okx : next_binance;
    ASSERT_THAT(line, HasSubstr("\"id\":\"" + std::to_string(next++) + "\""));
  }
  const std::vector<FlowStats> flows = thread.flows();
  ASSERT_EQ(flows.size(), 2U);
  EXPECT_EQ(flows[0].events + flows[1].events, 2U * count);
  EXPECT_EQ(flows[0].type, market::EventType::trade);
  EXPECT_EQ(thread.dropped(), CountByType{});
  EXPECT_EQ(thread.sink_stats()[0].events, 7U);
}

TEST(SinkThread, AnErrorOfASinkAtTheEndIsReturned) {
  RecordingSink::Record record;
  SinkThread thread(only(std::make_unique<RecordingSink>(record, fail(ErrorCode::storage_full, "no space"))), {});
  const Result<> closed = thread.close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().message, "no space");
  EXPECT_TRUE(thread.close());
}

TEST(Batcher, ABookWithAHoleFollowsWholeOnceThereIsRoom) {
  RecordingSink::Record record;
  SinkThread thread(only(std::make_unique<RecordingSink>(record)),
                    {.batches = {.batch_bytes_max = 1, .batches_max = 4}});  // every event fills a batch
  Batcher& batcher = thread.batcher();
  std::vector<std::string> asked;
  batcher.restore_books_from([&](std::string_view, std::string_view symbol, UnixTime now, market::EventSink& out) {
    asked.emplace_back(symbol);
    market::Event event = event_of(market::Book{.is_snapshot = true, .sequence = 77}, symbol);
    event.receive_time = now;
    out.on_event(event);
  });
  record.held.lock();
  const auto dropped = [&] { return batcher.dropped()[static_cast<std::size_t>(market::EventType::book)]; };
  while (dropped() < 1) batcher.on_event(event_of(market::Book{}, "A"));
  while (dropped() < 2) batcher.on_event(event_of(market::Book{}, "B"));
  EXPECT_TRUE(asked.empty());
  record.held.unlock();
  while (asked.size() < 2) {
    batcher.on_event(event_of(market::MarkPrice{}, "C"));
    std::this_thread::yield();
  }
  EXPECT_TRUE(thread.close());
  for (const std::string symbol : {"A", "B"}) {
    std::vector<std::string> lines;  // from the gap on
    for (const std::string& line : record.lines) {
      if (!line.contains("\"symbol\":\"" + symbol + '"')) continue;
      if (!lines.empty() || line.contains("sink_overflow")) lines.push_back(line);
    }
    ASSERT_EQ(lines.size(), 2U) << symbol;
    EXPECT_THAT(lines[1], HasSubstr("\"snapshot\":true,\"sequence\":77"));
  }
  EXPECT_THAT(asked, ::testing::ElementsAre("A", "B"));
}

TEST(Batcher, DropsTheNewestByCountAndMarksTheHole) {
  RecordingSink::Record record;
  SinkThread thread(only(std::make_unique<RecordingSink>(record)),
                    {.batches = {.batch_bytes_max = 1, .batches_max = 2}});  // every event fills a batch
  Batcher& batcher = thread.batcher();
  record.held.lock();
  const market::Event book = event_of(market::Book{.is_snapshot = true, .sequence = 1}, "HOLE");
  const auto dropped = [&](market::EventType type) { return batcher.dropped()[static_cast<std::size_t>(type)]; };
  while (dropped(market::EventType::book) < 3) batcher.on_event(book);
  batcher.on_event(event_of(trade_of("1", "1", "1"), "HOLE"));
  EXPECT_EQ(dropped(market::EventType::trade), 1U);
  record.held.unlock();
  // The two gaps go first; until they and the event have found room, the event itself is dropped, too.
  for (;;) {
    const std::uint64_t before = dropped(market::EventType::mark_price);
    batcher.on_event(event_of(market::MarkPrice{}, "AFTER"));
    if (dropped(market::EventType::mark_price) == before) break;
    std::this_thread::yield();
  }
  EXPECT_TRUE(thread.close());
  std::string all;
  for (const std::string& line : record.lines) all += line;
  for (const std::string channel : {"book", "trade"}) {
    const std::size_t gap = all.find(
        "\"symbol\":\"HOLE\",\"exchange_time\":null,\"receive_time\":1795478399000000000,"
        "\"channel\":\"" +
        channel + "\",\"reason\":\"sink_overflow\"");
    EXPECT_NE(gap, std::string::npos) << channel;
    EXPECT_LT(gap, all.find("\"type\":\"mark_price\"")) << channel;
  }
  EXPECT_THAT(record.lines.back(), HasSubstr("\"type\":\"mark_price\""));
  EXPECT_EQ(thread.dropped(), batcher.dropped());
}

TEST(Batcher, AfterCloseEventsAreDropped) {
  RecordingSink::Record record;
  SinkThread thread(only(std::make_unique<RecordingSink>(record)), {});
  Batcher& batcher = thread.batcher();
  EXPECT_TRUE(thread.close());
  batcher.on_event(event_of(market::MarkPrice{}));
  EXPECT_TRUE(record.lines.empty());
  EXPECT_EQ(thread.dropped()[static_cast<std::size_t>(market::EventType::mark_price)], 1U);
}

TEST(Registry, KnowsTheSinksAndSuggests) {
  EXPECT_THAT(sink_names(), ::testing::ElementsAre("parquet", "jsonl"));
  const auto unknown = make_sink("parket", {});
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean \"parquet\"?"));
}

}  // namespace
}  // namespace marketprism::sink
