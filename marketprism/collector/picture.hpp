#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/async/loop_monitor.hpp"
#include "marketprism/collector/freshness.hpp"
#include "marketprism/collector/snapshot.hpp"
#include "marketprism/memory/memory_analyzer.hpp"

namespace marketprism::collector {

/// One type of data of one exchange: all its streams together.
struct FeedPicture {
  std::string exchange;
  std::string_view market_type;
  market::EventType type{};
  std::uint64_t messages = 0, events = 0, gaps = 0, bytes = 0;
  double messages_per_s = 0;
  Histogram delay_ns;  ///< socket read to sink, of the last 10 to 20 s
  Nanoseconds age{};   ///< since its last event, or since the start
  Health health{};     ///< of the stream that was heard last
  std::size_t streams = 0, late = 0, stale = 0;
};

/// Something a person should look at.
struct Attention {
  Health level{};         ///< late: soon; stale: now
  std::string_view view;  ///< where the dashboard shows it
  std::string text;       ///< what, where, what to do
};

/// Everything monitoring knows at one moment; API, metrics, dashboard and report are written from it.
struct Picture {
  LoopSnapshot loop;
  StoreSnapshot store;
  monitor::ProcessMemory memory;
  std::vector<memory::OwnerBytes> owners;
  std::vector<memory::MemorySummary> memory_trend;  ///< of the process and each owner, with the verdict on leaks
  std::vector<monitor::ThreadTime> threads;
  double cpu_s = 0;
  std::uint64_t open_files = 0;
  double uptime_s = 0;
  bool is_answering = true;  ///< the collector's loop has answered; if not, `loop` is of the last time it did
  bool is_draining = false;
  std::vector<async::LoopAlarm> alarms;  ///< times a loop stood still, oldest first
  std::uint64_t alarm_count = 0;
  std::vector<FeedPicture> feeds;
  double messages_per_s = 0, events_per_s = 0, bytes_per_s = 0;
  Histogram lag_ns;                  ///< of the collector's loop, of the last 10 to 20 s
  std::vector<Attention> attention;  ///< the worst first

  /// Subscribed, 19 of 20 books live, and fresh. `why_not` gets one sentence.
  bool is_ready(std::string* why_not = nullptr) const;
};

/// Makes rates, windows of delays and verdicts of what was counted. One thread; `complete` any time, `mark` every
/// second.
class PictureMaker {
 public:
  explicit PictureMaker(FreshnessLimits limits) : limits_(limits) {}

  /// Fills in feeds, rates, owners and attention.
  void complete(Picture& picture) const;
  /// What was counted up to here is what the next rates are measured from.
  void mark(const Picture& picture);

 private:
  using FeedKey = std::pair<std::string, market::EventType>;
  struct Totals {
    std::uint64_t messages = 0, events = 0, bytes = 0;
  };
  struct Mark {
    Instant at{};
    Totals totals;
    std::map<FeedKey, std::uint64_t> messages;
  };

  static Totals totals_of(const Picture& picture);
  void add_feeds(Picture& picture, const VenueSnapshot& venue) const;
  void set_delay(FeedPicture& feed, const Picture& picture) const;
  void find_attention(Picture& picture) const;

  FreshnessLimits limits_;
  Mark last_, before_;  // rates are measured from `before_`, so over 1 to 2 s
  std::map<FeedKey, Histogram> delays_, older_delays_;
  Histogram lag_, older_lag_;
  Instant delays_at_{};
  std::uint64_t dropped_a_while_ago_ = 0;
};

std::uint64_t dropped_events(const StoreSnapshot& store);

}  // namespace marketprism::collector
