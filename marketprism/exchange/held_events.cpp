#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange {

void HeldEvents::hand_over(DecodeHandler& handler) {
  const std::span<const market::Level> levels(levels_);
  for (BookItem& book : books_) {
    book.message.bids = levels.subspan(book.bids.first, book.bids.last - book.bids.first);
    book.message.asks = levels.subspan(book.asks.first, book.asks.last - book.asks.first);
    handler.on_book(book.message);
  }
  for (const Item& item : events_) {
    if (const auto* trade = std::get_if<market::Trade>(&item.payload)) {
      handler.on_trade(item.symbol, item.exchange_time, *trade, item.sequence);
    } else {
      handler.on_payload(item.symbol, item.exchange_time, item.payload);
    }
  }
}

}  // namespace marketprism::exchange
