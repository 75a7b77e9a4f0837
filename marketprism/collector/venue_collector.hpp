#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/log.hpp"
#include "marketprism/collector/config.hpp"
#include "marketprism/collector/rest_client.hpp"
#include "marketprism/collector/selection.hpp"
#include "marketprism/feed/session.hpp"
#include "marketprism/feed/snapshot_schedule.hpp"
#include "marketprism/monitor/pool_sizing.hpp"
#include "marketprism/net/websocket_connection_pool.hpp"
#include "marketprism/pool/connect_budget.hpp"

namespace marketprism::sink {
class TapePort;
}

namespace marketprism::collector {

/// What a venue's collector is doing, for the status line and the summary.
struct VenueStatus {
  std::string exchange;
  bool is_started = false;  ///< it has its instruments and knows what to subscribe
  feed::SessionStats feed;
  std::size_t symbols = 0;
  std::size_t streams = 0;
  std::size_t streams_up = 0;
  std::size_t books_live = 0;
  std::size_t connections = 0;
  std::uint64_t connections_lost = 0;
  std::uint64_t dials_failed = 0;
  std::uint64_t rest_failures = 0;
  std::string last_error;
};

/// One pool of a venue's connections.
struct PoolSnapshot {
  std::string name;  ///< "binance public", "binance REST"
  pool::PoolConfig config;
  pool::PoolStats stats;
  std::optional<pool::SlotStats> slots;  ///< WebSocket pools
  std::vector<pool::ConnectionInfo> connections;
  std::vector<monitor::UseOfConnection> uses;  ///< pools of leases; empty unless asked for
};

/// One stream of data that is wanted: a type of one symbol.
struct StreamSnapshot {
  std::string symbol;
  market::EventType type{};
  feed::Activity activity;
};

struct VenueSnapshot {
  VenueStatus status;
  std::string_view market_type;  ///< "spot", "perpetual", "future", "option", or "mixed"
  std::vector<PoolSnapshot> pools;
  std::vector<StreamSnapshot> streams;
  std::size_t books_wanted = 0;
  std::size_t snapshots_waiting = 0;
  std::size_t snapshots_in_flight = 0;
  std::size_t directory_bytes = 0;  ///< of instruments and symbols, about
  memory::ObjectPoolStatistics level_blocks;
};

/// Collects one venue: fetches its instruments, picks the symbols, keeps their streams subscribed, fetches snapshots as
/// books need them, polls what comes by REST only, writes every frame to the tape first and gives it to the feed
/// session. Belongs to one event loop.
class VenueCollector final : private feed::SessionActions {
 public:
  struct Surroundings {
    async::EventLoop& loop;
    market::EventSink& events;
    sink::TapePort* tape = nullptr;  ///< none: no tape
    net::TlsContextPtr tls;
    memory::MemoryAccount* books = nullptr;  ///< see feed::SessionOptions
    bool is_resumed = false;                 ///< the store has data of an earlier run: see feed::Session::resume
    /// For people: one sentence. `site`: where it comes from, for who limits how often; null: not to be limited.
    std::function<void(LogLevel level, std::string_view exchange, std::string_view text,
                       const std::source_location* site)>
        on_message;
  };

  /// `config` must have passed `check`.
  VenueCollector(ExchangeConfig config, Surroundings surroundings);
  ~VenueCollector() override;

  /// Fetches the instruments and subscribes. An error if the venue cannot be reached or no symbol is left; it is told
  /// what is missing by `on_message` and goes on with the rest.
  async::Task<Result<>> start();

  /// Another list of symbols: subscribes what is new, ends what is gone, leaves the rest alone.
  async::Task<Result<>> change_symbols(std::vector<std::string> symbols);

  /// Ends all streams and closes all connections.
  async::Task<> drain(Instant deadline);

  VenueStatus status() const;
  /// All of it, for monitoring; `with_uses`: what the pools' leases were used for as well.
  VenueSnapshot snapshot(bool with_uses) const;
  const std::string& name() const { return config_.name; }
  const feed::Session& session() const { return session_; }
  /// The symbols whose books are kept.
  std::vector<std::string> book_symbols() const;
  bool has_book(const std::string& symbol) const { return book_streams_.contains(symbol); }

 private:
  class Endpoint;

  void want_snapshot(std::string_view symbol) override;
  void on_control(std::uint32_t connection, const exchange::ControlMessage& message) override;

  Result<> make_endpoints();
  Result<wire::Url> websocket_url(const exchange::WebSocketUrl& socket) const;
  async::Task<Result<>> begin();
  async::Task<Result<>> fetch_instruments();
  Result<> apply_selection();
  std::map<std::string, exchange::Stream> wanted_streams(const Selection& selection);
  void serve_snapshots();
  async::Task<> fetch_snapshot(std::string symbol);
  void resubscribe_book(const std::string& symbol);
  async::Task<> poll(exchange::RestRequest request);
  async::Task<> run_housekeeping();
  void refresh_polls(const Selection& selection);
  void note_wanted(const Selection& selection);
  void on_rest(const std::string& target, const RestAnswer& answer);
  void report(std::string_view text, LogLevel level = LogLevel::warning,
              const std::source_location& site = std::source_location::current()) const;
  void on_frame(Endpoint& endpoint, std::uint32_t connection, const net::WebSocketReceived& message);

  ExchangeConfig config_;
  Surroundings around_;
  feed::Session session_;
  std::unique_ptr<RestClient> rest_;
  pool::ConnectBudget connect_budget_;
  net::ConnectRoute route_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::map<std::string, exchange::Stream> streams_;            // subscribed, by name
  std::unordered_map<std::string, std::string> book_streams_;  // symbol → name
  std::unordered_map<std::string, exchange::RestRequest> polls_;
  std::unordered_set<std::string> polling_;  // targets that have a task
  std::size_t symbols_ = 0;
  bool is_started_ = false;
  std::vector<std::pair<std::string, market::EventType>> wanted_;  // symbol and type of all that should come
  std::string_view market_type_ = "mixed";
  feed::SnapshotSchedule snapshots_;
  async::Timer snapshot_timer_;
  Endpoint* current_endpoint_ = nullptr;  // whose frame is being decoded
  std::uint32_t last_connection_ = 0;
  std::uint64_t connections_lost_ = 0;
  std::uint64_t dials_failed_ = 0;
  std::uint64_t rest_failures_ = 0;
  std::string last_error_;
  std::shared_ptr<bool> is_stopping_ = std::make_shared<bool>(false);
};

}  // namespace marketprism::collector
