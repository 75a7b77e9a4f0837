#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "marketprism/pool/lease_pool.hpp"
#include "tests/simulation/pool/schedule.hpp"

namespace marketprism::simulation {

/// A world around one LeasePool: clock, network, users. It keeps its own books from the events it causes and the
/// actions it is given, and compares them with the pool's after every step. The pool's inner state plays no part in
/// them.
class LeaseWorld {
 public:
  enum Kind : std::uint8_t {
    advance_little,
    advance_much,
    tick,
    acquire,
    try_acquire,
    cancel,
    release,
    release_broken,
    dial_ends,
    dial_fails,
    check_ends,
    check_fails,
    dies,
    stale_call,
    resize,
    drain,
    idle_limit,
    kind_count
  };
  static std::vector<std::uint32_t> weights();
  static std::string describe(const Step& step);
  /// The rule that broke, if one did.
  static std::optional<std::string> run(std::uint64_t seed, const Schedule& schedule);

 private:
  explicit LeaseWorld(std::uint64_t seed);

  struct Wire {  // a connection as the world sees it
    pool::ConnectionHandle handle;
    std::uint32_t endpoint = 0;
    enum { dialing, unused, held, checking, dead_in_hand, cut } state = dialing;
    Instant since{};    // of dialing or holding
    Instant give_up{};  // dialing: when the pool must have given up
    bool has_been_used = false;
    Instant up_since{};
    Instant last_used{};  // when it came up or was returned
  };
  struct Asker {
    pool::WaiterHandle handle;
    Instant since{};
    Instant deadline{};
  };

  void perform(const Step& step);
  void do_acquire(const Step& step);
  void do_try_acquire();
  void do_cancel(std::uint32_t which);
  void do_release(std::uint32_t which, bool is_broken);
  void end_dial(std::uint32_t which, bool is_ok, bool is_terminal);
  void end_check(std::uint32_t which, bool is_ok);
  void do_die(std::uint32_t which);
  void do_stale(const Step& step);
  void do_resize(const Step& step);
  void do_drain(Nanoseconds patience);
  void settle_down();

  void take_actions();
  void on(const pool::Dial& action);
  void on(const pool::AbortDial& action);
  void on(const pool::Check& action);
  void on(const pool::Close& action);
  void on(const pool::Break& action);
  void on(const pool::Grant& action);
  void on(const pool::Reject& action);
  void on(const pool::Drained& action);
  void lend(Wire& wire, Instant asked_at);

  void check_books();
  void check_demand();
  void check_statistics();
  void require(bool condition, const char* rule);
  std::size_t count(int state) const;
  Wire* wire(pool::ConnectionHandle handle);
  std::vector<pool::ConnectionHandle> all(std::initializer_list<int> states) const;
  std::size_t size() const;

  Random random_;
  pool::PoolConfig config_;
  std::size_t endpoints_;
  std::unique_ptr<pool::LeasePool> pool_;
  Instant now_{};
  std::map<std::uint64_t, Wire> wires_;
  std::vector<Asker> askers_;  // in the order they came
  std::vector<pool::ConnectionHandle> gone_;
  std::vector<pool::WaiterHandle> answered_;
  std::set<std::uint64_t> ids_seen_;

  pool::PoolCounters books_;
  double active_integral_ = 0;  // of active ÷ max_size over time, in ns
  Instant integral_since_{};
  std::int64_t wait_sum_ns_ = 0;
  std::int64_t hold_sum_ns_ = 0;
  std::int64_t saved_ns_ = 0;
  std::vector<std::int64_t> connect_sum_ns_;
  std::vector<std::int64_t> connects_;
  Instant start_{};
  std::size_t largest_allowed_ = 0;  // size may be this after a shrink, falling
  bool has_failed_since_success_ = false;
  bool is_ticking_ = false;
  bool is_draining_ = false;
  bool is_drained_ = false;
  Instant drain_deadline_{};
  std::optional<std::string> violation_;
};

}  // namespace marketprism::simulation
