#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::collector {

struct GapRecord {
  std::uint64_t number = 0;  ///< grows by one with each gap
  UnixTime time{};
  std::string_view exchange;
  std::string symbol;
  market::EventType channel{};
  std::string_view reason;
  std::int64_t from_sequence = market::no_sequence;
  std::int64_t to_sequence = market::no_sequence;
};

struct GapCount {
  std::string_view exchange;
  market::EventType channel{};
  std::string_view reason;
  std::uint64_t count = 0;
};

struct TradeRecord {
  std::uint64_t number = 0;  ///< grows by one with each trade of the instrument since it is watched
  UnixTime time{};
  market::Side side{};
  Decimal price;
  Decimal amount;
};

/// Stands before the sinks and remembers what people want to look at: the last gaps, and the last trades of the few
/// instruments somebody watches. Costs one comparison an event while nobody does. One thread, the sessions'.
class EventTap final : public market::EventSink {
 public:
  static constexpr std::size_t gaps_max = 200;
  static constexpr std::size_t trades_max = 40;
  static constexpr std::size_t watched_max = 8;
  static constexpr auto watched_for = std::chrono::seconds(10);

  explicit EventTap(market::EventSink& next) : next_(next) {}

  void on_event(const market::Event& event) override {
    next_.on_event(event);
    if (event.type() == market::EventType::gap) [[unlikely]] {
      note_gap(event);
    } else if (!watched_.empty() && event.type() == market::EventType::trade) [[unlikely]] {
      note_trade(event);
    }
  }

  /// The last trades of an instrument, newest last; it is watched from the first call on, and for as long as calls go
  /// on coming. With `watched_max` others watched: nothing.
  const std::deque<TradeRecord>& trades(std::string_view exchange, std::string_view symbol, Instant now);

  const std::deque<GapRecord>& gaps() const { return gaps_; }  ///< newest last
  const std::vector<GapCount>& gap_counts() const { return gap_counts_; }

 private:
  struct Watched {
    std::string exchange;
    std::string symbol;
    Instant until{};
    std::uint64_t count = 0;
    std::deque<TradeRecord> trades;
  };

  void note_gap(const market::Event& event);
  void note_trade(const market::Event& event);

  market::EventSink& next_;
  std::deque<GapRecord> gaps_;
  std::vector<GapCount> gap_counts_;  // few: reasons are literals
  std::uint64_t gaps_seen_ = 0;
  std::vector<Watched> watched_;
  const std::deque<TradeRecord> no_trades_;
};

}  // namespace marketprism::collector
