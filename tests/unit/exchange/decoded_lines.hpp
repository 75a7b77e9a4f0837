#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange {

/// Writes down what an adapter hands over, one line each, so that a test reads like the payload it decodes.
class DecodedLines final : public DecodeHandler {
 public:
  std::vector<std::string> lines;
  std::vector<market::Instrument> instruments;

  void on_payload(std::string_view symbol, UnixTime time, const market::Event::Payload& payload) override {
    std::visit([&](const auto& value) { lines.push_back(fmt::format("{} {} {}", text(value), symbol, at(time))); },
               payload);
  }
  void on_trade(std::string_view symbol, UnixTime time, const market::Trade& trade, std::int64_t sequence) override {
    lines.push_back(fmt::format("trade {} {} {} {}{} {} {} seq={}", trade.id, name_of(trade.side),
                                trade.price.to_string(), trade.amount.to_string(),
                                trade.is_aggregate ? " aggregate" : "", symbol, at(time), number(sequence)));
  }
  void on_book(const BookMessage& m) override {
    lines.push_back(fmt::format("{} {} {} last={} previous={} checksum={} bids={} asks={}",
                                m.is_whole      ? "whole"
                                : m.is_snapshot ? "snapshot"
                                                : "delta",
                                m.symbol, at(m.exchange_time), number(m.last_sequence), number(m.previous_sequence),
                                m.checksum ? std::to_string(*m.checksum) : "-", levels(m.bids), levels(m.asks)));
  }
  void on_instrument(market::Instrument&& instrument) override { instruments.push_back(std::move(instrument)); }
  void on_control(const ControlMessage& m) override {
    static constexpr std::string_view kinds[] = {"subscribed", "unsubscribed", "refused",
                                                 "heartbeat",  "must_reply",   "closing"};
    lines.push_back(fmt::format("{} id={} stream={} code={} text={}", kinds[static_cast<std::size_t>(m.kind)], m.id,
                                m.stream, m.code, m.text));
  }

  bool empty() const { return lines.empty() && instruments.empty(); }

 private:
  static std::string at(UnixTime time) {
    return time == no_time ? "@-" : fmt::format("@{}", ns_since_epoch(time) / 1'000'000);
  }
  static std::string number(std::int64_t value) { return value == market::no_sequence ? "-" : std::to_string(value); }
  static std::string levels(std::span<const market::Level> levels) {
    std::string result = "[";
    for (const market::Level& level : levels) {
      if (result.size() > 1) result += ' ';
      result += level.price.to_string() + ":" + level.amount.to_string();
    }
    return result + "]";
  }
  static std::string optional(const std::optional<Decimal>& value) { return value ? value->to_string() : "-"; }

  static std::string text(const market::Trade&) { return "a trade as a payload"; }
  static std::string text(const market::Book&) { return "a book as a payload"; }
  static std::string text(const market::Gap&) { return "a gap as a payload"; }
  static std::string text(const market::Instrument*) { return "an instrument as a payload"; }
  static std::string text(const market::Bbo& b) {
    return fmt::format("bbo {}x{} {}x{} seq={}", optional(b.bid_price), optional(b.bid_amount), optional(b.ask_price),
                       optional(b.ask_amount), number(b.sequence));
  }
  static std::string text(const market::Candle& c) {
    return fmt::format("candle {} {}..{} {} {} {} {} {} {}", c.interval, at(c.open_time), at(c.close_time),
                       c.open.to_string(), c.high.to_string(), c.low.to_string(), c.close.to_string(),
                       c.volume.to_string(), c.is_closed ? "closed" : "running");
  }
  static std::string text(const market::FundingRate& f) {
    return fmt::format("funding {} due {}", f.rate.to_string(), at(f.funding_time));
  }
  static std::string text(const market::OpenInterest& o) { return "interest " + o.amount.to_string(); }
  static std::string text(const market::MarkPrice& m) { return "mark " + m.price.to_string(); }
  static std::string text(const market::IndexPrice& i) { return "index " + i.price.to_string(); }
  static std::string text(const market::Liquidation& l) {
    return fmt::format("liquidation {} {} {} {}", l.id.data() == nullptr ? "-" : l.id, name_of(l.side),
                       l.price.to_string(), l.amount.to_string());
  }
};

/// The lines of one frame.
inline std::vector<std::string> lines_of(Adapter& adapter, std::string_view frame) {
  DecodedLines handler;
  adapter.decode(frame, handler);
  return handler.lines;
}

/// What `decode` says of a frame that must hand over nothing.
inline Decoded refusal_of(Adapter& adapter, std::string_view frame) {
  DecodedLines handler;
  const Decoded decoded = adapter.decode(frame, handler);
  return handler.empty() ? decoded : Decoded::data();
}

/// The first length at which a frame cut there hands something over, or the whole length if none does.
inline std::size_t first_cut_that_speaks(Adapter& adapter, std::string_view frame) {
  for (std::size_t size = 0; size < frame.size(); ++size) {
    // A copy of its own, so that the sanitizer sees a read behind the cut.
    const std::vector<char> cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
    DecodedLines handler;
    adapter.decode({cut.data(), cut.size()}, handler);
    if (!handler.empty()) return size;
  }
  return frame.size();
}

/// `text` with the first `from` replaced.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  return at == std::string::npos ? "not found: " + std::string(from) : text.replace(at, from.size(), to);
}

}  // namespace marketprism::exchange
