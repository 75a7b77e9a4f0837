#pragma once
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/sink/event_batch.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink {

inline constexpr Instant start{std::chrono::hours(5)};

inline std::unique_ptr<Sink> sink_in(SinkOptions options) {
  Result<std::unique_ptr<Sink>> sink = make_sink("parquet", std::move(options));
  EXPECT_TRUE(sink) << sink.error().to_string();
  return sink ? std::move(*sink) : nullptr;
}

inline EventBatch batch_of(const std::vector<market::Event>& events) {
  EventBatch batch;
  for (const market::Event& event : events) batch.append(event);
  return batch;
}

/// Until nothing is being written.
inline void settle(Sink& sink, Instant now) {
  sink.tick(now);
  while (sink.stats().parts_waiting > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    sink.tick(now);
  }
}

}  // namespace marketprism::sink
