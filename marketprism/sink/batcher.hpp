#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/event_batch.hpp"
#include "marketprism/sink/hand_over.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink {

struct BatcherOptions {
  std::size_t batch_bytes_max = 256UL << 10;
  std::size_t batches_max = 128;  ///< waiting or being filled, each batcher its own (32 MiB)
  WhenFull when_full = WhenFull::drop;
};

/// The way of one event loop's events to the sinks' thread: gathers them into batches, never waits (unless told to, for
/// offline work), allocates nothing once warm. When no batch is free the newest events are dropped and counted by type,
/// and what comes after them begins with a `gap` event (reason "sink_overflow") for each symbol and channel concerned.
/// Belongs to one thread; made and owned by SinkThread.
class Batcher final : public market::EventSink {
 public:
  Batcher(Wake& wake, BatcherOptions options);

  void on_event(const market::Event& event) override;

  /// Events refused so far, by type. Any thread.
  [[nodiscard]] CountByType dropped() const;

 private:
  friend class SinkThread;
  struct Hole {
    std::string_view exchange;
    std::string symbol;
    market::EventType channel{};
    UnixTime receive_time{};
  };

  void note_hole(const market::Event& event);
  bool put_gaps();
  bool put(const market::Event& event);

  BatcherOptions options_;
  HandOver<EventBatch> batches_;
  std::vector<Hole> holes_;
  std::array<std::atomic<std::uint64_t>, market::event_type_count> dropped_{};
};

/// What went through, of one exchange and type.
struct FlowStats {
  std::string exchange;
  market::EventType type{};
  std::uint64_t events = 0;
  Histogram delay_ns;  ///< from the socket read (`receive_time`) to the sink's thread
};

struct SinkThreadOptions {
  BatcherOptions batches;
  std::chrono::milliseconds batch_age_max{50};  ///< the thread takes what there is this often
};

/// The thread that writes: takes the batches of all batchers and gives each to every sink. One sink that is slow delays
/// the others; one that fails does not.
class SinkThread {
 public:
  SinkThread(std::vector<std::unique_ptr<Sink>> sinks, SinkThreadOptions options);

  /// Closes, if close() has not.
  ~SinkThread();
  SinkThread(const SinkThread&) = delete;
  SinkThread& operator=(const SinkThread&) = delete;

  /// A new way in, for one thread. It lives as long as this object. Any thread.
  Batcher& batcher();

  /// Writes out what was handed over and ends the thread; batchers refuse events from now on. The first error of a sink
  /// that could not write everything.
  Result<> close();

  /// Any thread.
  [[nodiscard]] std::vector<FlowStats> flows() const;
  [[nodiscard]] std::vector<SinkStats> sink_stats() const;  ///< in the order of the sinks
  [[nodiscard]] CountByType dropped() const;                ///< by all batchers: "sink_overflow"

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::sink
