#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange::binance {

/// The scalar fields of one object whose names are one letter, as Binance writes its events.
class LetterFields {
 public:
  void clear() { present_ = {}; }
  void set(char letter, std::string_view value) {
    const auto at = static_cast<unsigned char>(letter) & 127U;
    values_[at] = value;
    present_[at >> 6] |= std::uint64_t{1} << (at & 63);
  }
  bool has(char letter) const {
    const auto at = static_cast<unsigned char>(letter) & 127U;
    return (present_[at >> 6] >> (at & 63) & 1) != 0;
  }
  /// Empty if absent.
  std::string_view operator[](char letter) const {
    return has(letter) ? values_[static_cast<unsigned char>(letter) & 127U] : std::string_view();
  }

 private:
  std::array<std::string_view, 128> values_;
  std::array<std::uint64_t, 2> present_{};
};

/// Decodes the frames of the four Binance venues. Holds scratch memory: one decoder, one thread.
class Decoder {
 public:
  /// Makes room for more levels a side than updates have, so that a busy minute does not allocate.
  Decoder() {
    bids_.reserve(levels_expected);
    asks_.reserve(levels_expected);
  }

  Decoded decode(std::string_view frame, DecodeHandler& handler);

 private:
  static constexpr std::size_t levels_expected = 4096;

  void begin_event();
  bool read_data(JsonReader& json);
  bool read_value(JsonReader& json, std::string_view key);
  bool read_error(JsonReader& json);
  bool read_letters(JsonReader& json, LetterFields& fields);
  Decoded emit(DecodeHandler& handler);
  Decoded emit_each(std::string_view events, DecodeHandler& handler);
  Decoded emit_partial_book(DecodeHandler& handler);
  Decoded emit_open_interest(DecodeHandler& handler);
  /// What follows the '@' in the stream's name, if the frame has one.
  [[nodiscard]] std::string_view stream_kind() const;
  [[nodiscard]] UnixTime match_time() const;
  Decoded emit_control(DecodeHandler& handler);
  Decoded emit_trade(DecodeHandler& handler, bool is_aggregate);
  Decoded emit_book(DecodeHandler& handler);
  Decoded emit_bbo(DecodeHandler& handler);
  Decoded emit_candle(DecodeHandler& handler);
  Decoded emit_mark_price(DecodeHandler& handler);
  Decoded emit_liquidation(DecodeHandler& handler);

  LetterFields fields_;
  LetterFields inner_;  // of "k" (kline) or "o" (forceOrder)
  std::vector<market::Level> bids_;
  std::vector<market::Level> asks_;
  std::string_view stream_;
  std::string_view events_;          // an array of them
  std::string_view previous_;        // "pu"
  std::string_view last_update_id_;  // of a book of few levels
  std::string_view symbol_;          // where it is spelt out
  std::string_view open_interest_;
  std::string_view time_;  // the same
  std::string symbol_of_stream_;
  std::string_view id_;
  std::string_view error_code_;
  std::string_view error_text_;
  bool has_result_ = false;
  bool has_error_ = false;
};

}  // namespace marketprism::exchange::binance
