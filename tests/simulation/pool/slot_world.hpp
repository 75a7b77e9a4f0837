#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "marketprism/pool/slot_pool.hpp"
#include "tests/simulation/pool/schedule.hpp"

namespace marketprism::simulation {

/// A world around one SlotPool: a clock and a venue that knows what is subscribed on which connection and enforces its
/// limits. With a ledger it is one loop of several (see LedgerWorld).
class SlotWorld {
 public:
  enum Kind : std::uint8_t {
    advance_little,
    advance_much,
    tick,
    place,
    remove,
    dial_ends,
    dial_fails,
    confirm,
    confirm_all,
    refuse,
    message,
    lose,
    closing,
    stale_call,
    resize,
    endpoints_change,
    drain,
    resubscribe,
    notice,       // the ledger's
    close_ends,   // the socket of a connection that has left the pool is closed
    close_hangs,  // it will not be before it is cut
    kind_count
  };
  static std::vector<std::uint32_t> weights();
  static std::string describe(const Step& step);
  static std::optional<std::string> run(std::uint64_t seed, const Schedule& schedule);

  explicit SlotWorld(std::uint64_t seed, pool::PermitLedger* ledger = nullptr);
  SlotWorld(const SlotWorld&) = delete;
  SlotWorld& operator=(const SlotWorld&) = delete;
  ~SlotWorld();

  void take(const Step& step);
  /// Faults have stopped: one round of everything going well. True while a stream is not up.
  bool settle_once();
  /// Drains, and holds the pool to an orderly end.
  void end();
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  /// In the world, whatever the pool thinks.
  [[nodiscard]] std::size_t sockets_open() const { return wires_.size() + closing_.size(); }
  [[nodiscard]] std::size_t connections_max() const { return config_.max_size; }
  /// Has a stream without a connection, a connection that may be due for replacement, or a tick that is due.
  [[nodiscard]] bool may_need_permit() const {
    return pool_->slot_stats().unplaced > 0 || !wires_.empty() || pool_->wake_at() <= now_;
  }
  [[nodiscard]] std::uint32_t ledger_member() const { return member_; }

 private:
  // Brings the ledger's notices to the world, which hears them when it pleases.
  struct Ear final : pool::PermitListener {
    void permit_notice(pool::PermitNotice notice) override { notices.push_back(notice); }
    std::vector<pool::PermitNotice> notices;
  };
  struct Wire {
    pool::SlotConnection handle;
    std::uint32_t endpoint = 0;
    Instant give_up{};  // connecting: when the pool must have given up
    bool is_up = false;
    bool is_proven = false;             // a stream came up on it
    std::set<std::uint64_t> asked;      // ids of streams: sent, not answered
    std::set<std::uint64_t> confirmed;  // what the venue sends on it
    std::vector<Instant> sent;          // control messages
  };
  struct Closing {  // out of the pool, its socket still open
    pool::SlotConnection handle;
    Instant cut_at{};  // it must have been cut by then
    bool is_stuck = false;
  };
  struct Wish {
    pool::StreamHandle handle;
    std::uint64_t carrier = 0;  // id of the connection, by StreamUp; 0: down
    bool is_removed = false;
    bool was_refused = false;  // for good; it may be ending
  };

  void perform(const Step& step);
  void do_tick();
  void answer(std::uint32_t which, bool is_ok, bool is_terminal);
  void answer_all();
  void end_dial(std::uint32_t which, bool is_ok);
  void do_stale(const Step& step);
  void do_resize(const Step& step);
  void change_endpoints(const Step& step);
  void deliver_notices();
  void begin_close(pool::SlotConnection handle);
  void close_socket(pool::SlotConnection handle);
  void end_close(std::uint32_t which);
  void end_all_closes();
  void tell_closed(pool::SlotConnection handle);
  [[nodiscard]] bool is_settled() const;
  void come_to_rest();
  void settle_down(bool must_rest);
  void take_actions();
  void on(const pool::SlotDial& action);
  void on(const pool::SlotAbortDial& action);
  void on(const pool::SlotClose& action);
  void on(const pool::SlotCut& action);
  void on(const pool::Subscribe& action);
  void on(const pool::Unsubscribe& action);
  void on(const pool::StreamUp& action);
  void on(const pool::StreamDown& action);
  void on(const pool::StreamEnd& action);
  void on(const pool::SlotsDrained& action);
  void check_books();
  void check_rate(Wire& wire);
  void require(bool condition, const char* rule);
  std::vector<Wire*> wires(bool is_up);
  Wish* wish(pool::StreamHandle handle);
  Wish* nth_wish(std::uint32_t which);

  Random random_;
  pool::PoolConfig config_;
  pool::SlotConfig slots_;
  std::unique_ptr<pool::SlotPool> pool_;
  pool::PermitLedger* ledger_ = nullptr;
  std::uint32_t member_ = pool::PermitLedger::no_member;
  std::shared_ptr<Ear> ear_;
  Instant now_{};
  std::map<std::uint64_t, Wire> wires_;
  std::map<std::uint64_t, Wish> wishes_;
  std::vector<Closing> closing_;
  std::vector<pool::SlotConnection> closed_now_;  // the pool has yet to be told
  std::size_t sockets_allowed_ = 0;               // over max_size, after a shrink; falling
  bool closes_at_once_ = true;
  std::vector<pool::SlotConnection> gone_;
  std::vector<pool::StreamHandle> ended_;
  bool is_draining_ = false;
  bool is_drained_ = false;
  bool is_ticking_ = false;
  std::vector<std::uint64_t> fallen_from_;  // connections whose streams have just gone down
  pool::PoolCounters books_;
  pool::SlotStats stream_books_;  // its counters of what was told
  std::optional<std::string> violation_;
};

}  // namespace marketprism::simulation
