#include "marketprism/collector/collector_metrics.hpp"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace marketprism::collector {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A row of the table in docs/monitoring.md.
std::string row_of(const monitor::MetricFamily& family) {
  const std::string suffix = family.type == monitor::MetricType::counter ? "_total" : "";
  return "| `" + family.name + suffix + "` | " + std::string(name_of(family.type)) + " | " + family.labels + " | " +
         family.help + " |";
}

TEST(CollectorMetrics, TheDocumentListsThemAll) {
  monitor::Registry registry;
  const CollectorMetrics metrics(registry);
  const std::string document = read_file("docs/monitoring.md");
  std::size_t rows = 0;
  for (std::size_t at = document.find("\n| `marketprism_"); at != std::string::npos;
       at = document.find("\n| `marketprism_", at + 1)) {
    ++rows;
  }
  std::string missing;
  for (const monitor::MetricFamily& family : registry.families()) {
    if (document.find("\n" + row_of(family) + "\n") == std::string::npos) missing += row_of(family) + "\n";
  }
  EXPECT_EQ(missing, "");
  EXPECT_EQ(rows, registry.families().size());
}

TEST(CollectorMetrics, EveryFamilyHasASeriesOnceDataFlowsAndNoneNamesASymbol) {
  monitor::Registry registry;
  const CollectorMetrics metrics(registry);
  Picture picture;
  VenueSnapshot& venue = picture.loop.venues.emplace_back();
  venue.status.exchange = "okx";
  venue.market_type = "spot";
  venue.streams.push_back({"BTC-USDT-SYMBOL", market::EventType::trade, {}});
  PoolSnapshot& pool = venue.pools.emplace_back();
  pool.name = "okx public";
  pool.slots.emplace();
  picture.store.sinks.emplace_back();
  picture.store.sink_names = {"parquet"};
  picture.store.has_tape = true;
  picture.store.flows.push_back({.exchange = "okx", .type = market::EventType::trade});
  picture.memory_trend.push_back({.name = "rss"});
  PictureMaker({}).complete(picture);
  monitor::Scrape scrape;
  metrics.add(scrape, picture);
  std::vector<bool> has_series(registry.families().size());
  for (const auto& sample : scrape.samples()) {
    has_series[sample.family] = true;
    EXPECT_EQ(scrape.labels(sample).find("SYMBOL"), std::string_view::npos);
  }
  for (std::size_t i = 0; i < has_series.size(); ++i) {
    const std::string& name = registry.families()[i].name;
    const bool is_elsewhere = name.starts_with("marketprism_admin_") || i == metrics.loop_lag();
    EXPECT_EQ(has_series[i], !is_elsewhere) << name;
  }
}

}  // namespace
}  // namespace marketprism::collector
