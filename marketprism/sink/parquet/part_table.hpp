#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "marketprism/base/decimal.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/event_batch.hpp"
#include "marketprism/sink/parquet/schema.hpp"

namespace marketprism::sink {

/// The rows of one Parquet file to be, column by column, in pages of as many rows as a DuckDB vector has, so that
/// writing them is copying whole columns of a page. Knows nothing of DuckDB. One thread.
class PartTable {
 public:
  static constexpr std::size_t page_rows = 2048;

  PartTable(market::EventType type, bool is_exact);

  /// Adds the event's rows: a book one for each level (bids first), any other event one. A snapshot without levels
  /// gives one row whose side, price and amount are null, because it says that the book is empty; a delta without
  /// levels gives none.
  void append(const market::Event& event);

  [[nodiscard]] market::EventType type() const { return type_; }
  [[nodiscard]] bool is_exact() const { return is_exact_; }
  [[nodiscard]] std::span<const ColumnSpec> columns() const { return columns_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] UnixTime first_time() const { return first_time_; }  ///< receive time of the first event
  [[nodiscard]] std::size_t bytes() const { return pages_.size() * page_bytes_ + texts_.bytes(); }

  /// Numbers that the column's type could not hold exactly (DOUBLE: digits changed; DECIMAL: stored as null).
  [[nodiscard]] std::uint64_t inexact_values() const { return inexact_values_; }

  [[nodiscard]] std::size_t page_count() const { return pages_.size(); }
  [[nodiscard]] std::size_t rows_of(std::size_t page) const {
    return page + 1 < pages_.size() ? page_rows : rows_ - page * page_rows;
  }
  /// The values of a column of a page: UnixTime as ns, Int128 little-endian, `name` as index for name(), `text` as
  /// std::string_view.
  [[nodiscard]] const std::byte* values(std::size_t page, std::size_t column) const {
    return pages_[page].get() + offsets_[column];
  }
  /// One bit for each row of the page, set where there is a value; null where no value of the page is missing.
  [[nodiscard]] const std::uint64_t* validity(std::size_t page, std::size_t column) const;
  [[nodiscard]] std::span<const std::string_view> names() const { return names_; }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  void begin_row();
  void begin_row(const market::Event& event);
  void end_row();
  template <class T>
  void put(T value);
  void put_null();
  void put_name(std::string_view value);
  void put_text(std::string_view value);
  void put_time(UnixTime value);
  void put_sequence(std::int64_t value);
  void put_number(const Decimal& value);
  void put_number(const std::optional<Decimal>& value);
  std::uint32_t index_of(std::string_view name);

  void add(const market::Event& event, const market::Trade& trade);
  void add(const market::Event& event, const market::Book& book);
  void add(const market::Event& event, const market::Bbo& bbo);
  void add(const market::Event& event, const market::Candle& candle);
  void add(const market::Event& event, const market::FundingRate& funding);
  void add(const market::Event& event, const market::OpenInterest& interest);
  void add(const market::Event& event, const market::MarkPrice& mark);
  void add(const market::Event& event, const market::IndexPrice& index);
  void add(const market::Event& event, const market::Liquidation& liquidation);
  void add(const market::Event& event, const market::Gap& gap);
  void add(const market::Event& event, const market::Instrument* instrument);

  market::EventType type_;
  bool is_exact_;
  std::span<const ColumnSpec> columns_;
  std::vector<std::size_t> offsets_;  // of each column's values in a page; its validity bits stand before them
  std::size_t page_bytes_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::vector<std::vector<bool>> has_null_;  // by page and column
  std::byte* page_ = nullptr;                // the last one
  std::size_t row_ = 0;                      // in it
  std::size_t column_ = 0;                   // the next to be filled
  std::uint64_t rows_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t inexact_values_ = 0;
  UnixTime first_time_{};
  Arena texts_;
  std::vector<std::string_view> names_;
  std::unordered_map<std::string_view, std::uint32_t, TextHash, std::equal_to<>> name_indices_;
  std::array<std::uint32_t, 8> recent_names_{};  // looked at before the map
  std::size_t recent_at_ = 0;
};

}  // namespace marketprism::sink
