#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/adapter.hpp"
#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange::okx {

/// Decodes OKX's WebSocket frames. Holds scratch memory: one decoder, one thread.
class Decoder {
 public:
  Decoded decode(std::string_view frame, DecodeHandler& handler);

 private:
  enum class Topic : std::uint8_t {
    none,
    trade,
    book_deltas,
    book_snapshots,
    bbo,
    ticker,
    candle,
    funding_rate,
    open_interest,
    mark_price,
    index_price,
    liquidation,
    other,
  };
  static Topic topic_of(std::string_view channel);

  bool read_frame(JsonReader& json);
  bool read_argument(JsonReader& json);
  bool read_data(JsonReader& json);
  bool read_element(JsonReader& json);
  bool read_trade(JsonReader& json);
  bool read_book(JsonReader& json);
  bool read_bbo(JsonReader& json);
  bool read_ticker(JsonReader& json);
  bool read_candle(JsonReader& json);
  bool read_value(JsonReader& json);
  bool read_liquidations(JsonReader& json);
  bool read_liquidation(JsonReader& json);

  Decoded emit_event(DecodeHandler& handler);
  std::string_view stream_of(std::string_view channel, std::string_view subject);

  // Of the frame.
  std::string_view event_;
  std::string_view action_;
  std::string_view code_;
  std::string_view text_;
  std::string_view id_;
  std::string_view early_data_;  // data that stands before "arg": read when the channel is known
  bool has_data_ = false;
  // Of its "arg".
  Topic topic_ = Topic::none;
  std::string_view channel_;
  std::string_view symbol_;  // "instId"
  std::string_view kind_;    // "instType"

  HeldEvents held_;
  std::vector<market::Liquidation> liquidations_;
  std::vector<UnixTime> liquidation_times_;
  std::string stream_;
};

}  // namespace marketprism::exchange::okx
