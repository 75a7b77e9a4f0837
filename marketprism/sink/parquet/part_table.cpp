#include "marketprism/sink/parquet/part_table.hpp"

#include <cassert>
#include <cstring>
#include <variant>

namespace marketprism::sink {

namespace {

constexpr std::size_t validity_bytes = PartTable::page_rows / 8;
constexpr int exact_scale = 18;

/// 10^38: DECIMAL(38,18) holds what is smaller.
const Int128 exact_limit = [] {
  Int128 limit = 1;
  for (int i = 0; i < 38; ++i) limit *= 10;
  return limit;
}();

}  // namespace

// A chunk of texts is large enough to come from the kernel and to go back to it when the part is written.
PartTable::PartTable(market::EventType type, bool is_exact)
    : type_(type), is_exact_(is_exact), columns_(columns_of(type)), texts_(128UL << 10) {
  for (const ColumnSpec& column : columns_) {
    page_bytes_ += validity_bytes;
    offsets_.push_back(page_bytes_);
    page_bytes_ += (width_of(column.type, is_exact) * page_rows + 15) & ~std::size_t{15};
  }
}

const std::uint64_t* PartTable::validity(std::size_t page, std::size_t column) const {
  if (!has_null_[page][column]) return nullptr;
  return reinterpret_cast<const std::uint64_t*>(pages_[page].get() + offsets_[column] - validity_bytes);
}

void PartTable::begin_row() {
  if (page_ == nullptr || row_ == page_rows) {
    pages_.push_back(std::make_unique_for_overwrite<std::byte[]>(page_bytes_));
    has_null_.emplace_back(columns_.size(), false);
    page_ = pages_.back().get();
    row_ = 0;
    for (const std::size_t offset : offsets_) std::memset(page_ + offset - validity_bytes, 0xFF, validity_bytes);
  }
  column_ = 0;
}

void PartTable::begin_row(const market::Event& event) {
  begin_row();
  put_name(event.symbol);
  put_time(event.exchange_time);
  put_time(event.receive_time);
  put(event.connection);
}

void PartTable::end_row() {
  assert(column_ == columns_.size());
  ++row_;
  ++rows_;
}

template <class T>
void PartTable::put(T value) {
  assert(width_of(columns_[column_].type, is_exact_) == sizeof(T));
  std::memcpy(page_ + offsets_[column_] + row_ * sizeof(T), &value, sizeof(T));
  ++column_;
}

void PartTable::put_null() {
  const std::size_t width = width_of(columns_[column_].type, is_exact_);
  std::memset(page_ + offsets_[column_] + row_ * width, 0, width);
  std::byte* const word = page_ + offsets_[column_] - validity_bytes + row_ / 64 * 8;
  std::uint64_t bits = 0;
  std::memcpy(&bits, word, 8);
  bits &= ~(std::uint64_t{1} << (row_ % 64));
  std::memcpy(word, &bits, 8);
  has_null_.back()[column_] = true;
  ++column_;
}

std::uint32_t PartTable::index_of(std::string_view name) {
  for (const std::uint32_t recent : recent_names_) {
    if (recent < names_.size() && names_[recent] == name) return recent;
  }
  auto found = name_indices_.find(name);
  if (found == name_indices_.end()) {
    const auto index = static_cast<std::uint32_t>(names_.size());
    names_.push_back(texts_.copy(name.data() == nullptr ? std::string_view("") : name));
    found = name_indices_.emplace(names_.back(), index).first;
  }
  recent_names_[recent_at_++ % recent_names_.size()] = found->second;
  return found->second;
}

void PartTable::put_name(std::string_view value) { put(index_of(value)); }

void PartTable::put_text(std::string_view value) {
  if (value.data() == nullptr) return put_null();
  put(texts_.copy(value));
}

void PartTable::put_time(UnixTime value) {
  if (value == no_time) return put_null();
  put(ns_since_epoch(value));
}

void PartTable::put_sequence(std::int64_t value) {
  if (value == market::no_sequence) return put_null();
  put(value);
}

void PartTable::put_number(const Decimal& value) {
  if (!is_exact_) {
    if (!value.survives_double()) ++inexact_values_;
    return put(value.to_double());
  }
  const std::optional<Int128> scaled = value.scaled(exact_scale);
  if (scaled && *scaled < exact_limit && *scaled > -exact_limit) return put(*scaled);
  ++inexact_values_;
  put_null();
}

void PartTable::put_number(const std::optional<Decimal>& value) {
  if (!value) return put_null();
  put_number(*value);
}

void PartTable::append(const market::Event& event) {
  assert(event.type() == type_);
  if (events_++ == 0) first_time_ = event.receive_time;
  std::visit([&](const auto& payload) { add(event, payload); }, event.payload);
}

void PartTable::add(const market::Event& event, const market::Trade& trade) {
  begin_row(event);
  put_text(trade.id);
  put_name(name_of(trade.side));
  put_number(trade.price);
  put_number(trade.amount);
  put(trade.is_aggregate);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Book& book) {
  const auto add_side = [&](std::span<const market::Level> levels, std::string_view side) {
    for (const market::Level& level : levels) {
      begin_row(event);
      put(book.is_snapshot);
      put_name(side);
      put_number(level.price);
      put_number(level.amount);
      put_sequence(book.sequence);
      end_row();
    }
  };
  add_side(book.bids, "bid");
  add_side(book.asks, "ask");
  if (!book.is_snapshot || !book.bids.empty() || !book.asks.empty()) return;
  begin_row(event);
  put(true);
  for (int i = 0; i < 3; ++i) put_null();
  put_sequence(book.sequence);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Bbo& bbo) {
  begin_row(event);
  put_number(bbo.bid_price);
  put_number(bbo.bid_amount);
  put_number(bbo.ask_price);
  put_number(bbo.ask_amount);
  put_sequence(bbo.sequence);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Candle& candle) {
  begin_row(event);
  put_name(candle.interval);
  put_time(candle.open_time);
  put_time(candle.close_time);
  for (const Decimal* value : {&candle.open, &candle.high, &candle.low, &candle.close, &candle.volume})
    put_number(*value);
  put(candle.is_closed);
  end_row();
}

void PartTable::add(const market::Event& event, const market::FundingRate& funding) {
  begin_row(event);
  put_number(funding.rate);
  put_time(funding.funding_time);
  end_row();
}

void PartTable::add(const market::Event& event, const market::OpenInterest& interest) {
  begin_row(event);
  put_number(interest.amount);
  end_row();
}

void PartTable::add(const market::Event& event, const market::MarkPrice& mark) {
  begin_row(event);
  put_number(mark.price);
  end_row();
}

void PartTable::add(const market::Event& event, const market::IndexPrice& index) {
  begin_row(event);
  put_number(index.price);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Liquidation& liquidation) {
  begin_row(event);
  put_text(liquidation.id);
  put_name(name_of(liquidation.side));
  put_number(liquidation.price);
  put_number(liquidation.amount);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Gap& gap) {
  begin_row(event);
  put_name(name_of(gap.channel));
  put_name(gap.reason);
  put_sequence(gap.from_sequence);
  put_sequence(gap.to_sequence);
  end_row();
}

void PartTable::add(const market::Event& event, const market::Instrument* instrument) {
  const bool is_option = instrument->kind == market::InstrumentKind::option;
  begin_row(event);
  put_name(instrument->canonical);
  put_name(name_of(instrument->kind));
  put_name(instrument->base);
  put_name(instrument->quote);
  put_name(instrument->settle);
  put_number(instrument->contract_size);
  put_name(instrument->amount_unit);
  put_number(instrument->tick_size);
  put_number(instrument->lot_size);
  put_time(instrument->expiry);
  put_number(is_option ? std::optional(instrument->strike) : std::nullopt);
  if (is_option) {
    put_name(instrument->option_type);
  } else {
    put_null();
  }
  put_name(instrument->status);
  end_row();
}

}  // namespace marketprism::sink
