#include "marketprism/exchange/deribit/adapter.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/exchange/deribit/decode.hpp"
#include "marketprism/exchange/deribit/facts.hpp"
#include "marketprism/exchange/deribit/rest.hpp"

namespace marketprism::exchange::deribit {
namespace {

using market::Instrument;
using market::InstrumentKind;

std::string request_text(std::string_view method, std::span<const std::string> names, std::int64_t id) {
  std::string text =
      fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"public/{}","params":{{"channels":[)", id, method);
  for (const std::string& name : names) {
    if (text.back() != '[') text += ',';
    text += '"';
    append_escaped(text, name);
    text += '"';
  }
  return text += "]}}";
}

/// How often a channel sends: "100ms" if the variant is empty; nothing for what the venue does not know.
std::string_view frequency_of(std::string_view variant) {
  if (variant.empty()) return "100ms";
  return variant == "100ms" || variant == "raw" || variant == "agg2" ? variant : std::string_view();
}

/// "none.20.100ms": group, depth, frequency of a book channel that sends whole books.
bool is_grouped(std::string_view variant) {
  const std::size_t last = variant.rfind('.');
  return last != std::string_view::npos && variant.find('.') < last && !frequency_of(variant.substr(last + 1)).empty();
}

std::unexpected<Error> unknown_variant(Channel channel, std::string_view variant, std::string_view known) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("deribit has no variant \"{}\" of channel {}; it has {}", variant, name_of(channel), known),
              true);
}

class DeribitAdapter final : public Adapter {
 public:
  const Facts& facts() const override { return venue; }

  Decoded decode(std::string_view frame, DecodeHandler& handler) override { return decoder_.decode(frame, handler); }

  Decoded decode_rest(std::string_view target, std::string_view body, std::string_view /*symbol_hint*/,
                      DecodeHandler& handler) override {
    return deribit::decode_rest(target, body, handler);
  }

  std::vector<RestRequest> instrument_requests() const override { return deribit::instrument_requests(); }

  Result<std::vector<Stream>> streams(Channel channel, const Instrument& instrument,
                                      const Variants& variants) const override;

  std::vector<std::string> greeting() const override {
    return {fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"public/set_heartbeat","params":{{"interval":{}}}}})",
                        own_id_offset + 1, heartbeat_interval_s)};
  }

  std::string subscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    requests_.remember(id, names);
    return request_text("subscribe", names, id);
  }
  std::string unsubscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    return request_text("unsubscribe", names, id + unsubscribe_id_offset);
  }

  Error rest_error(int status, std::string_view body) const override { return deribit::rest_error(status, body); }

 private:
  Result<std::vector<Stream>> ticker_stream(Channel channel, const Instrument& instrument,
                                            std::string_view variant) const;

  mutable OpenRequests requests_;  // what was asked is no part of what the adapter knows of the venue
  Decoder decoder_{requests_};
};

Result<std::vector<Stream>> DeribitAdapter::ticker_stream(Channel channel, const Instrument& instrument,
                                                          std::string_view variant) const {
  const std::string_view frequency = frequency_of(variant);
  if (frequency.empty()) return unknown_variant(channel, variant, "100ms (default), agg2, raw");
  return std::vector<Stream>{
      {channel, instrument.symbol, fmt::format("ticker.{}.{}", instrument.symbol, frequency), 0}};
}

Result<std::vector<Stream>> DeribitAdapter::streams(Channel channel, const Instrument& instrument,
                                                    const Variants& variants) const {
  const std::string& symbol = instrument.symbol;
  const auto one = [&](std::string name) { return std::vector<Stream>{{channel, symbol, std::move(name), 0}}; };
  const bool is_spot = instrument.kind == InstrumentKind::spot;
  switch (channel) {
    case Channel::liquidation:  // marked in the trades
      if (is_spot) break;
      [[fallthrough]];
    case Channel::trade: {
      const std::string_view frequency = frequency_of(variants.trade);
      if (frequency.empty()) return unknown_variant(channel, variants.trade, "100ms (default), agg2, raw");
      return one(fmt::format("trades.{}.{}", symbol, frequency));
    }
    case Channel::book: {
      const bool is_known = is_grouped(variants.book) || !frequency_of(variants.book).empty();
      if (!is_known)
        return unknown_variant(channel, variants.book, "100ms (default), agg2, raw, GROUP.DEPTH.100ms (none.20.100ms)");
      return one(fmt::format("book.{}.{}", symbol, variants.book.empty() ? "100ms" : variants.book));
    }
    case Channel::bbo:
      if (variants.bbo.empty() || variants.bbo == "quote") return one("quote." + symbol);
      if (variants.bbo == "ticker") return ticker_stream(channel, instrument, {});
      if (variants.bbo.starts_with("ticker."))
        return ticker_stream(channel, instrument, std::string_view(variants.bbo).substr(7));
      return unknown_variant(channel, variants.bbo, "quote (default), ticker, ticker.agg2, ticker.raw");
    case Channel::candle: {
      const std::string_view wanted = variants.candle.empty() ? "1m" : std::string_view(variants.candle);
      const auto interval = std::ranges::find_if(
          intervals, [&](const Interval& i) { return i.name == wanted || i.resolution == wanted; });
      if (interval == intervals.end())
        return unknown_variant(channel, wanted, "1m, 3m, 5m, 10m, 15m, 30m, 1h, 2h, 3h, 6h, 12h, 1d");
      return one(fmt::format("chart.trades.{}.{}", symbol, interval->resolution));
    }
    case Channel::funding_rate:
      if (instrument.kind != InstrumentKind::perpetual) break;
      return ticker_stream(channel, instrument, variants.mark_price);
    case Channel::open_interest:
      if (is_spot) break;
      return ticker_stream(channel, instrument, variants.mark_price);
    case Channel::mark_price:
    case Channel::index_price: return ticker_stream(channel, instrument, variants.mark_price);
    case Channel::agg_trade: break;
  }
  return fail(ErrorCode::unsupported, fmt::format("deribit has no channel {} for {}", name_of(channel), symbol), true);
}

}  // namespace

std::unique_ptr<Adapter> make() { return std::make_unique<DeribitAdapter>(); }

}  // namespace marketprism::exchange::deribit
