#include "marketprism/market/event_json.hpp"

#include <array>
#include <charconv>

#include "marketprism/base/json_reader.hpp"

namespace marketprism::market {
namespace {

/// Appends `"name":value` pairs, each after a comma.
class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += '"';
    append_escaped(out_, value);
    out_ += '"';
  }
  void text_or_null(std::string_view name, std::string_view value) {
    if (value.data() == nullptr) return null(name);
    text(name, value);
  }
  void decimal(std::string_view name, const Decimal& value) {
    key(name);
    out_ += '"';
    value.append_to(out_);
    out_ += '"';
  }
  void decimal(std::string_view name, const std::optional<Decimal>& value) {
    if (!value) return null(name);
    decimal(name, *value);
  }
  void integer(std::string_view name, std::int64_t value) {
    key(name);
    append_integer(value);
  }
  void sequence(std::string_view name, std::int64_t value) {
    if (value == no_sequence) return null(name);
    integer(name, value);
  }
  void time(std::string_view name, UnixTime value) {
    if (value == no_time) return null(name);
    integer(name, ns_since_epoch(value));
  }
  void boolean(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void null(std::string_view name) {
    key(name);
    out_ += "null";
  }
  void levels(std::string_view name, std::span<const Level> levels) {
    key(name);
    out_ += '[';
    for (const Level& level : levels) {
      out_ += out_.back() == '[' ? "[\"" : ",[\"";
      level.price.append_to(out_);
      out_ += "\",\"";
      level.amount.append_to(out_);
      out_ += "\"]";
    }
    out_ += ']';
  }

 private:
  void key(std::string_view name) {
    out_ += ",\"";
    out_ += name;
    out_ += "\":";
  }
  void append_integer(std::int64_t value) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(digits.data(), end);
  }

  std::string& out_;
};

void append_fields(FieldWriter& write, const Trade& trade) {
  write.text_or_null("id", trade.id);
  write.text("side", name_of(trade.side));
  write.decimal("price", trade.price);
  write.decimal("amount", trade.amount);
  write.boolean("aggregate", trade.is_aggregate);
}

void append_fields(FieldWriter& write, const Book& book) {
  write.boolean("snapshot", book.is_snapshot);
  write.sequence("sequence", book.sequence);
  write.levels("bids", book.bids);
  write.levels("asks", book.asks);
}

void append_fields(FieldWriter& write, const Bbo& bbo) {
  write.decimal("bid_price", bbo.bid_price);
  write.decimal("bid_amount", bbo.bid_amount);
  write.decimal("ask_price", bbo.ask_price);
  write.decimal("ask_amount", bbo.ask_amount);
  write.sequence("sequence", bbo.sequence);
}

void append_fields(FieldWriter& write, const Candle& candle) {
  write.text("interval", candle.interval);
  write.time("open_time", candle.open_time);
  write.time("close_time", candle.close_time);
  write.decimal("open", candle.open);
  write.decimal("high", candle.high);
  write.decimal("low", candle.low);
  write.decimal("close", candle.close);
  write.decimal("volume", candle.volume);
  write.boolean("closed", candle.is_closed);
}

void append_fields(FieldWriter& write, const FundingRate& funding) {
  write.decimal("rate", funding.rate);
  write.time("funding_time", funding.funding_time);
}

void append_fields(FieldWriter& write, const OpenInterest& interest) { write.decimal("amount", interest.amount); }
void append_fields(FieldWriter& write, const MarkPrice& mark) { write.decimal("price", mark.price); }
void append_fields(FieldWriter& write, const IndexPrice& index) { write.decimal("price", index.price); }

void append_fields(FieldWriter& write, const Liquidation& liquidation) {
  write.text_or_null("id", liquidation.id);
  write.text("side", name_of(liquidation.side));
  write.decimal("price", liquidation.price);
  write.decimal("amount", liquidation.amount);
}

void append_fields(FieldWriter& write, const Gap& gap) {
  write.text("channel", name_of(gap.channel));
  write.text("reason", gap.reason);
  write.sequence("from_sequence", gap.from_sequence);
  write.sequence("to_sequence", gap.to_sequence);
}

void append_fields(FieldWriter& write, const Instrument* instrument) {
  write.text("canonical", instrument->canonical);
  write.text("kind", name_of(instrument->kind));
  write.text("base", instrument->base);
  write.text("quote", instrument->quote);
  write.text("settle", instrument->settle);
  write.decimal("contract_size", instrument->contract_size);
  write.text("amount_unit", instrument->amount_unit);
  write.decimal("tick_size", instrument->tick_size);
  write.decimal("lot_size", instrument->lot_size);
  write.time("expiry", instrument->expiry);
  const bool is_option = instrument->kind == InstrumentKind::option;
  write.decimal("strike", is_option ? std::optional(instrument->strike) : std::nullopt);
  write.text_or_null("option_type", is_option ? std::string_view(instrument->option_type) : std::string_view());
  write.text("status", instrument->status);
}

}  // namespace

void append_json(const Event& event, std::string& out) {
  out += "{\"type\":\"";
  out += name_of(event.type());
  out += '"';
  FieldWriter write(out);
  write.text("exchange", event.exchange);
  write.text("symbol", event.symbol);
  write.time("exchange_time", event.exchange_time);
  write.time("receive_time", event.receive_time);
  std::visit([&](const auto& payload) { append_fields(write, payload); }, event.payload);
  out += "}\n";
}

}  // namespace marketprism::market
