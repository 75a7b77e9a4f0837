#include "marketprism/sink/parquet/part_table.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/unit/sink/sample_events.hpp"

namespace marketprism::sink {
namespace {

template <class T>
T value(const PartTable& table, std::uint64_t row, std::size_t column) {
  T found;
  std::memcpy(&found, table.values(row / PartTable::page_rows, column) + row % PartTable::page_rows * sizeof(T),
              sizeof(T));
  return found;
}

bool is_null(const PartTable& table, std::uint64_t row, std::size_t column) {
  const std::uint64_t* const bits = table.validity(row / PartTable::page_rows, column);
  const std::size_t at = row % PartTable::page_rows;
  return bits != nullptr && (bits[at / 64] >> (at % 64) & 1) == 0;
}

std::string_view name(const PartTable& table, std::uint64_t row, std::size_t column) {
  return table.names()[value<std::uint32_t>(table, row, column)];
}

TEST(PartTable, ABookEventHasARowForEachLevel) {
  PartTable table(market::EventType::book, false);
  table.append(one_of_each()[1]);
  ASSERT_EQ(table.rows(), 3U);
  EXPECT_EQ(table.events(), 1U);
  EXPECT_EQ(table.first_time(), unix_time_ns(sample_ns));
  const char* const sides[] = {"bid", "bid", "ask"};
  const double prices[] = {61800.2, 61800.1, 61800.3};
  for (std::uint64_t row = 0; row < 3; ++row) {
    EXPECT_EQ(name(table, row, 0), "BTCUSDT");
    EXPECT_EQ(value<std::int64_t>(table, row, 2), sample_ns);
    EXPECT_EQ(value<std::uint32_t>(table, row, 3), 3U);
    EXPECT_TRUE(value<bool>(table, row, 4));
    EXPECT_EQ(name(table, row, 5), sides[row]);
    EXPECT_EQ(value<double>(table, row, 6), prices[row]);
    EXPECT_EQ(value<std::int64_t>(table, row, 8), 42);
  }
}

TEST(PartTable, OnlyAnEmptySnapshotHasARowWithoutALevel) {
  PartTable table(market::EventType::book, false);
  table.append(event_of(market::Book{.is_snapshot = false, .sequence = 1}));
  EXPECT_EQ(table.rows(), 0U);
  EXPECT_EQ(table.events(), 1U);
  table.append(event_of(market::Book{.is_snapshot = true}));
  ASSERT_EQ(table.rows(), 1U);
  for (const std::size_t column : {5UL, 6UL, 7UL, 8UL}) EXPECT_TRUE(is_null(table, 0, column)) << column;
  EXPECT_FALSE(is_null(table, 0, 0));
}

TEST(PartTable, TakesEveryTypeOverManyPages) {
  for (const bool is_exact : {false, true}) {
    for (const market::Event& event : one_of_each()) {
      PartTable table(event.type(), is_exact);
      const std::uint64_t rows_each = event.type() == market::EventType::book ? 3 : 1;
      for (std::uint64_t i = 0; i < 5000; ++i) table.append(event);
      EXPECT_EQ(table.rows(), 5000 * rows_each);
      std::uint64_t sum = 0;
      for (std::size_t page = 0; page < table.page_count(); ++page) sum += table.rows_of(page);
      EXPECT_EQ(sum, table.rows());
      EXPECT_EQ(name(table, table.rows() - 1, 0), event.symbol);
      EXPECT_EQ(value<std::int64_t>(table, 2048, 2), sample_ns);
      EXPECT_EQ(table.inexact_values(), 0U);
      EXPECT_GT(table.bytes(), table.rows() * 20);
    }
  }
}

TEST(PartTable, NullsAreThoseOfTheirRows) {
  PartTable table(market::EventType::bbo, false);
  for (int i = 0; i < 3000; ++i) {
    market::Bbo bbo{.bid_price = Decimal::of("1")};
    if (i % 7 == 0) bbo.ask_price = Decimal::of("2.5");
    table.append(event_of(bbo));
  }
  for (std::uint64_t row = 0; row < 3000; ++row) {
    ASSERT_EQ(is_null(table, row, 6), row % 7 != 0);
    ASSERT_FALSE(is_null(table, row, 4));
  }
  EXPECT_EQ(table.validity(0, 4), nullptr);
}

TEST(PartTable, CountsNumbersThatDoNotSurvive) {
  PartTable doubles(market::EventType::mark_price, false);
  doubles.append(event_of(market::MarkPrice{.price = Decimal::of("0.1")}));
  doubles.append(event_of(market::MarkPrice{.price = Decimal::of("12345678901234567.89")}));
  EXPECT_EQ(doubles.inexact_values(), 1U);
  EXPECT_EQ(value<double>(doubles, 1, 4), 12345678901234567.89);

  PartTable exact(market::EventType::mark_price, true);
  exact.append(event_of(market::MarkPrice{.price = Decimal::of("12345678901234567.89")}));
  exact.append(event_of(market::MarkPrice{.price = Decimal::of("1e-19")}));
  exact.append(event_of(market::MarkPrice{.price = Decimal::of("1e20")}));
  EXPECT_EQ(exact.inexact_values(), 2U);
  EXPECT_EQ(value<Int128>(exact, 0, 4), static_cast<Int128>(1234567890123456789) * 10000000000000000);
  EXPECT_FALSE(is_null(exact, 0, 4));
  EXPECT_TRUE(is_null(exact, 1, 4));
  EXPECT_TRUE(is_null(exact, 2, 4));
}

}  // namespace
}  // namespace marketprism::sink
