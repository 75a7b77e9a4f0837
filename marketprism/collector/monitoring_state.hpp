#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/collector/collector_metrics.hpp"
#include "marketprism/collector/event_tap.hpp"
#include "marketprism/collector/monitoring.hpp"
#include "marketprism/collector/picture.hpp"
#include "marketprism/monitor/admin_server.hpp"
#include "marketprism/monitor/efficiency_report.hpp"
#include "marketprism/monitor/metrics.hpp"

namespace marketprism::collector {

/// What has been told to people lately.
struct Message {
  std::uint64_t number = 0;
  UnixTime time{};
  std::string where;
  std::string text;
};

/// One point of the plots over time.
struct HistoryPoint {
  std::int64_t time_s = 0;
  double messages_per_s = 0;
  double lag_p99_ms = 0;  ///< of this interval
  std::uint64_t rss = 0;
  std::vector<std::uint64_t> owners;  ///< in the order of Picture::owners
};

/// Lives on the admin server's loop, but for what says otherwise.
struct Monitoring::State {
  static constexpr std::size_t messages_max = 200;
  static constexpr std::size_t history_max = 720;  // points
  static constexpr auto history_step = std::chrono::seconds(5);
  static constexpr auto patience = std::chrono::seconds(2);  // for the collector's loop to answer
  static constexpr auto recent_for = std::chrono::milliseconds(500);
  static constexpr auto recent_step = std::chrono::milliseconds(2);  // between looks whether it is there
  static constexpr std::size_t book_depth = 60;                      // levels a side to be looked at

  State(Watched what, std::unique_ptr<monitor::AdminServer> admin_server);

  void add_routes();
  void add_json(std::string_view path, std::string (*body)(const Picture&));
  net::Task<net::HttpReply> books(const net::HttpServerRequest& request);
  net::Task<net::HttpReply> metrics_page(const net::HttpServerRequest& request);
  net::Task<net::HttpReply> report_page(const net::HttpServerRequest& request);
  net::HttpReply set_log_level(const net::HttpServerRequest& request);
  monitor::EfficiencyInput efficiency_input(const Picture& picture) const;
  std::string memory_json(const Picture& picture) const;
  static memory::MemorySnapshot memory_snapshot(const Picture& picture, std::string label);
  net::Task<net::HttpReply> label_memory(const net::HttpServerRequest& request);
  net::HttpReply compare_memory(const net::HttpServerRequest& request) const;
  std::string messages_json() const;

  /// Asks the collector's loop; if it does not answer in time, what it said last, marked as such.
  net::Task<Picture> take_picture(bool with_uses = false);
  /// At most `recent_for` old, and one for all who ask: for the paths that need no token, so that asking often costs
  /// the collector nothing.
  net::Task<std::shared_ptr<const Picture>> recent_picture();
  net::Task<> take_recent();
  net::Task<std::vector<BookSnapshot>> take_books(std::vector<std::pair<std::string, std::string>> wanted);

  net::Task<> tick();
  net::Task<> send_books();
  net::Task<> measure_lag();
  void send_status(const Picture& picture);
  void remember(const Picture& picture);
  void warn_of(const async::LoopAlarm& alarm) const;
  void warn_of_leaks();

  // On the collector's loop.
  LoopSnapshot take_loop_snapshot(bool with_uses);
  BookSnapshot take_book(const std::string& exchange, const std::string& symbol) const;
  std::vector<BookSummary> take_book_summaries() const;
  // On any thread.
  StoreSnapshot take_store_snapshot() const;

  Watched watched;
  CollectConfig config;  // of now; watched.config belongs to the collector's thread
  std::unique_ptr<monitor::AdminServer> server;
  async::EventLoop& here;
  monitor::Registry registry;
  CollectorMetrics metrics{registry};
  Histogram& lag;  // on the collector's loop
  PictureMaker maker;
  Picture last;  // of the last tick, for when the loop does not answer
  std::shared_ptr<const Picture> recent;
  Instant recent_at{};
  bool is_taking_recent = false;
  std::deque<HistoryPoint> history;
  Histogram lag_before;
  memory::MemoryAnalyzer memory_analyzer;
  std::set<std::string> warned_leaks;
  async::LoopMonitor loop_monitor;
  Instant started{};
  Instant history_at{};
  bool is_draining = false;
  mutable std::mutex mutex;  // of the messages, which come from any thread
  std::deque<Message> messages;
  std::uint64_t message_count = 0;
};

}  // namespace marketprism::collector
