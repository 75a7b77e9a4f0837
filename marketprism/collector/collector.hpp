#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "marketprism/base/log.hpp"
#include "marketprism/collector/config.hpp"
#include "marketprism/collector/venue_collector.hpp"
#include "marketprism/sink/batcher.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"

namespace marketprism::collector {

/// What a run has done so far.
struct CollectReport {
  double seconds = 0;
  std::vector<VenueStatus> venues;
  std::vector<sink::FlowStats> flows;  ///< events and delay from socket read to sink, by exchange and type
  std::vector<sink::SinkStats> sinks;
  std::vector<std::string> sink_names;
  sink::CountByType dropped{};  ///< events refused because a sink was too slow
  sink::TapeStats tape;
  bool has_tape = false;
};

struct CollectorCallbacks {
  /// One sentence for people: who it is about, what happened, what to do. On the collector's thread or a writer's. Of
  /// one place in the program ten come at once and one more every six seconds, which tells how many were left out.
  std::function<void(LogLevel level, std::string_view where, std::string_view text)> on_message;
  /// Every second, on the collector's thread.
  std::function<void(const CollectReport&)> on_status;
  /// On SIGHUP: gives the configuration read anew. None: SIGHUP is not handled.
  std::function<Result<CollectConfig>()> reload;
};

/// Collects from several venues into a tape and sinks: one event loop for the connections, one thread for the sinks,
/// one for the tape. Owned by the program; runs on the calling thread.
class Collector {
 public:
  /// Opens the store: fails where it cannot be written to. `config` must have passed `check`.
  static Result<std::unique_ptr<Collector>> open(CollectConfig config, CollectorCallbacks callbacks);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  /// Collects until `stop`, the configured duration, or SIGINT/SIGTERM (a second one ends at once); then drains: ends
  /// the subscriptions, empties the queues, finishes the files. An error if no venue could be started or something
  /// could not be written; a venue that cannot be reached while others can is tried again.
  Result<> run();

  /// Any thread, and from within callbacks.
  void stop();

  /// Where the admin API and the dashboard are, "http://127.0.0.1:8080"; empty if they are off.
  std::string admin_url() const;

  /// On the collector's thread, or after `run`.
  CollectReport report() const;

 private:
  struct State;
  explicit Collector(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One line: rates and health.
std::string format_status(const CollectReport& now, const CollectReport& before);

/// The table at the end: per exchange and channel messages, events, gaps, bytes, delay; what was lost, by name.
std::string format_summary(const CollectReport& report);

}  // namespace marketprism::collector
