// What a synthetic venue says is read by the client's own decoder and feed: every frame must be understood, every book
// must come alive without a gap and equal the engine's.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/feed/session.hpp"
#include "tests/unit/emulator/client_double.hpp"

namespace marketprism::emulator {
namespace {

using exchange::Channel;

class Collected final : public market::EventSink {
 public:
  void on_event(const market::Event& event) override {
    ++counts[event.type()];
    if (const auto* trade = std::get_if<market::Trade>(&event.payload)) {
      const std::int64_t id = std::stoll(std::string(trade->id));
      std::int64_t& last = last_trade[{std::string(event.symbol), trade->is_aggregate}];
      if (last != 0 && id != last + 1) ++jumps;
      last = id;
    }
    if (const auto* candle = std::get_if<market::Candle>(&event.payload)) closed_candles += candle->is_closed ? 1 : 0;
  }
  std::map<market::EventType, std::uint64_t> counts;
  std::map<std::pair<std::string, bool>, std::int64_t> last_trade;
  std::uint64_t jumps = 0;
  std::uint64_t closed_candles = 0;
};

class Wanted final : public feed::SessionActions {
 public:
  void want_snapshot(std::string_view symbol) override { symbols.insert(std::string(symbol)); }
  void on_control(std::uint32_t, const exchange::ControlMessage& message) override {
    ++kinds[message.kind];
    if (message.kind == exchange::ControlMessage::Kind::must_reply) reply = message.text;
  }
  std::set<std::string> symbols;
  std::map<exchange::ControlMessage::Kind, int> kinds;
  std::string reply;
};

class ListHandler final : public exchange::DecodeHandler {
 public:
  void on_payload(std::string_view, UnixTime, const market::Event::Payload&) override {}
  void on_trade(std::string_view, UnixTime, const market::Trade&, std::int64_t) override {}
  void on_book(const exchange::BookMessage&) override {}
  void on_instrument(market::Instrument&& instrument) override { instruments.push_back(std::move(instrument)); }
  void on_control(const exchange::ControlMessage&) override {}
  std::vector<market::Instrument> instruments;
};

std::string path_of_url(std::string_view url) {
  const std::size_t slash = url.find('/', url.find("://") + 3);
  return std::string(slash == std::string_view::npos ? "/" : url.substr(slash));
}

class SyntheticConformance : public testing::TestWithParam<std::string_view> {
 protected:
  SyntheticConformance() : fixture(GetParam()) {
    fixture.with_synthetic_market({.seed = 4, .messages_per_s = 1'000});
    auto adapter = exchange::make_adapter(GetParam());
    session = std::make_unique<feed::Session>(std::move(*adapter), events, wanted);
  }

  std::vector<market::Instrument> instruments() {
    ListHandler handler;
    for (const exchange::RestRequest& request : session->adapter().instrument_requests()) {
      const RestAnswer answer = fixture.venue.rest(request.target, fixture.moment);
      EXPECT_EQ(answer.status, 200) << request.target;
      const exchange::Decoded decoded = session->adapter().decode_rest(request.target, answer.body, {}, handler);
      EXPECT_EQ(decoded.kind, exchange::Decoded::Kind::data) << request.target << " " << decoded.reason << answer.body;
      fixture.pass(std::chrono::milliseconds(200));
    }
    return handler.instruments;
  }

  void pump() {
    while (!fixture.outbox.sent.empty()) {
      const RecordingOutbox::Item item = std::move(fixture.outbox.sent.front());
      fixture.outbox.sent.pop_front();
      session->on_frame(static_cast<std::uint32_t>(item.client), item.text, fixture.moment.utc);
      if (!wanted.reply.empty()) fixture.venue.receive(item.client, std::exchange(wanted.reply, {}), fixture.moment);
    }
    for (const std::string& symbol : std::exchange(wanted.symbols, {})) {
      const exchange::RestRequest request = session->adapter().snapshot_request(symbol, 1000);
      if (request.target.empty()) continue;
      const RestAnswer answer = fixture.venue.rest(request.target, fixture.moment);
      session->on_rest(request.target, answer.status, answer.body, fixture.moment.utc);
    }
  }

  void run(Nanoseconds time) {
    for (; time.count() > 0; time -= std::chrono::milliseconds(100)) {
      fixture.run(std::chrono::milliseconds(100));
      pump();
    }
  }

  // All channels of all instruments, a few at a time, as the venue's limits want.
  std::size_t subscribe_all(const std::vector<market::Instrument>& list) {
    std::map<std::size_t, std::set<std::string>> names;
    for (const market::Instrument& instrument : list) {
      for (std::size_t c = 0; c < exchange::channel_count; ++c) {
        const auto streams = session->adapter().streams(static_cast<Channel>(c), instrument, {});
        if (!streams) continue;
        for (const exchange::Stream& stream : *streams) names[stream.endpoint].insert(stream.name);
      }
    }
    std::size_t total = 0;
    std::int64_t id = 0;
    for (const auto& [endpoint, streams] : names) {
      const ClientId client = fixture.connect(path_of_url(session->adapter().facts().websockets[endpoint].url));
      EXPECT_NE(client, 0U);
      for (const std::string& text : session->adapter().greeting()) fixture.venue.receive(client, text, fixture.moment);
      clients.push_back(client);
      std::vector<std::string> some;
      const auto send = [&] {
        fixture.venue.receive(client, session->adapter().subscribe_text(some, ++id), fixture.moment);
        total += some.size();
        some.clear();
        fixture.pass(std::chrono::milliseconds(400));
      };
      for (const std::string& name : streams) {
        some.push_back(name);
        if (some.size() == 50) send();
      }
      if (!some.empty()) send();
    }
    return total;
  }

  VenueFixture fixture;
  Collected events;
  Wanted wanted;
  std::unique_ptr<feed::Session> session;
  std::vector<ClientId> clients;
};

TEST_P(SyntheticConformance, every_frame_is_understood_and_every_book_is_the_engines) {
  const std::vector<market::Instrument> list = instruments();
  ASSERT_EQ(list.size(), fixture.synthetic->market().size());
  for (const market::Instrument& instrument : list) {
    EXPECT_TRUE(instrument.is_trading()) << instrument.symbol;
    EXPECT_FALSE(instrument.tick_size.is_zero()) << instrument.symbol;
  }
  ASSERT_GT(subscribe_all(list), list.size() * 4);
  run(std::chrono::seconds(75));
  EXPECT_TRUE(fixture.outbox.closed.empty());

  const feed::SessionStats stats = session->stats();
  for (const auto& [reason, count] : stats.unreadable) ADD_FAILURE() << "unreadable: " << reason << " " << count;
  for (const auto& [reason, count] : stats.ignored) ADD_FAILURE() << "ignored: " << reason << " " << count;
  EXPECT_EQ(events.counts[market::EventType::gap], 0U);
  if (GetParam() != "okx") EXPECT_EQ(events.jumps, 0U);  // OKX merges trades and names the last one's id
  EXPECT_EQ(wanted.kinds[exchange::ControlMessage::Kind::refused], 0);
  EXPECT_GT(wanted.kinds[exchange::ControlMessage::Kind::subscribed], 0);
  EXPECT_GT(stats.frames, 75U * 900U);
  EXPECT_LT(stats.frames, 75U * 1'200U);
  for (const market::EventType type :
       {market::EventType::trade, market::EventType::book, market::EventType::bbo, market::EventType::candle}) {
    EXPECT_GT(events.counts[type], 50U) << name_of(type);
  }
  if (GetParam() != "binance" && GetParam() != "binance-us") {
    for (const market::EventType type : {market::EventType::funding_rate, market::EventType::mark_price,
                                         market::EventType::index_price, market::EventType::liquidation}) {
      EXPECT_GT(events.counts[type], 0U) << name_of(type);
    }
  }
  if (GetParam() != "deribit") EXPECT_GT(events.closed_candles, 0U);
}

TEST_P(SyntheticConformance, books_equal_the_engines) {
  const std::vector<market::Instrument> list = instruments();
  subscribe_all(list);
  run(std::chrono::seconds(5));
  fixture.synthetic->set_rate(0);
  run(std::chrono::seconds(2));
  const SyntheticMarket& market = fixture.synthetic->market();
  std::size_t compared = 0;
  for (std::size_t i = 0; i < market.size(); ++i) {
    const InstrumentState& state = market.at(i);
    const market::OrderBook* book = session->book(state.instrument.symbol);
    ASSERT_NE(book, nullptr) << state.instrument.symbol;
    for (const market::Side side : {market::Side::buy, market::Side::sell}) {
      const market::BookSide& ours = side == market::Side::buy ? book->bids() : book->asks();
      std::size_t n = 0;
      state.engine.for_each_level(side, SIZE_MAX, [&](std::int64_t ticks, std::int64_t lots) {
        const SyntheticInstrument& instrument = state.instrument;
        ASSERT_LT(n, ours.size()) << instrument.symbol;
        EXPECT_EQ(ours.at(n).price, Decimal(instrument.price_units(ticks), -instrument.price_decimals));
        EXPECT_EQ(ours.at(n).amount, Decimal(instrument.amount_units(lots), -instrument.amount_decimals));
        ++n;
      });
      EXPECT_EQ(n, ours.size()) << state.instrument.symbol;
      EXPECT_GT(n, 15U) << state.instrument.symbol;
    }
    ++compared;
  }
  EXPECT_EQ(compared, list.size());
}

INSTANTIATE_TEST_SUITE_P(Venues, SyntheticConformance,
                         testing::Values("binance", "binance-us", "binance-futures", "binance-delivery", "okx",
                                         "deribit"),
                         [](const auto& info) {
                           std::string name(info.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace marketprism::emulator
