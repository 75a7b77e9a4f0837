#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/collector/config.hpp"

namespace marketprism::async {
class EventLoop;
}
namespace marketprism::memory {
class MemoryBudget;
}
namespace marketprism::sink {
class SinkThread;
class TapeWriter;
}  // namespace marketprism::sink

namespace marketprism::collector {

class EventTap;
class VenueCollector;

/// The admin API, metrics and dashboard of one collector. What is asked is copied on the collector's loop, in well
/// under a millisecond, and written out on a thread of its own. Made, started and stopped by the thread that runs the
/// collector; what it watches outlives it.
class Monitoring {
 public:
  struct Watched {
    async::EventLoop& loop;
    const std::vector<std::unique_ptr<VenueCollector>>& venues;
    EventTap& tap;
    const sink::SinkThread* sinks = nullptr;
    std::vector<std::string> sink_names;
    const sink::TapeWriter* tape = nullptr;
    const memory::MemoryBudget& budget;
    const CollectConfig& config;
    std::function<void()> drain;  ///< begins the collector's end; any thread
    std::function<void(std::string_view where, std::string_view text)> warn;  ///< for people; any thread
  };

  /// Binds the address of `config.admin`.
  static Result<std::unique_ptr<Monitoring>> open(Watched watched);
  ~Monitoring();
  Monitoring(const Monitoring&) = delete;
  Monitoring& operator=(const Monitoring&) = delete;

  /// The venues and the loop must be there; the loop need not run yet.
  void start();
  /// After the loop has ended.
  void stop();
  /// "http://127.0.0.1:8080".
  std::string url() const;
  /// The configuration has changed. On the collector's thread.
  void reconfigured(const CollectConfig& config);
  /// Something to show among the recent messages. Any thread.
  void note(std::string_view where, std::string_view text);

 private:
  struct State;
  explicit Monitoring(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::collector
