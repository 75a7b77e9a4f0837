#pragma once
#include <array>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "marketprism/pool/lease_pool.hpp"
#include "tests/simulation/pool/schedule.hpp"

namespace marketprism::simulation {

/// A world around one LeasePool: clock, network, users. It keeps its own books from the events it causes and the
/// actions it is given, and compares them with the pool's after every step. The pool's inner state plays no part in
/// them. Some worlds have a connect budget. With a ledger it is one loop of several (see LedgerWorld).
class LeaseWorld {
 public:
  enum Kind : std::uint8_t {
    advance_little,
    advance_much,  // a jump of the clock, up to 100 s
    tick,
    acquire,
    try_acquire,
    cancel,
    release,
    release_broken,
    dial_ends,
    dial_fails,  // refused, or its TLS handshake failed
    dial_hangs,  // never accepted, or its TLS handshake stays half done: only the pool's own deadline ends it
    check_ends,
    check_fails,  // either may be wrong: the pool has only the check's word
    check_hangs,
    dies,        // FIN or RST arrives
    half_opens,  // the peer is gone but its FIN was lost: seen only by who uses the connection, or by a check
    stale_call,
    resize,
    reconfigure,
    endpoints_change,  // the name resolves to others
    drain,
    idle_limit,
    notice,        // the ledger's
    close_ends,    // the socket of a connection that has left the pool is closed
    close_hangs,   // it will not be before it is cut
    time_passes,   // an exact time, and the tick that was due by then
    request_ends,  // over a held connection, well or not
    kind_count
  };
  static std::vector<std::uint32_t> weights();
  static std::string describe(const Step& step);
  /// The rule that broke, if one did.
  static std::optional<std::string> run(std::uint64_t seed, const Schedule& schedule);

  explicit LeaseWorld(std::uint64_t seed, pool::PermitLedger* ledger = nullptr);
  LeaseWorld(const LeaseWorld&) = delete;
  LeaseWorld& operator=(const LeaseWorld&) = delete;
  ~LeaseWorld();

  /// A world of known limits, for exhaustive search: two connections, no surprises of its own.
  static pool::PoolConfig small_config();
  LeaseWorld(pool::PoolConfig config, std::size_t endpoints);

  void take(const Step& step);
  /// Faults have stopped: one round of everything going well. True while somebody waits.
  bool settle_once(int round);
  void return_to_primary();
  /// From now on connections go only because somebody needs their place.
  void stop_ageing();
  /// Drains, and holds the pool to an orderly end.
  void end();
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  [[nodiscard]] std::size_t size() const { return wires_.size() - count(Wire::cut); }
  [[nodiscard]] std::size_t waiting() const { return askers_.size(); }
  [[nodiscard]] std::size_t dials_open() const { return count(Wire::dialing); }
  [[nodiscard]] std::size_t dials_begun() const { return dials_begun_; }
  [[nodiscard]] bool is_below_min_size() const { return !is_draining_ && size() < config_.min_size; }
  [[nodiscard]] std::size_t leases_open() const { return count(Wire::held); }
  [[nodiscard]] std::size_t closes_open() const { return closing_.size(); }
  /// In the world, whatever the pool thinks.
  [[nodiscard]] std::size_t sockets_open() const;
  [[nodiscard]] std::uint32_t ledger_member() const { return member_; }

 private:
  struct Wire {  // a connection as the world sees it
    enum State : std::uint8_t { dialing, unused, held, checking, dead_in_hand, cut, state_count };
    pool::ConnectionHandle handle;
    std::uint32_t endpoint = 0;
    State state = dialing;
    bool is_stuck = false;  // its dial or check hangs
    bool is_half_open = false;
    bool is_socket_closed = false;  // cut in its holder's hands
    bool has_been_used = false;
    bool is_proven = false;  // lent, well checked, or open for a second at a tick
    Instant since{};         // of dialing or holding
    Instant give_up{};       // dialing: when the pool must have given up
    Instant up_since{};
    Instant last_used{};  // when it came up or was returned
  };
  struct Closing {  // out of the pool, its socket still open
    pool::ConnectionHandle handle;
    Instant cut_at{};  // it must have been cut by then
    bool is_stuck = false;
  };
  struct Asker {
    pool::WaiterHandle handle;
    Instant since{};
    Instant deadline{};
  };
  // Brings the ledger's notices to the world, which hears them when it pleases.
  struct Ear final : pool::PermitListener {
    void permit_notice(pool::PermitNotice notice) override { notices.push_back(notice); }
    std::vector<pool::PermitNotice> notices;
  };

  void start();
  void perform(const Step& step);
  void do_tick();
  void do_acquire(const Step& step);
  void do_try_acquire();
  void do_cancel(std::uint32_t which);
  void do_release(std::uint32_t which, bool is_broken);
  void end_dial(std::uint32_t which, bool is_ok, bool is_terminal);
  void end_check(std::uint32_t which, bool is_ok);
  void do_die(std::uint32_t which);
  void prove(Wire& proven);
  [[nodiscard]] bool is_unproven_and_young(const Wire& any) const;
  void expect_failure_of(std::uint32_t endpoint);
  void do_stale(const Step& step);
  void end_request(std::uint32_t which, bool is_ok);
  void do_resize(const Step& step);
  void do_reconfigure(const Step& step);
  void change_endpoints(const Step& step);
  void do_drain(Nanoseconds patience);
  void end_close(std::uint32_t which);
  void hang_close(std::uint32_t which);
  void end_all_closes();
  void tell_closed(pool::ConnectionHandle handle);
  void begin_close(pool::ConnectionHandle handle);
  void close_socket(pool::ConnectionHandle handle);
  void deliver_notices();

  void take_actions();
  void on(const pool::Dial& action);
  void on(const pool::AbortDial& action);
  void on(const pool::Check& action);
  void on(const pool::Close& action);
  void on(const pool::Cut& action);
  void on(const pool::Break& action);
  void on(const pool::Grant& action);
  void on(const pool::Reject& action);
  void on(const pool::Drained& action);
  void on(const pool::Overdue& action);
  void lend(Wire& wire, Instant asked_at);
  void advance_integral();
  void move(Wire& wire, Wire::State state);
  void forget(Wire& wire);

  void check_books();
  void check_sockets();
  void check_demand();
  void check_patience();
  [[nodiscard]] Instant check_ends_at(const Wire& checked) const;
  void check_rates();
  void check_statistics();
  void require(bool condition, const char* rule) {
    if (!condition && !violation_) [[unlikely]]
      violation_ = rule;
  }
  [[nodiscard]] std::size_t count(Wire::State state) const { return counts_[state]; }
  Wire* wire(pool::ConnectionHandle handle);
  /// The one of those in these states that `which` points to, or none.
  Wire* pick(std::uint32_t which, std::initializer_list<Wire::State> states, bool may_be_stuck = true);
  [[nodiscard]] bool is_in_set(std::uint32_t endpoint) const;
  [[nodiscard]] bool is_standby(std::uint32_t endpoint) const;
  [[nodiscard]] bool has_standby(std::uint32_t better) const;

  Random random_;
  pool::PoolConfig config_;
  std::vector<pool::Endpoint> set_;  // as wanted
  pool::RateConfig budget_config_;
  std::optional<pool::ConnectBudget> budget_;
  std::deque<Instant> budgeted_;  // the last dials, as many as the budget can give in its interval
  std::unique_ptr<pool::LeasePool> pool_;
  pool::PermitLedger* ledger_ = nullptr;
  std::uint32_t member_ = pool::PermitLedger::no_member;
  std::shared_ptr<Ear> ear_;
  Instant now_{};
  std::vector<Wire> wires_;
  std::array<std::size_t, Wire::state_count> counts_{};
  std::vector<Closing> closing_;
  std::vector<pool::ConnectionHandle> closed_now_;  // the pool has yet to be told
  std::size_t sockets_allowed_ = 0;                 // over max_size, after a shrink; falling
  bool closes_at_once_ = true;
  bool can_cut_held_ = true;   // as connectors that have `abort`
  std::vector<Asker> askers_;  // in the order they came
  std::vector<pool::ConnectionHandle> gone_;
  std::vector<pool::WaiterHandle> answered_;
  std::uint64_t last_id_ = 0;

  pool::PoolCounters books_;
  double active_integral_ = 0;  // of active ÷ max_size over time, in ns
  Instant integral_since_{};
  std::int64_t wait_sum_ns_ = 0;
  std::int64_t hold_sum_ns_ = 0;
  std::int64_t saved_ns_ = 0;
  struct Connects {
    std::string name;
    std::int64_t sum_ns = 0;
    std::int64_t count = 0;
  };
  std::vector<Connects> connects_;  // one an endpoint
  Instant start_{};
  std::size_t largest_allowed_ = 0;  // size may be this after a shrink, falling
  std::size_t dials_begun_ = 0;
  std::size_t standbys_left_ = 0;  // connections evicted for a better endpoint, not yet replaced there
  bool has_failed_since_success_ = false;
  std::optional<std::uint32_t> blamed_;  // the endpoint whose request has just failed
  bool is_ticking_ = false;
  bool is_draining_ = false;
  bool is_drained_ = false;
  Instant drain_deadline_{};
  std::optional<std::string> violation_;
};

}  // namespace marketprism::simulation
