#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/event_batch.hpp"
#include "marketprism/sink/hand_over.hpp"
#include "marketprism/sink/holes.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink {

struct BatcherOptions {
  std::size_t batch_bytes_max = 256UL << 10;
  /// Waiting or being filled, each batcher its own (32 MiB of events, up to 64 MiB taken).
  std::size_t batches_max = 128;
  std::size_t batches_ready = 16;  ///< of these, made at the start with all their memory (8 MiB)
  WhenFull when_full = WhenFull::drop;
};

/// The way of one event loop's events to the sinks' thread: gathers them into batches, never waits (unless told to, for
/// offline work), allocates nothing once warm. When no batch is free the newest events are dropped and counted by type,
/// and what comes after them begins with a `gap` event (reason "sink_overflow") for each symbol and channel concerned;
/// books that have such a gap follow whole, one by one, while at most half of the batches wait. Belongs to one thread;
/// made and owned by SinkThread.
class Batcher final : public market::EventSink {
 public:
  /// Puts a snapshot of the symbol's book, if there is a valid one, into `out`, with `now` as its receive time.
  using BookSource =
      std::function<void(std::string_view exchange, std::string_view symbol, UnixTime now, EventSink& out)>;

  Batcher(Wake& wake, BatcherOptions options);

  /// Where books come from after a hole; without it they stay invalid until the venue's next snapshot.
  void restore_books_from(BookSource source) { books_ = std::move(source); }

  void on_event(const market::Event& event) override;

  /// Events refused so far, by type. Any thread.
  [[nodiscard]] CountByType dropped() const;
  /// Batches that wait for the sinks' thread, the one being filled included. Any thread.
  [[nodiscard]] std::size_t waiting() const { return batches_.waiting(); }

 private:
  friend class SinkThread;

  bool put_gaps();
  bool put(const market::Event& event);
  void restore_a_book(UnixTime now);

  BatcherOptions options_;
  HandOver<EventBatch> batches_;
  Holes holes_;
  std::set<std::pair<std::string_view, std::string>> unknown_books_;  // whose gap was put, but no snapshot yet
  BookSource books_;
  bool is_restoring_ = false;
  std::array<std::atomic<std::uint64_t>, market::event_type_count> dropped_{};
};

/// What went through, of one exchange and type.
struct FlowStats {
  std::string exchange;
  market::EventType type{};
  std::uint64_t events = 0;
  std::uint64_t new_places = 0;  ///< of these, in memory that no event had used before
  std::uint64_t bytes = 0;       ///< of the events and their levels, in memory
  Histogram delay_ns;            ///< from the socket read (`receive_time`) to the sink's thread
};

struct SinkThreadOptions {
  BatcherOptions batches;
  std::chrono::milliseconds batch_age_max{2};  ///< the thread takes what there is this often
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
  [[nodiscard]] std::size_t batches_waiting() const;        ///< of all batchers
  [[nodiscard]] std::size_t batches_max() const;            ///< how many may wait

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::sink
