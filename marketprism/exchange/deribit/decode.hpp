#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/adapter.hpp"
#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange::deribit {

/// The requests that still wait for an answer. The venue answers a subscription with the channels it accepts and is
/// silent on the rest, so whoever wants to know the rest must remember what was asked. Holds the last 64 requests.
class OpenRequests {
 public:
  void remember(std::int64_t id, std::span<const std::string> names);
  /// Takes out the oldest request with this id of which all of `accepted` are part; empty if there is none.
  std::vector<std::string> take(std::int64_t id, std::span<const std::string_view> accepted);
  void forget(std::int64_t id);

 private:
  struct Request {
    std::int64_t id;
    std::vector<std::string> names;
  };
  static constexpr std::size_t requests_max = 64;
  std::vector<Request> requests_;
};

/// Decodes Deribit's JSON-RPC frames. Holds scratch memory: one decoder, one thread.
class Decoder {
 public:
  explicit Decoder(OpenRequests& requests) : requests_(requests) {}

  Decoded decode(std::string_view frame, DecodeHandler& handler);

 private:
  enum class Topic : std::uint8_t { none, book, trades, ticker, quote, candle, index_price, other };
  static Topic topic_of(std::string_view channel);

  bool read_frame(JsonReader& json);
  bool read_params(JsonReader& json);
  bool read_error(JsonReader& json);
  bool read_result(JsonReader& json);
  bool read_data(JsonReader& json);
  bool read_trades(JsonReader& json);
  bool read_trade(JsonReader& json);
  bool read_ticker(JsonReader& json);
  bool read_quote(JsonReader& json);
  bool read_candle(JsonReader& json);
  bool read_index_price(JsonReader& json);

  Decoded emit_answer(DecodeHandler& handler);
  Decoded emit_heartbeat(DecodeHandler& handler);
  bool has_quotes(std::string_view symbol) const { return quoted_.find(symbol) != quoted_.end(); }
  void remember_quotes(std::string_view symbol);

  // Of the frame.
  std::string_view method_;
  std::string_view id_;
  std::string_view channel_;
  std::string_view heartbeat_;
  std::string_view early_data_;  // data that stands before its channel
  std::string_view error_code_;
  std::string_view error_text_;
  std::string_view error_reason_;
  Topic topic_ = Topic::none;
  bool has_data_ = false;
  bool has_result_ = false;
  bool has_error_ = false;
  std::vector<std::string_view> accepted_;

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  static constexpr std::size_t quoted_max = 65'536;
  std::unordered_set<std::string, Hash, std::equal_to<>> quoted_;  // symbols that have a quote stream
  std::string_view quoted_symbol_;                                 // of this frame
  HeldEvents held_;
  std::string text_;
  OpenRequests& requests_;
};

}  // namespace marketprism::exchange::deribit
