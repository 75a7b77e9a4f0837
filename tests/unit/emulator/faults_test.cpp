#include "marketprism/emulator/faults.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/json_reader.hpp"
#include "tests/unit/emulator/client_double.hpp"

namespace marketprism::emulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<std::string> frames_with(const FaultPlan& faults, RecordingOutbox* outbox = nullptr) {
  VenueFixture fixture("binance", {.enforces_limits = true, .limits = {}, .faults = faults});
  fixture.with_synthetic_market();
  const ClientId client = fixture.connect("/stream?streams=btcusdt@trade");
  fixture.run(seconds(5));
  std::vector<std::string> frames = fixture.outbox.take(client);
  if (outbox != nullptr) *outbox = std::move(fixture.outbox);
  return frames;
}

bool is_json(std::string_view text) {
  JsonReader json(text);
  json.skip();
  return json.finish();
}

TEST(Faults, lost_frames_are_missing_and_nothing_else) {
  const auto whole = frames_with({});
  const auto some = frames_with({.lose = 0.1});
  ASSERT_GT(whole.size(), 1'000U);
  EXPECT_NEAR(static_cast<double>(some.size()), 0.9 * static_cast<double>(whole.size()), 100);
  std::size_t at = 0;
  for (const std::string& frame : some) {
    while (at < whole.size() && whole[at] != frame) ++at;
    ASSERT_LT(at, whole.size());
  }
}

TEST(Faults, duplicates_and_exchanged_neighbours) {
  const auto whole = frames_with({});
  const auto twice = frames_with({.duplicate = 1});
  ASSERT_EQ(twice.size(), 2 * whole.size());
  EXPECT_EQ(twice[0], whole[0]);
  EXPECT_EQ(twice[1], whole[0]);
  const auto swapped = frames_with({.reorder = 1});
  EXPECT_EQ(swapped[0], whole[1]);
  EXPECT_EQ(swapped[1], whole[0]);
  EXPECT_EQ(swapped[2], whole[3]);
}

TEST(Faults, garbage_is_never_readable) {
  const auto frames = frames_with({.garbage = 1});
  ASSERT_GT(frames.size(), 1'000U);
  for (const std::string& frame : frames) ASSERT_FALSE(is_json(frame)) << frame;
}

TEST(Faults, connections_end_after_so_many_frames) {
  RecordingOutbox outbox;
  EXPECT_EQ(frames_with({.abort_after_frames = 10}, &outbox).size(), 10U);
  EXPECT_EQ(outbox.aborted.size(), 1U);
  EXPECT_EQ(frames_with({.stall_after_frames = 10}, &outbox).size(), 10U);
  EXPECT_EQ(outbox.stalled.size(), 1U);
  frames_with({.half_frame = 0.01}, &outbox);
  ASSERT_EQ(outbox.halves.size(), 1U);
  EXPECT_TRUE(is_json(outbox.halves[0]));
}

TEST(Faults, refused_upgrades_and_rejected_requests) {
  VenueFixture fixture("binance",
                       {.enforces_limits = true,
                        .limits = {},
                        .faults = {.rest_delay = milliseconds(300), .rest_rejections = 1, .rest_failures = 1}});
  fixture.with_synthetic_market();
  const RestAnswer limited = fixture.venue.rest("/api/v3/time", fixture.moment);
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.delay, milliseconds(300));
  EXPECT_EQ(fixture.venue.rest("/api/v3/time", fixture.moment).status, 500);
  EXPECT_EQ(fixture.venue.rest("/api/v3/time", fixture.moment).status, 200);
  fixture.venue.set_faults({.refuse_upgrades = 2});
  EXPECT_EQ(fixture.connect("/stream"), 0U);
  EXPECT_EQ(fixture.connect("/stream"), 0U);
  EXPECT_NE(fixture.connect("/stream"), 0U);
}

TEST(Faults, the_same_seed_makes_the_same_faults) {
  const FaultPlan plan{.seed = 5, .lose = 0.05, .duplicate = 0.05, .reorder = 0.05, .garbage = 0.05};
  EXPECT_EQ(frames_with(plan), frames_with(plan));
}

}  // namespace
}  // namespace marketprism::emulator
