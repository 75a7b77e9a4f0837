#include "marketprism/exchange/binance/adapter.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "marketprism/exchange/binance/decode.hpp"
#include "marketprism/exchange/binance/facts.hpp"
#include "marketprism/exchange/binance/rest.hpp"

namespace marketprism::exchange::binance {
namespace {

using market::Instrument;

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return result;
}

/// "@depth@0ms" of a variant written with or without its first "@".
std::string suffix_of(std::string_view variant, std::string_view otherwise) {
  if (variant.empty()) return std::string(otherwise);
  return variant.starts_with('@') ? std::string(variant) : "@" + std::string(variant);
}

std::string request_text(std::string_view method, std::span<const std::string> names, std::int64_t id) {
  std::string text = fmt::format(R"({{"method":"{}","params":[)", method);
  for (const std::string& name : names) {
    if (text.back() != '[') text += ',';
    text += '"';
    append_escaped(text, name);
    text += '"';
  }
  return text + fmt::format(R"(],"id":{}}})", id);
}

class BinanceAdapter final : public Adapter {
 public:
  explicit BinanceAdapter(const Venue& venue) : venue_(venue), rest_(venue) {}

  const Facts& facts() const override { return venue_.facts; }

  Decoded decode(std::string_view frame, DecodeHandler& handler) override { return decoder_.decode(frame, handler); }

  Decoded decode_rest(std::string_view target, std::string_view body, std::string_view symbol_hint,
                      DecodeHandler& handler) override {
    return rest_.decode(target, body, symbol_hint, handler);
  }

  std::vector<RestRequest> instrument_requests() const override {
    return {{fmt::format("{}/exchangeInfo", venue_.api), venue_.is_futures ? 1 : 20}};
  }

  Result<std::vector<Stream>> streams(Channel channel, const Instrument& instrument,
                                      const Variants& variants) const override;

  std::vector<RestRequest> poll_requests(Channel channel, const Instrument& instrument) const override {
    if (!venue_.is_futures || channel != Channel::open_interest) return {};
    return {{fmt::format("{}/openInterest?symbol={}", venue_.api, instrument.symbol), 1}};
  }

  RestRequest snapshot_request(std::string_view symbol, int depth) const override {
    return depth_request(venue_, symbol, depth);
  }

  std::string subscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    return request_text("SUBSCRIBE", names, id);
  }
  std::string unsubscribe_text(std::span<const std::string> names, std::int64_t id) const override {
    return request_text("UNSUBSCRIBE", names, id);
  }

 private:
  const Venue& venue_;
  Decoder decoder_;
  RestDecoder rest_;
};

Result<std::vector<Stream>> BinanceAdapter::streams(Channel channel, const Instrument& instrument,
                                                    const Variants& variants) const {
  const auto one = [&](std::string_view subject, const std::string& suffix, std::size_t endpoint) {
    return std::vector<Stream>{{channel, instrument.symbol, lower(subject) + suffix, endpoint}};
  };
  const std::size_t market = venue_.market_endpoint;
  const bool is_perpetual = instrument.kind == market::InstrumentKind::perpetual;
  switch (channel) {
    case Channel::trade: return one(instrument.symbol, suffix_of(variants.trade, "@trade"), 0);
    case Channel::agg_trade: return one(instrument.symbol, "@aggTrade", market);
    case Channel::book: return one(instrument.symbol, suffix_of(variants.book, "@depth@100ms"), 0);
    case Channel::bbo: return one(instrument.symbol, suffix_of(variants.bbo, "@bookTicker"), 0);
    case Channel::candle:
      return one(instrument.symbol, "@kline_" + (variants.candle.empty() ? std::string("1m") : variants.candle),
                 market);
    case Channel::index_price:
      if (venue_.is_coin_margined) return one(instrument.base + instrument.quote, "@indexPrice@1s", market);
      [[fallthrough]];
    case Channel::mark_price:
      if (!venue_.is_futures) break;
      return one(instrument.symbol, suffix_of(variants.mark_price, "@markPrice@1s"), market);
    case Channel::funding_rate:
      if (!is_perpetual) break;
      return one(instrument.symbol, suffix_of(variants.mark_price, "@markPrice@1s"), market);
    case Channel::liquidation:
      if (!venue_.is_futures) break;
      return one(instrument.symbol, "@forceOrder", market);
    case Channel::open_interest:
      if (!venue_.is_futures) break;
      return std::vector<Stream>{};
  }
  return fail(ErrorCode::unsupported,
              fmt::format("{} has no channel {} for {}", venue_.facts.name, name_of(channel), instrument.symbol), true);
}

}  // namespace

std::unique_ptr<Adapter> make_spot() { return std::make_unique<BinanceAdapter>(spot); }
std::unique_ptr<Adapter> make_us() { return std::make_unique<BinanceAdapter>(us); }
std::unique_ptr<Adapter> make_usd_margined() { return std::make_unique<BinanceAdapter>(usd_margined); }
std::unique_ptr<Adapter> make_coin_margined() { return std::make_unique<BinanceAdapter>(coin_margined); }

}  // namespace marketprism::exchange::binance
