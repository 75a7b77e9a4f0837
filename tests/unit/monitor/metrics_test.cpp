#include "marketprism/monitor/metrics.hpp"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/runtime.hpp"
#include "marketprism/monitor/prometheus.hpp"

namespace marketprism::monitor {
namespace {

using testing::HasSubstr;

class MetricsTest : public testing::Test {
 protected:
  std::string text(Exposition format = Exposition::prometheus) {
    const Instant soon = here.refresh_now() + std::chrono::seconds(20);
    const auto scrape = async::block_on(here, registry.gather(here, soon));
    EXPECT_TRUE(scrape.has_value());
    return write_exposition(registry.families(), *scrape, format);
  }

  async::EventLoop here;
  Registry registry;
  FamilyId frames = registry.add({"marketprism_feed_frames", MetricType::counter, "", "Frames", "exchange"});
  FamilyId rss = registry.add({"marketprism_process_resident_bytes", MetricType::gauge, "bytes", "Memory", ""});
  FamilyId delay = registry.add({"marketprism_feed_delay_seconds", MetricType::histogram, "seconds", "Delay", ""});
};

TEST_F(MetricsTest, WritesTheOldFormat) {
  MetricGroup& group = registry.group(here);
  group.counter(frames, label_text({{"exchange", "okx"}})).add(3);
  group.source([this](Scrape& scrape) { scrape.add(rss, {}, 1.5); });
  EXPECT_EQ(text(),
            "# HELP marketprism_feed_frames_total Frames\n# TYPE marketprism_feed_frames_total counter\n"
            "marketprism_feed_frames_total{exchange=\"okx\"} 3\n"
            "# HELP marketprism_process_resident_bytes Memory\n# TYPE marketprism_process_resident_bytes gauge\n"
            "marketprism_process_resident_bytes 1.5\n");
}

TEST_F(MetricsTest, WritesOpenMetrics) {
  registry.group(here).counter(frames).add();
  registry.group(here).source([this](Scrape& scrape) { scrape.add(rss, {}, std::uint64_t{7}); });
  EXPECT_EQ(text(Exposition::open_metrics),
            "# HELP marketprism_feed_frames Frames\n# TYPE marketprism_feed_frames counter\n"
            "marketprism_feed_frames_total 1\n"
            "# HELP marketprism_process_resident_bytes Memory\n# TYPE marketprism_process_resident_bytes gauge\n"
            "# UNIT marketprism_process_resident_bytes bytes\nmarketprism_process_resident_bytes 7\n# EOF\n");
}

TEST_F(MetricsTest, HistogramsHaveCumulativeBucketsInSeconds) {
  Histogram& times = registry.group(here).histogram(delay);
  for (const std::int64_t us : {1, 9, 90, 900, 2'000'000, 60'000'000}) times.add(us * 1000);
  const std::string out = text();
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"0.00001\"} 2\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"0.0001\"} 3\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"0.001\"} 4\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"1.0\"} 4\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"10.0\"} 5\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_bucket{le=\"+Inf\"} 6\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_sum 62.001\n"));
  EXPECT_THAT(out, HasSubstr("marketprism_feed_delay_seconds_count 6\n"));
}

TEST_F(MetricsTest, SeriesOfSeveralLoopsAreAddedUp) {
  async::Runtime runtime({.loops = 2});
  for (std::size_t i = 0; i < 2; ++i)
    registry.group(runtime.loop(i)).counter(frames, label_text({{"exchange", "okx"}})).add(10 + i);
  runtime.start();
  EXPECT_THAT(text(), HasSubstr("marketprism_feed_frames_total{exchange=\"okx\"} 21\n"));
  runtime.stop();
  runtime.join();
}

TEST_F(MetricsTest, ALoopThatIsBlockedIsNamedInsteadOfWaitedFor) {
  async::EventLoop blocked;  // never runs
  registry.group(blocked).counter(frames);
  const Instant soon = here.refresh_now() + std::chrono::milliseconds(30);
  const auto scrape = async::block_on(here, registry.gather(here, soon));
  ASSERT_FALSE(scrape.has_value());
  EXPECT_EQ(scrape.error().code, ErrorCode::timed_out);
  EXPECT_THAT(scrape.error().message, HasSubstr("blocked"));
}

TEST(Labels, EscapeWhatWouldEndThem) {
  EXPECT_EQ(label_text({{"a", "x\"y\\z\n"}, {"b", ""}}), R"(a="x\"y\\z\n",b="")");
  EXPECT_EQ(label_text({}), "");
}

TEST(Exposition, FollowsTheAcceptHeader) {
  EXPECT_EQ(exposition_for(""), Exposition::prometheus);
  EXPECT_EQ(exposition_for("*/*"), Exposition::prometheus);
  EXPECT_EQ(exposition_for("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
                           "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Exposition::open_metrics);
  EXPECT_EQ(exposition_for("text/plain, application/openmetrics-text; q=0.2"), Exposition::prometheus);
}

}  // namespace
}  // namespace marketprism::monitor
