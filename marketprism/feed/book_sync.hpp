#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "marketprism/exchange/adapter.hpp"
#include "marketprism/feed/held_deltas.hpp"
#include "marketprism/market/order_book.hpp"

namespace marketprism::feed {

/// Takes what a `BookSync` finds out, in order.
class BookSyncOutput {
 public:
  virtual ~BookSyncOutput() = default;
  /// A snapshot or delta was applied; the levels include removals of what fell off the depth. Valid during the call.
  virtual void on_book(const market::Book& book, UnixTime exchange_time, Arrival arrival) = 0;
  /// The book is invalid from here to its next snapshot.
  virtual void on_gap(std::string_view reason, std::int64_t from_sequence, std::int64_t to_sequence,
                      Arrival arrival) = 0;
  /// A snapshot is needed: by REST, or by subscribing anew where snapshots come in band.
  virtual void on_snapshot_wanted() = 0;
};

/// What was passed over, by reason.
struct BookSyncCounters {
  std::uint64_t stale = 0;               ///< deltas that the book already contains
  std::uint64_t before_snapshot = 0;     ///< in-band venues: deltas while there is no book
  std::uint64_t snapshots_unneeded = 0;  ///< REST snapshots while the book was valid
  std::uint64_t snapshots_too_old = 0;   ///< REST snapshots that end before the first delta held
  std::uint64_t held_dropped = 0;        ///< held deltas given up because too many were held
  std::uint64_t of_another_depth = 0;    ///< books of few levels while deltas keep the whole one
};

/// Keeps one symbol's book true: joins snapshot and deltas by the venue's rule, checks every delta's sequence and
/// checksum, and says at once when something is missing. While a REST snapshot is on its way, deltas are held
/// (bounded), never waited for. Owned by the feed session, used on its thread.
class BookSync {
 public:
  enum class State : std::uint8_t {
    waiting,  ///< no book; deltas are held (REST) or passed over (in band)
    live,     ///< the book is true
  };

  /// `adapter` gives the rule and checks checksums; it and `account`, which is told of held deltas, must outlive this.
  /// Past the limits of `HeldDeltas` all held are dropped, and the next snapshot joins what comes later.
  explicit BookSync(const exchange::Adapter& adapter,
                    std::shared_ptr<market::LevelBlockPool> pool = std::make_shared<market::LevelBlockPool>(),
                    memory::MemoryAccount* account = nullptr)
      : adapter_(&adapter), rule_(&adapter.facts().book), book_(std::move(pool)), held_(account), replaying_(account) {}

  void on_message(const exchange::BookMessage& message, Arrival arrival, BookSyncOutput& output);

  /// The connection that brought the deltas is gone, or a recording has a hole: what follows fits to nothing before.
  void on_lost(std::string_view reason, Arrival arrival, BookSyncOutput& output);

  State state() const { return state_; }
  const market::OrderBook& book() const { return book_; }
  /// The last update id applied, `no_sequence` without a book or without numbers.
  std::int64_t sequence() const { return last_; }
  const BookSyncCounters& counters() const { return counters_; }

 private:
  enum class Verdict : std::uint8_t { next, stale, gap };

  Verdict judge(const exchange::BookMessage& delta) const;
  bool joins(const exchange::BookMessage& delta, std::int64_t snapshot) const;
  bool is_covered(const exchange::BookMessage& delta, std::int64_t snapshot) const;
  void on_delta(const exchange::BookMessage& delta, Arrival arrival, BookSyncOutput& output);
  void on_whole(const exchange::BookMessage& snapshot, Arrival arrival, BookSyncOutput& output);
  void on_rest_snapshot(const exchange::BookMessage& snapshot, Arrival arrival, BookSyncOutput& output);
  void take_snapshot(const exchange::BookMessage& snapshot, Arrival arrival, BookSyncOutput& output);
  void apply(const exchange::BookMessage& delta, Arrival arrival, BookSyncOutput& output);
  void publish(const exchange::BookMessage& message, Arrival arrival, BookSyncOutput& output);
  void lose(std::string_view reason, std::int64_t to_sequence, Arrival arrival, BookSyncOutput& output);
  void hold(const exchange::BookMessage& delta, Arrival arrival);
  [[nodiscard]] std::string_view why_unfit() const;

  const exchange::Adapter* adapter_;
  const exchange::BookRule* rule_;
  State state_ = State::waiting;
  bool is_of_wholes_ = false;  // the book is the last one of a stream of snapshots
  bool is_joining_ = false;    // the next delta is the first after a REST snapshot
  std::int64_t last_ = market::no_sequence;
  UnixTime last_time_ = no_time;
  market::OrderBook book_;
  HeldDeltas held_;
  HeldDeltas replaying_;
  std::vector<market::Level> bids_;  // scratch: levels plus removals
  std::vector<market::Level> asks_;
  BookSyncCounters counters_;
};

}  // namespace marketprism::feed
