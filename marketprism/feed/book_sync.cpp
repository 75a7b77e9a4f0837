#include "marketprism/feed/book_sync.hpp"

#include <utility>

namespace marketprism::feed {

using exchange::BookMessage;
using exchange::BookRule;
using market::no_sequence;

namespace {

/// Whether numbers are missing between the two, without overflow.
bool is_hole(std::int64_t last, std::int64_t first) {
  return first > last && static_cast<std::uint64_t>(first) - static_cast<std::uint64_t>(last) > 1;
}

/// The first number known to be there after a hole.
std::int64_t after_hole(const BookMessage& delta) {
  return delta.first_sequence != no_sequence ? delta.first_sequence : delta.last_sequence;
}

}  // namespace

void BookSync::on_message(const BookMessage& message, Arrival arrival, BookSyncOutput& output) {
  if (message.is_whole) {
    on_whole(message, arrival, output);
  } else if (!message.is_snapshot) {
    on_delta(message, arrival, output);
  } else if (rule_->snapshot == BookRule::Snapshot::rest) {
    on_rest_snapshot(message, arrival, output);
  } else {
    take_snapshot(message, arrival, output);
  }
}

void BookSync::on_lost(std::string_view reason, Arrival arrival, BookSyncOutput& output) {
  held_.clear();
  if (state_ == State::live) lose(reason, no_sequence, arrival, output);
}

// Whether the delta brings nothing that a snapshot of this number lacks.
bool BookSync::is_covered(const BookMessage& delta, std::int64_t snapshot) const {
  return rule_->join_contains_snapshot ? delta.last_sequence < snapshot : delta.last_sequence <= snapshot;
}

// Whether nothing is missing between a snapshot of this number and the delta, which is not covered by it. Update ids of
// futures run over all symbols, so the delta may start later than the snapshot's number plus one: `previous` tells.
bool BookSync::joins(const BookMessage& delta, std::int64_t snapshot) const {
  if (delta.previous_sequence != no_sequence) return delta.previous_sequence <= snapshot;
  return !is_hole(snapshot, delta.first_sequence);
}

BookSync::Verdict BookSync::judge(const BookMessage& delta) const {
  if (rule_->chain == BookRule::Chain::none || delta.last_sequence == no_sequence || last_ == no_sequence)
    return Verdict::next;
  if (is_joining_) {
    if (is_covered(delta, last_)) return Verdict::stale;
    return joins(delta, last_) ? Verdict::next : Verdict::gap;
  }
  if (rule_->chain == BookRule::Chain::contiguous) {
    if (delta.last_sequence <= last_) return Verdict::stale;
    return is_hole(last_, delta.first_sequence) ? Verdict::gap : Verdict::next;
  }
  if (delta.previous_sequence == last_) {
    // A keep-alive (OKX: prevSeqId == seqId, no levels) says only that nothing is missing.
    return delta.last_sequence == last_ && delta.bids.empty() && delta.asks.empty() ? Verdict::stale : Verdict::next;
  }
  // An old number with a newer time is no repetition: the venue started its numbers anew and we missed that.
  const bool is_repeated =
      delta.last_sequence <= last_ && (delta.exchange_time == no_time || delta.exchange_time <= last_time_);
  return is_repeated ? Verdict::stale : Verdict::gap;
}

// Where deltas keep the book, one of fewer levels adds nothing to it.
void BookSync::on_whole(const BookMessage& snapshot, Arrival arrival, BookSyncOutput& output) {
  if (!is_of_wholes_ && (state_ == State::live || !held_.empty())) {
    ++counters_.of_another_depth;
    return;
  }
  const bool is_old = snapshot.last_sequence != no_sequence && snapshot.last_sequence <= last_ &&
                      (snapshot.exchange_time == no_time || snapshot.exchange_time <= last_time_);
  if (state_ == State::live && is_old) {
    ++counters_.stale;
    return;
  }
  take_snapshot(snapshot, arrival, output);
  is_of_wholes_ = state_ == State::live;
}

void BookSync::on_delta(const BookMessage& delta, Arrival arrival, BookSyncOutput& output) {
  if (is_of_wholes_) lose("sequence", after_hole(delta), arrival, output);  // a better stream has begun
  if (state_ == State::waiting) {
    if (rule_->snapshot == BookRule::Snapshot::in_band) {
      ++counters_.before_snapshot;
      return;
    }
    const bool is_first = held_.empty();
    hold(delta, arrival);
    if (is_first) output.on_snapshot_wanted();
    return;
  }
  switch (judge(delta)) {
    case Verdict::next: apply(delta, arrival, output); return;
    case Verdict::stale: ++counters_.stale; return;
    case Verdict::gap:
      lose("sequence", after_hole(delta), arrival, output);
      if (rule_->snapshot == BookRule::Snapshot::rest) hold(delta, arrival);
      return;
  }
}

void BookSync::on_rest_snapshot(const BookMessage& snapshot, Arrival arrival, BookSyncOutput& output) {
  if (state_ == State::live) {
    ++counters_.snapshots_unneeded;
    return;
  }
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const BookMessage delta = held_.message(i);
    if (is_covered(delta, snapshot.last_sequence)) continue;
    if (joins(delta, snapshot.last_sequence)) break;
    ++counters_.snapshots_too_old;
    output.on_snapshot_wanted();
    return;
  }
  take_snapshot(snapshot, arrival, output);
  is_joining_ = true;
  held_.swap(replaying_);
  held_.clear();
  for (std::size_t i = 0; i < replaying_.size(); ++i) on_delta(replaying_.message(i), replaying_.arrival(i), output);
  replaying_.clear();
}

void BookSync::take_snapshot(const BookMessage& snapshot, Arrival arrival, BookSyncOutput& output) {
  is_of_wholes_ = false;
  const bool fits = book_.assign(snapshot.bids, snapshot.asks);
  state_ = State::live;
  is_joining_ = false;
  last_ = snapshot.last_sequence;
  last_time_ = snapshot.exchange_time;
  if (!fits) return lose(why_unfit(), snapshot.last_sequence, arrival, output);
  if (snapshot.checksum && !adapter_->checksum_fits(book_, *snapshot.checksum)) {
    lose("checksum", snapshot.last_sequence, arrival, output);
    return;
  }
  publish(snapshot, arrival, output);
}

void BookSync::apply(const BookMessage& delta, Arrival arrival, BookSyncOutput& output) {
  if (!book_.apply(delta.bids, delta.asks)) return lose(why_unfit(), delta.last_sequence, arrival, output);
  if (delta.checksum && !adapter_->checksum_fits(book_, *delta.checksum)) {
    lose("checksum", delta.last_sequence, arrival, output);
    return;
  }
  is_joining_ = false;
  last_ = delta.last_sequence;
  if (delta.exchange_time != no_time) last_time_ = delta.exchange_time;
  publish(delta, arrival, output);
}

void BookSync::publish(const BookMessage& message, Arrival arrival, BookSyncOutput& output) {
  market::Book event{message.is_snapshot, message.last_sequence, message.bids, message.asks};
  const std::size_t depth = rule_->depth;
  if (depth > 0 && (book_.bids().size() > depth || book_.asks().size() > depth)) {
    bids_.assign(message.bids.begin(), message.bids.end());
    asks_.assign(message.asks.begin(), message.asks.end());
    book_.bids().truncate(depth, bids_);
    book_.asks().truncate(depth, asks_);
    event.bids = bids_;
    event.asks = asks_;
  }
  output.on_book(event, message.exchange_time, arrival);
}

void BookSync::lose(std::string_view reason, std::int64_t to_sequence, Arrival arrival, BookSyncOutput& output) {
  state_ = State::waiting;
  is_joining_ = is_of_wholes_ = false;
  book_.clear();
  held_.clear();
  output.on_gap(reason, std::exchange(last_, no_sequence), to_sequence, arrival);
  output.on_snapshot_wanted();
}

std::string_view BookSync::why_unfit() const { return book_.lacks_memory() ? "memory_limit" : "price_range"; }

void BookSync::hold(const BookMessage& delta, Arrival arrival) {
  if (held_.add(delta, arrival)) return;
  counters_.held_dropped += held_.size();
  held_.clear();
  // What came later joins a later snapshot; if there is no memory at all, not even this is held.
  if (!held_.add(delta, arrival)) ++counters_.held_dropped;
}

}  // namespace marketprism::feed
