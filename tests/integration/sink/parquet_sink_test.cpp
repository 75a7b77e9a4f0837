#include "tests/integration/sink/parquet_sink.hpp"

#include <map>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/sink/query.hpp"
#include "marketprism/sink/sink.hpp"
#include "marketprism/sink/tape/file_source.hpp"
#include "tests/integration/sink/small_disk.hpp"
#include "tests/unit/sink/sample_events.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The rows of a query, columns joined by a bar.
std::vector<std::string> rows_of(const std::string& folder, const std::string& sql) {
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder, .threads = 1});
  if (!engine) return {engine.error().to_string()};
  Result<QueryResult> result = engine->run(sql);
  if (!result) return {result.error().to_string()};
  std::vector<std::string> rows;
  QueryResult::Row row;
  for (;;) {
    const Result<bool> more = result->next(row);
    if (!more) return {more.error().to_string()};
    if (!*more) return rows;
    std::string& line = rows.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) line += (i > 0 ? "|" : "") + row[i].value_or("NULL");
  }
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  if (const Result<std::vector<std::string>> files = recording_files({folder})) {
    for (const std::string& file : *files) names.push_back(file.substr(folder.size() + 1));
  }
  return names;
}

TEST(ParquetSink, StoresEveryTypeWithItsColumns) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path()});
  sink->write(batch_of(one_of_each()), start);
  EXPECT_EQ(sink->stats().buffered_rows, 13U);
  ASSERT_TRUE(sink->close());
  const SinkStats stats = sink->stats();
  EXPECT_EQ(stats.events, 11U);
  EXPECT_EQ(stats.rows, 13U);
  EXPECT_EQ(stats.files, 11U);
  EXPECT_EQ(stats.buffered_rows, 0U);
  EXPECT_GT(stats.bytes, 0U);
  EXPECT_THAT(names_in(folder.path()),
              ::testing::Contains("type=trade/exchange=binance/date=2026-11-23/part-1795478399000000000-0.parquet"));
  const std::string common = "BTCUSDT|2026-11-23 23:59:58.998999999|2026-11-23 23:59:59|3|";
  const auto all = [&](const std::string& type) {
    std::vector<std::string> rows = rows_of(folder.path(), "SELECT * EXCLUDE (type, exchange, date) FROM " + type);
    for (std::string& row : rows) {
      EXPECT_TRUE(row.starts_with(common)) << row;
      row.erase(0, common.size());
    }
    return rows;
  };
  EXPECT_THAT(all("trade"), ElementsAre("a rather long trade id 1|sell|61800.2|0.006|false"));
  EXPECT_THAT(all("book"),
              ElementsAre("true|bid|61800.2|2.507|42", "true|bid|61800.1|0.0|42", "true|ask|61800.3|0.01|42"));
  EXPECT_THAT(all("bbo"), ElementsAre("1.5|NULL|1.6|NULL|43"));
  EXPECT_THAT(all("candle"), ElementsAre("1m|1970-01-01 00:01:00|1970-01-01 00:01:59.999|1.0|4.0|0.5|2.0|100.25|true"));
  EXPECT_THAT(all("funding_rate"), ElementsAre("-0.0001|1970-01-01 00:00:07"));
  EXPECT_THAT(all("open_interest"), ElementsAre("12345.678"));
  EXPECT_THAT(all("mark_price"), ElementsAre("61799.99"));
  EXPECT_THAT(all("index_price"), ElementsAre("61799.98"));
  EXPECT_THAT(all("liquidation"), ElementsAre("NULL|buy|60000.0|3.0"));
  EXPECT_THAT(all("gap"), ElementsAre("book|sequence|5|9"));
  EXPECT_THAT(
      all("instrument"),
      ElementsAre(
          "BTC-USD-20210924-8000-P|option|BTC|USD|BTC|1.0|base|0.0005|0.1|2021-09-24 08:00:00|8000.0|put|trading"));
  EXPECT_THAT(rows_of(folder.path(), "SELECT DISTINCT type, exchange, date, typeof(date) FROM trade"),
              ElementsAre("trade|binance|2026-11-23|DATE"));
  EXPECT_THAT(rows_of(folder.path(), "SELECT typeof(receive_time), typeof(price), typeof(connection) FROM trade"),
              ElementsAre("TIMESTAMP_NS|DOUBLE|UINTEGER"));
}

TEST(ParquetSink, ExactKeepsEveryDigit) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path(), .is_exact = true});
  sink->write(batch_of({event_of(trade_of("1", "12345678901234567.89", "-0.000000000000000001"))}), start);
  ASSERT_TRUE(sink->close());
  EXPECT_THAT(rows_of(folder.path(), "SELECT price, amount, typeof(price) FROM trade"),
              ElementsAre("12345678901234567.890000000000000000|-0.000000000000000001|DECIMAL(38,18)"));
  EXPECT_EQ(sink->stats().inexact_values, 0U);
}

TEST(ParquetSink, KeepsTheOrderOverPagesAndRowGroups) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path()});
  constexpr std::int64_t count = 300'000;
  for (std::int64_t i = 0; i < count;) {
    EventBatch batch;
    for (int n = 0; n < 10'000; ++n, ++i)
      batch.append(event_of(trade_of(std::to_string(i * 7919), "1", "2"), "S", sample_ns));
    sink->write(batch, start);
  }
  ASSERT_TRUE(sink->close());
  EXPECT_THAT(rows_of(folder.path(),
                      "SELECT count(*), count(*) FILTER (id::BIGINT = 7919 * n) FROM "
                      "(SELECT id, row_number() OVER () - 1 AS n FROM trade)"),
              ElementsAre("300000|300000"));
}

TEST(ParquetSink, RotatesByRowsBytesAgeAndDate) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path(), .rows_max = 10, .age_max = std::chrono::seconds(60)});
  const auto give = [&](std::int64_t ns, Instant now) {
    sink->write(batch_of({event_of(trade_of("1", "1", "1"), "S", ns)}), now);
  };
  for (int i = 0; i < 25; ++i) give(sample_ns + i, start);
  settle(*sink, start);
  EXPECT_EQ(sink->stats().files, 2U);
  settle(*sink, start + std::chrono::seconds(59));
  EXPECT_EQ(sink->stats().files, 2U);
  settle(*sink, start + std::chrono::seconds(60));
  EXPECT_EQ(sink->stats().files, 3U);
  give(sample_ns + 1'000'000'000, start);
  give(sample_ns + 30, start);
  give(sample_ns + 1'000'000'001, start);
  ASSERT_TRUE(sink->close());
  EXPECT_THAT(
      rows_of(folder.path(), "SELECT date, count(*), count(DISTINCT filename) FROM (SELECT * FROM read_parquet('" +
                                 folder.path() + "/*/*/*/*.parquet', filename = true)) GROUP BY 1 ORDER BY 1"),
      ElementsAre("2026-11-23|26|4", "2026-11-24|2|1"));

  const auto small = sink_in({.folder = folder.path() + "/small", .part_bytes_max = 200'000});
  EventBatch batch;
  for (int i = 0; i < 20'000; ++i) batch.append(event_of(trade_of("1", "1", "1")));
  small->write(batch, start);
  settle(*small, start);
  EXPECT_GT(small->stats().files, 3U);
  EXPECT_LT(small->stats().buffered_bytes, 300'000U);
}

TEST(ParquetSink, ASlowDiskHoldsTheWriterOfEventsAndLosesNothing) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path(), .part_bytes_max = 200'000, .buffered_bytes_max = 400'000});
  constexpr std::uint64_t count = 200'000;
  for (std::uint64_t i = 0; i < count;) {
    EventBatch batch;
    for (int n = 0; n < 1'000; ++n) batch.append(event_of(trade_of(std::to_string(i++), "1", "1")));
    sink->write(batch, start);
    ASSERT_LT(sink->stats().buffered_bytes, 900'000U);
  }
  ASSERT_TRUE(sink->close());
  EXPECT_EQ(sink->stats().rows, count);
  EXPECT_THAT(rows_of(folder.path(), "SELECT count(*), count(DISTINCT id) FROM trade"), ElementsAre("200000|200000"));
}

TEST(ParquetSink, ARestartNeverOverwrites) {
  const TemporaryFolder folder;
  for (int run = 0; run < 3; ++run) {
    const auto sink = sink_in({.folder = folder.path()});
    sink->write(batch_of({event_of(trade_of(std::to_string(run), "1", "1"))}), start);
    ASSERT_TRUE(sink->close());
  }
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre("type=trade/exchange=binance/date=2026-11-23/part-1795478399000000000-0.parquet",
                          "type=trade/exchange=binance/date=2026-11-23/part-1795478399000000000-1.parquet",
                          "type=trade/exchange=binance/date=2026-11-23/part-1795478399000000000-2.parquet"));
  EXPECT_THAT(rows_of(folder.path(), "SELECT id FROM trade ORDER BY id"), ElementsAre("0", "1", "2"));
}

TEST(ParquetSink, RemovesWhatACrashHasLeftButNotWhatAnotherProcessWrites) {
  const TemporaryFolder folder;
  const std::string dead = folder.write("type=trade/exchange=x/date=2026-01-01/.part-5.2147483646.parquet.tmp", "");
  const std::string alive =
      folder.write("type=trade/exchange=x/date=2026-01-01/.part-5." + std::to_string(::getppid()) + ".parquet.tmp", "");
  const std::string other = folder.write("type=trade/exchange=x/date=2026-01-01/.part-5.parquet.tmp", "");
  sink_in({.folder = folder.path()});
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(alive));
  EXPECT_TRUE(std::filesystem::exists(other));
}

TEST(ParquetSink, AFolderThatCannotBeWrittenIsAnErrorAtOnce) {
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "");
  const auto sink = make_sink("parquet", {.folder = file + "/store"});
  ASSERT_FALSE(sink);
  EXPECT_THAT(sink.error().message, HasSubstr(file + "/store"));
}

TEST(ParquetSink, AFullDiskIsToldOvercomeAndHarmsNothing) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  std::vector<std::string> states;
  const auto sink =
      sink_in({.folder = disk.path(),
               .rows_max = 1000,
               .buffered_bytes_max = 4UL << 20,
               .retry_after = std::chrono::seconds(5),
               .on_state = [&](const Result<>& s) { states.push_back(s ? "works" : s.error().to_string()); }});
  std::int64_t given = 0;
  std::uint64_t number = 1;
  const auto give = [&](Instant now) {
    EventBatch batch;
    for (int i = 0; i < 1000; ++i) {
      number = number * 6364136223846793005U + 1442695040888963407U;
      const std::string id = std::to_string(number);
      batch.append(event_of(trade_of(id, std::to_string(number >> 40), "1"), "S", sample_ns + given++));
    }
    sink->write(batch, now);
  };
  give(start);
  settle(*sink, start);
  EXPECT_EQ(sink->stats().files, 1U);
  const std::string ballast = disk.folder().write("ballast", std::string(200UL << 10, 'x'));
  for (int i = 0; i < 3; ++i) give(start);
  settle(*sink, start);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_THAT(states[0], HasSubstr("No space left on device"));
  EXPECT_TRUE(sink->stats().is_failing);
  EXPECT_EQ(rows_of(disk.path(), "SELECT count(*) FROM trade")[0], std::to_string(sink->stats().rows));
  while (sink->stats().dropped[0] == 0) give(start);
  EXPECT_LT(sink->stats().buffered_bytes, 5U << 20);
  std::filesystem::remove(ballast);
  std::filesystem::remove_all(disk.path() + "/lost");
  sink->tick(start + std::chrono::seconds(4));
  EXPECT_TRUE(sink->stats().is_failing);
  // Even the freed disk is too small for all of it at once: what was written stays, the rest is named at the end.
  const std::uint64_t rows_before = sink->stats().rows;
  const Result<> closed = sink->close();
  const SinkStats stats = sink->stats();
  // The hole is named by one row more, if there was room for its file.
  const std::string gap_files = disk.path() + "/type=gap";
  const std::uint64_t trades = stats.rows - (std::filesystem::exists(gap_files) && names_in(gap_files).size() == 1);
  EXPECT_EQ(rows_of(disk.path(), "SELECT count(*) FROM trade")[0], std::to_string(trades));
  EXPECT_GE(trades, rows_before);
  EXPECT_EQ(trades + stats.dropped[0], static_cast<std::uint64_t>(given));
  if (!closed) EXPECT_THAT(closed.error().to_string(), HasSubstr("rows could not be stored"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(disk.path())) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
}

TEST(ParquetSink, WhatAFullDiskCostIsNamedByGaps) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  const auto sink = sink_in({.folder = disk.path(), .rows_max = 100, .buffered_bytes_max = 1});
  const std::string ballast = disk.folder().write("ballast", std::string(256UL << 10, 'x'));
  const auto give = [&](const char* symbol, std::int64_t ns) {
    sink->write(batch_of({event_of(trade_of("1", "1", "1"), symbol, ns)}), start);
  };
  give("A", sample_ns);  // kept; from here on there is no room
  for (int i = 1; i < 4; ++i) give("A", sample_ns + i);
  give("B", sample_ns + 4);
  EXPECT_TRUE(sink->stats().is_failing);
  EXPECT_EQ(sink->stats().dropped[0], 4U);
  std::filesystem::remove(ballast);
  settle(*sink, start + std::chrono::seconds(5));
  give("A", sample_ns + 5);
  ASSERT_TRUE(sink->close());
  EXPECT_THAT(rows_of(disk.path(), "SELECT symbol, channel, reason, epoch_ns(receive_time) - " +
                                       std::to_string(sample_ns) + " FROM gap ORDER BY 1"),
              ElementsAre("A|trade|sink_storage|1", "B|trade|sink_storage|4"));
  EXPECT_EQ(rows_of(disk.path(), "SELECT count(*) FROM trade")[0], "2");
}

TEST(ParquetSink, WhatAFullDiskCostIsNamedAtTheEndIfNothingFollows) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  const auto sink = sink_in({.folder = disk.path(), .rows_max = 100, .buffered_bytes_max = 1});
  const std::string ballast = disk.folder().write("ballast", std::string(256UL << 10, 'x'));
  for (int i = 0; i < 3; ++i) sink->write(batch_of({event_of(trade_of("1", "1", "1"), "A", sample_ns + i)}), start);
  EXPECT_EQ(sink->stats().dropped[0], 2U);
  std::filesystem::remove(ballast);
  ASSERT_TRUE(sink->close());
  EXPECT_THAT(rows_of(disk.path(), "SELECT symbol, channel, reason FROM gap"), ElementsAre("A|trade|sink_storage"));
}

// A delta without levels has nothing to write, so its end is no sign that writing works again.
TEST(ParquetSink, NothingToWriteIsNoSuccess) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  std::vector<std::string> states;
  const auto sink = sink_in({.folder = disk.path(), .rows_max = 100, .on_state = [&](const Result<>& s) {
                               states.push_back(s ? "works" : s.error().to_string());
                             }});
  const std::string ballast = disk.folder().write("ballast", std::string(256UL << 10, 'x'));
  sink->write(batch_of(std::vector<market::Event>(100, event_of(trade_of("1", "1", "1")))), start);
  settle(*sink, start);
  sink->write(batch_of({event_of(market::Book{.sequence = 1})}), start);
  for (int s = 60; s < 90; s += 5) settle(*sink, start + std::chrono::seconds(s));
  EXPECT_EQ(states.size(), 1U);
  EXPECT_TRUE(sink->stats().is_failing);
  std::filesystem::remove(ballast);
  ASSERT_TRUE(sink->close());
  EXPECT_EQ(sink->stats().files, 1U);
}

TEST(ParquetSink, ATryThatSucceedsWritesEverythingKept) {
  const SmallDisk disk;
  if (!disk.is_mounted()) GTEST_SKIP() << "may not mount a small disk";
  std::vector<std::string> states;
  const auto sink = sink_in({.folder = disk.path(), .rows_max = 100, .on_state = [&](const Result<>& s) {
                               states.push_back(s ? "works" : s.error().to_string());
                             }});
  const std::string ballast = disk.folder().write("ballast", std::string(256UL << 10, 'x'));
  std::vector<market::Event> events(150, event_of(trade_of("1", "1", "1")));
  sink->write(batch_of(events), start);
  settle(*sink, start);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(sink->stats().rows, 0U);
  EXPECT_EQ(sink->stats().buffered_rows, 150U);
  std::filesystem::remove(ballast);
  settle(*sink, start + std::chrono::seconds(5));
  EXPECT_THAT(states, ElementsAre(::testing::_, "works"));
  ASSERT_TRUE(sink->close());
  EXPECT_EQ(rows_of(disk.path(), "SELECT count(*) FROM trade")[0], "150");
}

TEST(JsonlSink, WritesLinesAndNamesAPlaceItCannotWriteTo) {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/events.jsonl";
  Result<std::unique_ptr<Sink>> sink = make_sink("jsonl", {.file = file});
  ASSERT_TRUE(sink);
  (*sink)->write(batch_of(one_of_each()), start);
  ASSERT_TRUE((*sink)->close());
  const std::string text = TemporaryFolder::read(file);
  EXPECT_EQ(std::ranges::count(text, '\n'), 11);
  EXPECT_THAT(text, HasSubstr("\"price\":\"61800.20\""));
  EXPECT_EQ((*sink)->stats().rows, 11U);
  EXPECT_EQ((*sink)->stats().bytes, text.size());
  EXPECT_THAT(make_sink("jsonl", {.file = folder.path() + "/no/file"}).error().message, HasSubstr("/no/file"));

  std::vector<std::string> states;
  Result<std::unique_ptr<Sink>> full = make_sink("jsonl", {.file = "/dev/full", .on_state = [&](const Result<>& s) {
                                                             states.push_back(s ? "works" : s.error().message);
                                                           }});
  ASSERT_TRUE(full);
  (*full)->write(batch_of(one_of_each()), start);
  (*full)->tick(start);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_THAT(states[0], HasSubstr("No space left on device"));
  EXPECT_FALSE((*full)->close());
}

}  // namespace
}  // namespace marketprism::sink
