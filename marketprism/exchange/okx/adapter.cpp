#include "marketprism/exchange/okx/adapter.hpp"

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/okx/book.hpp"
#include "marketprism/exchange/okx/candle.hpp"
#include "marketprism/exchange/okx/decode.hpp"
#include "marketprism/exchange/okx/facts.hpp"
#include "marketprism/exchange/okx/rest.hpp"

namespace marketprism::exchange::okx {
namespace {

using market::Instrument;
using market::InstrumentKind;

/// `{"id":"7","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},…]}`. A name is "channel:instId", or
/// "liquidation-orders:instType".
std::string request_text(std::string_view operation, std::span<const std::string> names, std::int64_t id) {
  std::string text = fmt::format(R"({{"id":"{}","op":"{}","args":[)", id, operation);
  for (const std::string& name : names) {
    const std::size_t colon = name.find(':');
    const std::string_view channel = std::string_view(name).substr(0, colon);
    const std::string_view subject = colon == std::string::npos ? "" : std::string_view(name).substr(colon + 1);
    if (text.back() != '[') text += ',';
    text += R"({"channel":")";
    append_escaped(text, channel);
    text += channel == "liquidation-orders" ? R"(","instType":")" : R"(","instId":")";
    append_escaped(text, subject);
    text += "\"}";
  }
  return text += "]}";
}

/// What the venue calls the kind of an instrument.
std::string_view kind_of(InstrumentKind kind) {
  switch (kind) {
    case InstrumentKind::spot: return "SPOT";
    case InstrumentKind::perpetual: return "SWAP";
    case InstrumentKind::future: return "FUTURES";
    case InstrumentKind::option: return "OPTION";
  }
  return {};
}

std::unexpected<Error> unknown_variant(Channel channel, std::string_view variant, std::string_view known) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("okx has no variant \"{}\" of channel {}; it has {}", variant, name_of(channel), known),
              true);
}

class OkxAdapter final : public Adapter {
 public:
  const Facts& facts() const override { return venue; }

  Decoded decode(std::string_view frame, DecodeHandler& handler) override { return decoder_.decode(frame, handler); }

  Decoded decode_rest(std::string_view target, std::string_view body, std::string_view /*symbol_hint*/,
                      DecodeHandler& handler) override {
    return okx::decode_rest(target, body, handler);
  }

  bool checksum_fits(const market::OrderBook& book, std::int64_t checksum) const override {
    return checksum_of(book, checksum_text_) == checksum;
  }

  std::vector<RestRequest> instrument_requests() const override { return okx::instrument_requests(); }

  Result<std::vector<Stream>> streams(Channel channel, const Instrument& instrument,
                                      const Variants& variants) const override;

  std::string subscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    return request_text("subscribe", names, id);
  }
  std::string unsubscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    return request_text("unsubscribe", names, id);
  }

  Error rest_error(int status, std::string_view body) const override { return okx::rest_error(status, body); }

 private:
  Decoder decoder_;
  mutable std::string checksum_text_;  // scratch
};

Result<std::vector<Stream>> OkxAdapter::streams(Channel channel, const Instrument& instrument,
                                                const Variants& variants) const {
  const auto one = [&](std::string_view topic, std::size_t endpoint = public_endpoint) {
    return std::vector<Stream>{{channel, instrument.symbol, fmt::format("{}:{}", topic, instrument.symbol), endpoint}};
  };
  const bool is_spot = instrument.kind == InstrumentKind::spot;
  switch (channel) {
    case Channel::trade:
      if (variants.trade.empty() || variants.trade == "trades") return one("trades");
      if (variants.trade == "trades-all") return one("trades-all", business_endpoint);
      return unknown_variant(channel, variants.trade, "trades (default), trades-all");
    case Channel::book:
      if (variants.book.empty()) return one("books");
      for (const std::string_view known : {"books", "books5", "books50-l2-tbt", "books-l2-tbt"}) {
        if (variants.book == known) return one(known);
      }
      return unknown_variant(channel, variants.book, "books (default), books5, books50-l2-tbt, books-l2-tbt");
    case Channel::bbo:
      if (variants.bbo.empty() || variants.bbo == "bbo-tbt") return one("bbo-tbt");
      if (variants.bbo == "tickers") return one("tickers");
      return unknown_variant(channel, variants.bbo, "bbo-tbt (default), tickers");
    case Channel::candle: {
      const Interval* const interval = interval_named(variants.candle.empty() ? "1m" : variants.candle);
      if (interval != nullptr) return one(fmt::format("candle{}", interval->channel), business_endpoint);
      return unknown_variant(channel, variants.candle, "1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d, …, 1w, 1M");
    }
    case Channel::funding_rate:
      if (instrument.kind == InstrumentKind::perpetual) return one("funding-rate");
      break;
    case Channel::open_interest:
      if (!is_spot) return one("open-interest");
      break;
    case Channel::mark_price:
      if (!is_spot) return one("mark-price");
      break;
    case Channel::index_price: {  // its events bear the index's own name, which several instruments share
      std::string index = instrument.base + "-" + instrument.quote;
      std::string name = "index-tickers:" + index;
      return std::vector<Stream>{{channel, std::move(index), std::move(name), public_endpoint}};
    }
    case Channel::liquidation:  // one stream for all instruments of a kind
      if (is_spot) break;
      return std::vector<Stream>{{channel, instrument.symbol,
                                  fmt::format("liquidation-orders:{}", kind_of(instrument.kind)), public_endpoint}};
    case Channel::agg_trade:
      return fail(ErrorCode::unsupported,
                  "okx has no channel agg_trade: its channel trade already merges the fills of one order at one price "
                  "(variant trades-all gives each fill)",
                  true);
  }
  return fail(ErrorCode::unsupported, fmt::format("okx has no channel {} for {}", name_of(channel), instrument.symbol),
              true);
}

}  // namespace

std::unique_ptr<Adapter> make() { return std::make_unique<OkxAdapter>(); }

}  // namespace marketprism::exchange::okx
