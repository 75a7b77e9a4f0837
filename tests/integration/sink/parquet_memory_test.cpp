// What the Parquet sink holds in memory, and that it gives it back.
#include <algorithm>
#include <malloc.h>

#include <gtest/gtest.h>

#include "marketprism/memory/poison.hpp"
#include "tests/integration/sink/parquet_sink.hpp"
#include "tests/unit/sink/sample_events.hpp"
#include "tests/unit/sink/temporary_folder.hpp"

#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
#include <sanitizer/allocator_interface.h>
#endif

namespace marketprism::sink {
namespace {

// Parts that fill at different speeds would together hold now more, now less.
TEST(ParquetSink, HoldsAboutHalfOfItsMemoryWhileTheDiskKeepsUp) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path(), .buffered_bytes_max = 4'000'000});
  std::uint64_t most = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<market::Event> events;
    for (int n = 0; n < 300; ++n) events.push_back(event_of(trade_of("1", "1", "1")));
    for (int n = 0; n < 100; ++n) events.push_back(event_of(market::Bbo{}));
    sink->write(batch_of(events), start);
    settle(*sink, start);
    most = std::max(most, sink->stats().buffered_bytes);
  }
  EXPECT_GT(most, 1'800'000U);
  EXPECT_LT(most, 2'600'000U);
  EXPECT_LE(sink->stats().files, 6U);
}

std::size_t allocated_bytes() {
#ifdef MARKETPRISM_HAS_ADDRESS_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  return ::mallinfo2().uordblks;
#endif
}

TEST(ParquetSink, ManyFilesLeaveNothingBehind) {
  const TemporaryFolder folder;
  const auto sink = sink_in({.folder = folder.path(), .rows_max = 1});
  const auto write = [&](int files) {
    for (int i = 0; i < files; ++i) {
      sink->write(batch_of({event_of(trade_of("1", "1", "1"))}), start);
      settle(*sink, start);
    }
  };
  write(100);
  const std::size_t before = allocated_bytes();
  write(32 * 4);  // as many as four databases write
  EXPECT_LT(allocated_bytes(), before + 16 * 1024);
}

}  // namespace
}  // namespace marketprism::sink
