#pragma once
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange {

/// What one frame says, held back until the whole frame was found well formed, then handed over in the frame's order.
/// Keeps its memory, so that a warm decoder does not allocate. Owned by a venue's decoder, used on its thread.
class HeldEvents {
 public:
  /// Levels `first` up to, not including, `last` of `levels()`.
  struct Range {
    std::size_t first = 0;
    std::size_t last = 0;
  };

  void clear() {
    events_.clear();
    books_.clear();
    levels_.clear();
  }
  bool empty() const { return events_.empty() && books_.empty(); }

  void add(std::string_view symbol, UnixTime exchange_time, const market::Event::Payload& payload) {
    events_.push_back({symbol, exchange_time, market::no_sequence, payload});
  }
  void add_trade(std::string_view symbol, UnixTime exchange_time, const market::Trade& trade, std::int64_t sequence) {
    events_.push_back({symbol, exchange_time, sequence, trade});
  }
  /// `bids` and `asks` of the message are set when it is handed over.
  void add_book(const BookMessage& message, Range bids, Range asks) { books_.push_back({message, bids, asks}); }

  /// Whether the books are snapshots, for frames that say it beside the books.
  void set_snapshot(bool is_snapshot) {
    for (BookItem& book : books_) book.message.is_snapshot = is_snapshot;
  }

  /// Where the levels of the books are put.
  std::vector<market::Level>& levels() { return levels_; }

  void hand_over(DecodeHandler& handler);

 private:
  struct Item {
    std::string_view symbol;
    UnixTime exchange_time;
    std::int64_t sequence;
    market::Event::Payload payload;
  };
  struct BookItem {
    BookMessage message;
    Range bids;
    Range asks;
  };

  std::vector<Item> events_;
  std::vector<BookItem> books_;
  std::vector<market::Level> levels_;
};

/// A whole number, all of `text`; nothing for anything else.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// A time stamp in milliseconds; `no_time` if the text is none or the time is after the year 2255, so that a candle's
/// length can be added to any time without overflow.
inline UnixTime time_of_ms(std::string_view text) {
  const std::optional<std::int64_t> ms = whole_number(text);
  return ms && *ms >= 0 && *ms <= 9'000'000'000'000 ? unix_time_ms(*ms) : no_time;
}

}  // namespace marketprism::exchange
