#pragma once
#include <string>
#include <vector>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/adapter.hpp"
#include "marketprism/exchange/binance/facts.hpp"

namespace marketprism::exchange::binance {

/// Decodes the REST answers of the four Binance venues: depth, exchangeInfo, openInterest.
class RestDecoder {
 public:
  explicit RestDecoder(const Venue& venue) : venue_(venue) {}

  Decoded decode(std::string_view target, std::string_view body, std::string_view symbol_hint, DecodeHandler& handler);

 private:
  Decoded decode_depth(std::string_view symbol, std::string_view body, DecodeHandler& handler);
  Decoded decode_exchange_info(std::string_view body, DecodeHandler& handler);
  Decoded decode_open_interest(std::string_view body, DecodeHandler& handler);
  bool read_symbol(JsonReader& json, market::Instrument& instrument) const;

  const Venue& venue_;
  std::vector<market::Level> bids_;
  std::vector<market::Level> asks_;
};

RestRequest depth_request(const Venue& venue, std::string_view symbol, int depth);

}  // namespace marketprism::exchange::binance
