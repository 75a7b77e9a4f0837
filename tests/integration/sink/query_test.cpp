#include "marketprism/sink/query.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/sink/sink.hpp"
#include "tests/unit/sink/sample_events.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A store with one event of each of the types named.
void fill(const std::string& folder, std::initializer_list<std::size_t> which) {
  auto sink = make_sink("parquet", {.folder = folder});
  ASSERT_TRUE(sink) << sink.error().to_string();
  EventBatch batch;
  for (const std::size_t index : which) batch.append(one_of_each()[index]);
  (*sink)->write(batch, Instant{});
  ASSERT_TRUE((*sink)->close());
}

TEST(QueryEngine, MakesAViewOfEachTypeThatHasFiles) {
  const TemporaryFolder folder;
  fill(folder.path(), {0, 2});
  folder.write("type=gap/exchange=x/date=2026-01-01/.part.parquet.tmp", "unfinished");
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_TRUE(engine) << engine.error().to_string();
  EXPECT_THAT(engine->views(), ElementsAre("trade", "bbo"));
  const Result<QueryResult> missing = engine->run("SELECT * FROM book");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("book"));
  EXPECT_THAT(missing.error().message, HasSubstr("views of this folder: trade, bbo"));
}

TEST(QueryEngine, SaysWhatIsWrongWithTheFolderOrTheSql) {
  const TemporaryFolder folder;
  const Result<QueryEngine> empty = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, HasSubstr("holds no data yet"));
  EXPECT_THAT(QueryEngine::open({.folder = folder.path() + "/x"}).error().message, HasSubstr("no such folder"));
  fill(folder.path(), {0});
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_TRUE(engine);
  EXPECT_THAT(engine->run("SELEKT 1").error().message, HasSubstr("syntax error"));
  EXPECT_THAT(engine->run("SELECT nothing FROM trade").error().message, HasSubstr("nothing"));
  EXPECT_FALSE(engine->run(""));
  Result<QueryResult> late = engine->run("SELECT error('at run time') FROM trade");
  if (late) {
    QueryResult::Row row;
    EXPECT_THAT(late->next(row).error().message, HasSubstr("at run time"));
  } else {
    EXPECT_THAT(late.error().message, HasSubstr("at run time"));
  }
}

TEST(QueryEngine, PrintsATable) {
  const TemporaryFolder folder;
  fill(folder.path(), {0});
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_TRUE(engine);
  Result<QueryResult> result = engine->run(
      "SELECT symbol, price AS \"größe\", NULL AS nothing FROM trade UNION ALL SELECT 'a\nb', 5, 'x'; -- end\n");
  ASSERT_TRUE(result) << result.error().message;
  const Result<std::string> text = format_table(*result);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text,
            "┌─────────┬─────────┬─────────┐\n"
            "│ symbol  │   größe │ nothing │\n"
            "├─────────┼─────────┼─────────┤\n"
            "│ BTCUSDT │ 61800.2 │ NULL    │\n"
            "│ a b     │     5.0 │ x       │\n"
            "└─────────┴─────────┴─────────┘\n"
            "2 rows\n");
  result = engine->run("SELECT range AS n, repeat('é', 100) AS long FROM range(5000)");
  ASSERT_TRUE(result);
  const Result<std::string> cut = format_table(*result, {.rows_max = 2, .column_width_max = 4});
  ASSERT_TRUE(cut);
  EXPECT_THAT(*cut, HasSubstr("│ 1 │ ééé… │"));
  EXPECT_THAT(*cut, HasSubstr("5000 rows, the first 2 shown"));
}

TEST(QueryEngine, GivesJson) {
  const TemporaryFolder folder;
  fill(folder.path(), {0});
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_TRUE(engine);
  Result<QueryResult> result = engine->run(
      "SELECT symbol, price, aggregate, NULL::INT AS n, 'inf'::DOUBLE AS i, 'a\"b' AS q, [1, 2] AS l, receive_time, 1 "
      "AS one, 2 "
      "AS one FROM trade");
  ASSERT_TRUE(result) << result.error().message;
  QueryResult::Row row;
  ASSERT_TRUE(*result->next(row));
  std::string json;
  append_json_row(result->columns(), row, json);
  EXPECT_EQ(json,
            "{\"symbol\":\"BTCUSDT\",\"price\":61800.2,\"aggregate\":false,\"n\":null,\"i\":null,\"q\":\"a\\\"b\","
            "\"l\":\"[1, 2]\","
            "\"receive_time\":\"2026-11-23 23:59:59\",\"one\":1,\"one\":2}\n");
  EXPECT_FALSE(*result->next(row));
}

TEST(QueryEngine, TakesStatementsThatAreNoSelect) {
  const TemporaryFolder folder;
  fill(folder.path(), {0});
  Result<QueryEngine> engine = QueryEngine::open({.folder = folder.path(), .threads = 1});
  ASSERT_TRUE(engine);
  for (const std::string sql : {"DESCRIBE trade", "SHOW TABLES", "SUMMARIZE trade", "EXPLAIN SELECT 1", "FROM trade",
                                "WITH t AS (FROM trade) SELECT count(*) FROM t", "SET threads = 1"}) {
    Result<QueryResult> result = engine->run(sql);
    ASSERT_TRUE(result) << sql << ": " << result.error().message;
    const Result<std::string> text = format_table(*result);
    ASSERT_TRUE(text) << sql << ": " << text.error().message;
    EXPECT_FALSE(text->empty());
  }
}

}  // namespace
}  // namespace marketprism::sink
