#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/histogram.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/action_queue.hpp"
#include "marketprism/pool/closing_connections.hpp"
#include "marketprism/pool/connect_budget.hpp"
#include "marketprism/pool/connection_state.hpp"
#include "marketprism/pool/dial_rounds.hpp"
#include "marketprism/pool/permit_ledger.hpp"
#include "marketprism/pool/pool_config.hpp"
#include "marketprism/pool/pool_stats.hpp"
#include "marketprism/pool/rate_limiter.hpp"
#include "marketprism/pool/slab.hpp"

namespace marketprism::pool {

using SlotConnection = Handle<struct SlotConnectionTag>;
using StreamHandle = Handle<struct StreamTag>;

/// What a SlotPool asks its driver to do or to know, in this order.
struct SlotDial {  ///< open a connection; answer with `dialed` or `dial_failed`
  SlotConnection connection;
  std::uint32_t endpoint = 0;
  Instant deadline;
};
struct SlotAbortDial {  ///< the dial is not wanted any more; answer with `closed` when nothing of it is open
  SlotConnection connection;
};
struct SlotClose {  ///< the connection has left the pool: close and destroy it, and answer with `closed`
  SlotConnection connection;
  CloseReason reason{};
};
struct SlotCut {  ///< closing this connection, or ending its dial, takes too long: close its socket now. `closed` is
                  ///< owed still
  SlotConnection connection;
};
struct Subscribe {  ///< send one message that asks for these streams; answer with `subscribed` or `refused` for each
  SlotConnection connection;
  std::vector<StreamHandle> streams;
};
struct Unsubscribe {  ///< send one message that ends these; no answer needed
  SlotConnection connection;
  std::vector<StreamHandle> streams;
};
struct StreamUp {  ///< the stream now comes over `connection`. When `previous` is set it was moved without a break
  StreamHandle stream;
  SlotConnection connection;
  SlotConnection previous;
};
struct StreamDown {  ///< nothing carries the stream now; a StreamUp follows when something does again
  StreamHandle stream;
  std::string_view why;  ///< a literal: "connection lost", "not confirmed", "silent", "refused"
};
struct StreamEnd {  ///< the last word about a stream: it was removed, refused for good, or the pool was drained
  StreamHandle stream;
  std::optional<Error> error;  ///< why, unless it was removed or drained
};
struct SlotsDrained {};  ///< the pool has stopped; nothing follows but SlotCut
using SlotAction = std::variant<SlotDial, SlotAbortDial, SlotClose, SlotCut, Subscribe, Unsubscribe, StreamUp,
                                StreamDown, StreamEnd, SlotsDrained>;

/// What has happened to streams, and what is there now.
struct SlotStats {
  std::size_t streams = 0;   ///< placed with the pool and not yet ended
  std::size_t up = 0;        ///< carried by a connection and confirmed
  std::size_t unplaced = 0;  ///< waiting for a connection with room
  std::size_t connections = 0;
  std::size_t capacity = 0;         ///< of the connections that are up
  std::uint64_t moved = 0;          ///< without a break
  std::uint64_t interrupted = 0;    ///< StreamDown
  std::uint64_t not_confirmed = 0;  ///< subscriptions without an answer in time
  std::uint64_t silent = 0;         ///< found silent for longer than their limit
  std::uint64_t refused = 0;        ///< by the venue, for good
  std::uint64_t rotations = 0;      ///< finished
  std::uint64_t rotations_failed = 0;
  std::uint64_t subscribe_messages = 0;
  std::uint64_t unsubscribe_messages = 0;
};

/// The state machine that spreads streams (subscriptions) over connections with a capacity each. It opens as few
/// connections as are needed, moves streams when one fails, replaces each before the end of its lifetime by one that is
/// up and subscribed before the old one goes (make before break), asks again for what was not confirmed or went silent,
/// and keeps the rate of control messages of each connection. `min_size` plays no part; a rotation may exceed max_size
/// by one connection. A connection keeps its place, and its permit, until the driver says that it is closed; one whose
/// close takes longer than close_timeout is cut.
///
/// A connection is of use once it has confirmed a stream. One that ends before counts as a failed dial of its endpoint:
/// the next endpoint is tried, then comes a pause, and the endpoint may be ejected.
///
/// With a permit ledger, streams wait for a permit where they would wait for a connection. A connection that is due for
/// replacement carries on until there is one for the overlap, unless another has room for all of its streams. When
/// other pools are short of permits, connections that carry nothing are given up, never those that do.
///
/// When an endpoint of better priority is usable again, connections to worse ones are replaced in the same way, one at
/// a time.
///
/// Driven like LeasePool: after each call take all actions, call `tick` at `wake_at`. Owned by one event loop, no lock.
class SlotPool {
 public:
  /// `config` must be valid.
  SlotPool(const PoolConfig& config, const SlotConfig& slots, std::vector<Endpoint> endpoints);
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;
  /// Dials are begun only as this allows. Before `start`.
  void use_connect_budget(ConnectBudget& budget) { budget_ = &budget; }
  /// Each connection also needs a permit of the ledger, from before its dial on; `member` is this pool's number in it.
  /// Before the first `place`.
  void use_ledger(PermitLedger& ledger, std::uint32_t member);

  void start(Instant now);

  /// Takes on a stream. Without a message for `silence_limit` (0: never) it is asked for again on another connection.
  /// Errors: `exhausted` when more streams than all connections can carry or `max_streams` would be placed, `closed`.
  Result<StreamHandle> place(Instant now, Nanoseconds silence_limit = Nanoseconds(0));
  /// Ends a stream; a StreamEnd follows. False when it has ended.
  bool remove(StreamHandle stream, Instant now);
  /// Asks for a stream anew, on the connection that carries it and as its message rate allows: for peers whose
  /// subscriptions begin with a snapshot. Down (why: "asked for anew") until confirmed. Nothing to do while it is not
  /// up or on its way to another connection.
  void resubscribe(StreamHandle stream, Instant now);

  /// Answers to SlotDial. `dialed` is false when the connection is not wanted any more: the driver destroys it.
  [[nodiscard]] bool dialed(SlotConnection connection, Instant now);
  void dial_failed(SlotConnection connection, Error error, Instant now);
  /// Answer to SlotClose and SlotAbortDial: no socket of the connection is open any more. False when it was not owed.
  bool closed(SlotConnection connection, Instant now);

  /// The venue confirmed the stream on this connection (a first message of it counts as well, see `message`).
  void subscribed(SlotConnection connection, StreamHandle stream, Instant now);
  /// The venue refused the stream: for good when `error.is_terminal`, else it is asked for again after a while.
  void refused(SlotConnection connection, StreamHandle stream, Error error, Instant now);
  /// A message of the stream came in over this connection.
  void message(SlotConnection connection, StreamHandle stream, Instant now) {
    Stream* record = streams_.find(stream);
    if (record == nullptr) return;
    record->last_message = now;
    if (record->carrier.phase != SlotPhase::up || record->successor.phase != SlotPhase::none) [[unlikely]] {
      subscribed(connection, stream, now);
    }
  }

  /// The driver sent a control message of its own on the connection (a greeting, a ping as text): it counts in its
  /// rate.
  void count_message(SlotConnection connection, Instant now);

  /// Something went wrong on a connection that does not end it (a text could not be sent); only counted, with the
  /// streams on it that were refused, not confirmed or silent.
  void count_error(SlotConnection connection) {
    if (Connection* record = connections_.find(connection)) ++record->errors;
  }

  /// The connection has died.
  void lost(SlotConnection connection, Instant now);
  /// The venue will cut this connection soon: replace it now.
  void closing(SlotConnection connection, Instant now);

  /// Changes the limits, times and rates of a running pool; name, type, seed, dial_backoff and ejection stay. Streams
  /// on surplus connections move to others without a break. `exhausted` when fewer streams could be carried than there
  /// are.
  [[nodiscard]] Result<> reconfigure(PoolConfig config, Instant now);
  [[nodiscard]] Result<> resize(std::size_t max_size, Instant now);
  /// Changes the endpoints of a running pool. Connections to those that are gone are replaced like old ones, one at a
  /// time. `invalid_argument` when there is none.
  [[nodiscard]] Result<> set_endpoints(std::vector<Endpoint> endpoints, Instant now);

  void tick(Instant now);
  [[nodiscard]] Instant wake_at() const { return wake_at_; }

  /// The permit ledger's notices, brought to this pool's loop by the driver.
  void permit_notice(PermitNotice notice, Instant now);
  /// Gives back the permits of all connections there are, those being closed included: for a driver that destroys them
  /// and the pool together.
  void give_up_permits();

  /// Stops: all streams end, all connections are closed at once (the driver lets them say goodbye).
  void drain(Instant now);

  [[nodiscard]] std::optional<SlotAction> next_action() { return actions_.pop(); }
  [[nodiscard]] bool has_actions() const { return !actions_.empty(); }

  [[nodiscard]] PoolStats stats(Instant now) const;
  [[nodiscard]] SlotStats slot_stats() const;
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] std::vector<ConnectionInfo> connections(Instant now) const;
  /// The connection that carries the stream now, or none.
  [[nodiscard]] SlotConnection carrier_of(StreamHandle stream) const;
  /// Streams placed on the connection, those being moved to it included.
  [[nodiscard]] std::size_t used_slots(SlotConnection connection) const;
  [[nodiscard]] const PoolConfig& config() const { return config_; }
  [[nodiscard]] EndpointSet& endpoints() { return rounds_.endpoints(); }
  [[nodiscard]] const EndpointSet& endpoints() const { return rounds_.endpoints(); }

 private:
  enum class Phase : std::uint8_t { made, running, drained };
  enum class SlotPhase : std::uint8_t {
    none,
    queued,  ///< to be asked for in one of the next messages
    asked,
    up,
  };

  /// One end of a stream: a place on a connection.
  struct Slot {
    std::uint32_t connection = no_index;
    SlotPhase phase = SlotPhase::none;
    Instant asked_at{};
  };

  struct Stream : SlabLinks {
    Slot carrier;
    Slot successor;  // while it is moved without a break: on the connection that will carry it
    Nanoseconds silence_limit{};
    Instant last_message{};
    Instant retry_at = Instant::min();  // unplaced: not placed before this
    std::uint64_t avoid = 0;            // id of the connection it should not go to
    std::uint32_t drops_pending = 0;    // entries in some connection's to_drop
    bool is_ending = false;             // removed or refused; waits for its Unsubscribe to be sent
    std::optional<Error> refusal;
  };

  struct Connection : SlabLinks {
    bool is_up = false;
    bool is_proven = false;                // it has confirmed a stream
    bool is_surplus = false;               // over max_size after a resize: its streams move away, it takes no more
    CloseReason replaced_for{};            // retiring: why
    std::uint32_t replaced_by = no_index;  // retiring: the connection that takes over; it takes no more streams itself
    std::uint32_t replaces = no_index;     // the retiring connection whose streams come here
    DialRounds::Attempt attempt;
    Instant created_at{};
    Instant expires_at{};                    // connecting: the dial is given up; up: rotation is due
    Instant rotation_ends = Instant::max();  // retiring: when the rotation is given up
    Instant unused_since{};                  // while nothing is placed on it
    std::vector<std::uint32_t> slots;        // streams that have a slot here
    std::vector<StreamHandle> to_drop;       // to be unsubscribed; they use room until then
    std::size_t queued = 0;                  // slots in phase queued
    std::size_t up = 0;                      // slots in phase up
    std::uint64_t errors = 0;
    TokenBucket messages{RateConfig{}};
  };

  using Connections = Slab<Connection, SlotConnectionTag>;
  using Streams = Slab<Stream, StreamTag>;

  void wake_by(Instant when) {
    if (when < wake_at_) wake_at_ = when;
  }
  static Slot* find_slot(Stream& stream, std::uint32_t connection);
  static Slot& slot_on(Stream& stream, std::uint32_t connection);
  static const Slot& slot_on(const Stream& stream, std::uint32_t connection);
  [[nodiscard]] bool is_usable(const Connection& connection) const;
  [[nodiscard]] std::uint32_t best_room(std::uint64_t avoid) const;

  // slot_pool.cpp: streams
  void place_streams(Instant now);
  void enter(std::uint32_t stream, Slot& slot, std::uint32_t connection, Instant now);
  void leave(std::uint32_t stream, Slot& slot, bool must_unsubscribe, Instant now);
  void confirm(std::uint32_t stream, Slot& slot, Instant now);
  void take_over(std::uint32_t stream, Instant now);
  void interrupt(std::uint32_t stream, std::string_view why, bool was_up);
  void await_room(std::uint32_t stream, std::uint64_t avoid, Instant retry_at);
  void end_if_done(std::uint32_t stream);
  void time_out_asks(Instant now);
  void time_out_ask(std::uint32_t stream, std::uint32_t connection, Instant now);
  void find_silent(Instant now);
  void move_elsewhere(std::uint32_t stream, Instant now);
  void send_messages(std::uint32_t index, Instant now);
  void send_drops(std::uint32_t index);
  void send_asks(std::uint32_t index, Instant now);

  // slot_pool_changes.cpp
  void shed_surplus(Instant now);
  [[nodiscard]] std::uint32_t least_used() const;
  void move_away(std::uint32_t index, Instant now);
  void watch_standby(const Connection& connection, Instant now);

  // slot_pool_connections.cpp
  void pump(Instant now);
  [[nodiscard]] std::size_t dials_wanted() const;
  bool may_dial(Instant now, bool is_spare = false);
  std::uint32_t start_dial(Instant now, std::uint32_t better_than = no_index);
  void abandon_dial(std::uint32_t index, Instant now);
  void fail_dial(std::uint32_t index, Error error, Instant now, bool has_ended = true);
  void close(std::uint32_t index, CloseReason reason, Instant now);
  void await_close(std::uint32_t index, Instant now);
  void forget(std::uint32_t index);
  /// What counts against max_size, and holds a permit: also what is being closed.
  [[nodiscard]] std::size_t places_used() const { return connections_.size() + closing_.size(); }
  void drop_connection(std::uint32_t index, CloseReason reason, std::string_view why, Instant now);
  [[nodiscard]] bool has_failed_endpoint(const Connection& connection, CloseReason reason) const;
  void time_out_dials(Instant now);
  void retire(Instant now);
  void set_wake(Instant now);
  [[nodiscard]] Instant due(std::uint32_t index, Instant may_dial_at, Instant now) const;
  Instant lifetime_end(Instant now);

  // slot_pool_rotation.cpp
  void begin_rotation(std::uint32_t index, CloseReason why, Instant now);
  [[nodiscard]] std::uint32_t room_for(std::uint32_t index) const;
  void carry_over(std::uint32_t from, std::uint32_t to, Instant now);
  void finish_rotation(std::uint32_t index, Instant now);
  void give_up_rotation(std::uint32_t index, Instant now);
  void unlink_rotation(std::uint32_t index);

  // slot_pool_permits.cpp
  bool take_permit(bool is_spare);
  [[nodiscard]] bool lacks_permit() const;
  void begin_permits();
  bool settle_permits(Instant now);
  bool give_up_unused(Instant now);

  PoolConfig config_;
  SlotConfig slot_config_;
  Phase phase_ = Phase::made;
  Streams streams_;
  Connections connections_;
  std::deque<StreamHandle> unplaced_;
  std::size_t waiting_for_room_ = 0;  // of unplaced_, after the last placing: those that may be placed now
  std::size_t connecting_ = 0;
  ClosingConnections<SlotConnection> closing_;
  bool is_rotating_ = false;              // one connection at a time
  Instant failback_at_ = Instant::max();  // while connections to a standby are open
  DialRounds rounds_;
  ConnectBudget* budget_ = nullptr;
  PermitLedger* ledger_ = nullptr;
  std::uint32_t ledger_member_ = PermitLedger::no_member;
  bool is_in_permit_line_ = false;
  bool may_have_permit_ = false;  // one may be reserved for us, to be taken by the next tick
  bool wants_permit_ = false;     // seen in this tick: something waits for a permit
  bool is_yielding_ = false;      // somebody needs a permit: the next connection without streams goes
  ActionQueue<SlotAction> actions_;
  Instant wake_at_ = Instant::max();
  Instant silence_scan_at_ = Instant::max();
  Nanoseconds silence_scan_interval_ = std::chrono::seconds(5);

  std::size_t active_ = 0;  // connections with a slot in use
  TimeWeightedMean active_time_;
  PoolCounters counters_;
  SlotStats slot_counters_;  // its counters only
  Histogram connects_;
  std::size_t streams_up_ = 0;
};

}  // namespace marketprism::pool
