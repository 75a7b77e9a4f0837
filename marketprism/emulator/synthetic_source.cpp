#include "marketprism/emulator/synthetic_source.hpp"

#include <algorithm>
#include <cassert>

namespace marketprism::emulator {

using market::Side;
using Kind = StreamSpec::Kind;

namespace {

std::vector<SyntheticInstrument> chosen(std::string_view exchange, const SyntheticSourceOptions& options,
                                        UnixTime utc) {
  std::vector<SyntheticInstrument> list = synthetic_instruments(exchange, utc, options.extra_instruments);
  if (!options.only.empty()) {
    std::erase_if(list, [&](const SyntheticInstrument& instrument) {
      return std::ranges::find(options.only, instrument.symbol) == options.only.end();
    });
  }
  return list;
}

SyntheticMarketOptions market_options(std::string_view exchange, std::uint64_t seed) {
  SyntheticMarketOptions options{.seed = seed, .first_update_id = 1'000'001, .first_trade_id = 5'000'001};
  // Where a message names its predecessor, ids grow in uneven steps.
  if (exchange != "binance" && exchange != "binance-us") options.update_id_step_max = 5;
  return options;
}

constexpr Nanoseconds catch_up_max = std::chrono::milliseconds(250);
constexpr double batch = 1'000;  // messages between two looks at the sockets

Nanoseconds scaled(Nanoseconds time, double part) {
  return Nanoseconds(static_cast<std::int64_t>(static_cast<double>(time.count()) * part));
}

}  // namespace

SyntheticSource::SyntheticSource(std::string_view exchange, const SyntheticSourceOptions& options, StreamTable& streams,
                                 Publisher& publisher, Moment moment)
    : format_(make_format(exchange)),
      market_(chosen(exchange, options, moment.utc), market_options(exchange, options.seed)),
      streams_(streams),
      publisher_(publisher),
      messages_per_s_(options.messages_per_s),
      last_advance_(moment.now),
      time_(moment.utc),
      by_instrument_(market_.size()) {
  assert(format_ && market_.size() != 0);
}

std::optional<StreamIndex> SyntheticSource::resolve(std::string_view name) {
  if (const StreamIndex* known = streams_.find(name)) return *known;
  std::optional<StreamSpec> spec = format_->parse(name, market_);
  if (!spec) return std::nullopt;
  spec->name = name;
  const StreamIndex stream = streams_.intern(name);
  if (by_stream_.size() <= stream) by_stream_.resize(stream + 1);
  actives_.push_back(std::make_unique<Active>(Active{.stream = stream, .spec = std::move(*spec), .changes = {}}));
  Active* const active = by_stream_[stream] = actives_.back().get();
  if (active->spec.all_of) {
    for (std::size_t i = 0; i < market_.size(); ++i) {
      if (market_.at(i).instrument.kind == *active->spec.all_of) by_instrument_[i].push_back(active);
    }
  } else {
    by_instrument_[active->spec.instrument].push_back(active);
  }
  return stream;
}

void SyntheticSource::before_subscribe(StreamIndex stream, Moment moment) {
  Active& active = *by_stream_[stream];
  time_ = std::max(time_, moment.utc);
  if (active.spec.kind == Kind::book) {
    if (streams_.has_subscribers(stream)) {
      publish_book(active, time_);
    } else {
      start_book(active);
    }
  }
  if (!streams_.has_subscribers(stream)) schedule(active, time_);
}

void SyntheticSource::start_book(Active& active) {
  active.changes.clear();
  active.previous_id = market_.at(active.spec.instrument).engine.last_update_id();
}

void SyntheticSource::after_subscribe(Client& client, StreamIndex stream, Moment /*moment*/) {
  Active& active = *by_stream_[stream];
  const InstrumentState& state = market_.at(active.spec.instrument);
  frame_.clear();
  if (active.spec.kind == Kind::book && active.spec.begins_with_snapshot) {
    bids_.clear();
    asks_.clear();
    state.engine.for_each_level(Side::buy, SIZE_MAX,
                                [this](std::int64_t price, std::int64_t amount) { bids_.push_back({price, amount}); });
    state.engine.for_each_level(Side::sell, SIZE_MAX,
                                [this](std::int64_t price, std::int64_t amount) { asks_.push_back({price, amount}); });
    format_->write_book(frame_, active.spec, state,
                        {.is_snapshot = true, .last_id = active.previous_id, .bids = bids_, .asks = asks_}, time_);
  } else if (active.spec.begins_with_snapshot) {
    format_->write_state(frame_, active.spec, state, time_);
  }
  if (!frame_.empty()) publisher_.send_data(client, frame_);
}

std::optional<RestAnswer> SyntheticSource::rest(const RestQuery& query, Moment moment) {
  return format_->rest(query, market_, {moment.now, std::max(time_, moment.utc)});
}

bool SyntheticSource::advance(Moment moment) {
  const Nanoseconds elapsed = std::min(moment.now - last_advance_, catch_up_max);
  last_advance_ = moment.now;
  const UnixTime from = time_;
  const UnixTime now = std::max(time_, moment.utc);
  if (streams_.subscribed_count() == 0) {
    time_ = now;
    budget_ = 0;
    return false;
  }
  const auto messages_in = [this](Nanoseconds time) {
    return messages_per_s_ * std::chrono::duration<double>(time).count();
  };
  budget_ = std::min(budget_ + messages_in(elapsed), std::max(messages_in(catch_up_max), 1.0));
  const double wanted = std::clamp(budget_, 0.0, batch);
  const bool is_part = wanted < budget_;
  const UnixTime to = is_part ? from + scaled(now - from, wanted / budget_) : now;
  // Few streams, or only slow ones, may not bring as many messages as wanted, however many orders come.
  const double steps_max = wanted * 20;
  const std::uint64_t start = published_;
  double steps = 0;
  double made = 0;
  for (; made + 1 <= wanted && steps < steps_max; ++steps) {
    time_ = std::max(time_, from + scaled(to - from, std::max(made / wanted, steps / steps_max)));
    if (time_ >= earliest_due_) flush_due(time_);
    on_step(market_.step(time_), time_);
    made = static_cast<double>(published_ - start);
  }
  time_ = to;
  if (time_ >= earliest_due_) flush_due(time_);
  const bool is_dry = steps > 0 && steps >= steps_max;
  budget_ = is_dry ? 0 : std::max(budget_ - static_cast<double>(published_ - start), -messages_per_s_);
  return is_part && !is_dry;
}

void SyntheticSource::on_step(const SyntheticMarket::Step& step, UnixTime time) {
  const InstrumentState& state = market_.at(step.instrument);
  for (Active* const active : by_instrument_[step.instrument]) {
    if (streams_.has_subscribers(active->stream)) on_step(*active, state, *step.happening, time);
  }
}

void SyntheticSource::on_step(Active& active, const InstrumentState& state, const Happening& happening, UnixTime time) {
  switch (active.spec.kind) {
    case Kind::trade:
      if (!happening.fills.empty()) publish_trades(active, state, happening, time);
      return;
    case Kind::liquidation:
      if (!happening.fills.empty() && happening.is_liquidation) publish_trades(active, state, happening, time);
      return;
    case Kind::book:
      for (const LevelChange& change : happening.changes) active.changes.push_back({change.side, change.price});
      if (active.spec.period.count() == 0) publish_book(active, time);
      return;
    case Kind::bbo:
      if (!happening.best_changed) return;
      break;
    case Kind::candle:
      if (happening.fills.empty()) return;
      break;
    case Kind::ticker: break;
    case Kind::state: return;
  }
  active.is_dirty = true;
  if (active.spec.period.count() == 0) {
    frame_.clear();
    format_->write_state(frame_, active.spec, state, time);
    publish(active);
  }
}

void SyntheticSource::publish_trades(Active& active, const InstrumentState& state, const Happening& happening,
                                     UnixTime time) {
  using Grouping = StreamSpec::Grouping;
  TradePart part{.taker = happening.taker, .is_liquidation = happening.is_liquidation, .fills = {}};
  const std::span<const Fill> fills = happening.fills;
  const bool is_whole = active.spec.grouping == Grouping::whole_order || active.spec.kind == Kind::liquidation;
  part.aggregate_id = state.aggregate_id + 1;
  for (std::size_t i = 0; i < fills.size(); ++i) {
    if (i == 0 || fills[i].price != fills[i - 1].price) --part.aggregate_id;  // this order's first
  }
  for (std::size_t begin = 0, end = 0; begin < fills.size(); begin = end) {
    end = begin + 1;
    while (end < fills.size() &&
           (is_whole || (active.spec.grouping == Grouping::each_price && fills[end].price == fills[begin].price))) {
      ++end;
    }
    part.fills = fills.subspan(begin, end - begin);
    frame_.clear();
    format_->write_trades(frame_, active.spec, state, part, time);
    publish(active);
    ++part.aggregate_id;
  }
}

// Each changed level once, with what lies there now.
void SyntheticSource::publish_book(Active& active, UnixTime time) {
  const InstrumentState& state = market_.at(active.spec.instrument);
  if (active.changes.empty()) return;
  std::ranges::sort(active.changes, [](const Change& a, const Change& b) {
    if (a.side != b.side) return a.side < b.side;
    return a.side == Side::buy ? a.price > b.price : a.price < b.price;
  });
  const auto same = [](const Change& a, const Change& b) { return a.side == b.side && a.price == b.price; };
  const auto repeated = std::ranges::unique(active.changes, same);
  active.changes.erase(repeated.begin(), repeated.end());
  bids_.clear();
  asks_.clear();
  for (const Change& change : active.changes) {
    (change.side == Side::buy ? bids_ : asks_)
        .push_back({change.price, state.engine.amount_at(change.side, change.price)});
  }
  const std::int64_t last_id = state.engine.last_update_id();
  frame_.clear();
  format_->write_book(frame_, active.spec, state,
                      {.previous_id = active.previous_id, .last_id = last_id, .bids = bids_, .asks = asks_}, time);
  active.previous_id = last_id;
  active.changes.clear();
  publish(active);
}

void SyntheticSource::publish_state(Active& active, UnixTime time) {
  frame_.clear();
  format_->write_state(frame_, active.spec, market_.at(active.spec.instrument), time);
  if (!frame_.empty()) publish(active);
}

void SyntheticSource::publish(const Active& active) {
  ++published_;
  publisher_.publish(active.stream, frame_);
}

void SyntheticSource::schedule(Active& active, UnixTime time) {
  if (active.spec.period.count() == 0) return;
  const Nanoseconds period = active.spec.period;
  active.next_due = UnixTime((time.time_since_epoch() / period + 1) * period);
  earliest_due_ = std::min(earliest_due_, active.next_due);
}

void SyntheticSource::flush_due(UnixTime time) {
  earliest_due_ = UnixTime::max();
  for (const std::unique_ptr<Active>& active : actives_) {
    if (active->spec.period.count() == 0 || !streams_.has_subscribers(active->stream)) continue;
    if (active->next_due > time) {
      earliest_due_ = std::min(earliest_due_, active->next_due);
      continue;
    }
    if (active->spec.kind == Kind::book) {
      publish_book(*active, time);
    } else if (active->spec.kind == Kind::state || candle_closes(*active, time) || active->is_dirty) {
      active->is_dirty = false;
      publish_state(*active, time);
    }
    schedule(*active, time);
  }
}

// True once for each candle, at the first look after its end.
bool SyntheticSource::candle_closes(Active& active, UnixTime time) const {
  if (active.spec.kind != Kind::candle) return false;
  const UnixTime open_time = market_.at(active.spec.instrument).candles[active.spec.interval].open_time;
  if (open_time == no_time || open_time == active.closed_candle) return false;
  if (time < open_time + candle_intervals[active.spec.interval].length) return false;
  active.closed_candle = open_time;
  return true;
}

}  // namespace marketprism::emulator
