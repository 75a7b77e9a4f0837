// Frames and REST answers of any content: no venue's adapter reads outside them, and what it hands over is whole. The
// first byte chooses the venue, the second whether the rest is a frame or an answer.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "marketprism/exchange/registry.hpp"

namespace {

using namespace marketprism;
using namespace marketprism::exchange;

void require(bool is_true) {
  if (!is_true) std::abort();
}

/// Checks what may be relied on without looking into a message again.
class Checks final : public DecodeHandler {
 public:
  bool was_called = false;

  void on_payload(std::string_view symbol, UnixTime, const market::Event::Payload& payload) override {
    note(symbol);
    require(!std::holds_alternative<market::Book>(payload) && !std::holds_alternative<market::Trade>(payload));
  }
  void on_trade(std::string_view symbol, UnixTime, const market::Trade&, std::int64_t) override { note(symbol); }
  void on_book(const BookMessage& message) override {
    note(message.symbol);
    for (const auto side : {message.bids, message.asks}) {
      for (const market::Level& level : side) text_ += static_cast<unsigned>(level.amount.sign());
    }
  }
  void on_instrument(market::Instrument&& instrument) override {
    note(instrument.symbol);
    require(!instrument.canonical.empty());
  }
  void on_control(const ControlMessage& message) override {
    was_called = true;
    text_ += static_cast<unsigned>(message.text.size() + message.stream.size());
  }

 private:
  void note(std::string_view symbol) {
    was_called = true;
    require(!symbol.empty());
  }
  unsigned text_ = 0;
};

const std::vector<std::unique_ptr<Adapter>>& adapters() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Adapter>> result;
    for (const std::string_view name : exchange_names()) result.push_back(*make_adapter(name));
    return result;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Adapter& adapter = *adapters()[data[0] % adapters().size()];
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  Checks checks;
  Decoded decoded;
  switch (data[1] % 4) {
    case 0: decoded = adapter.decode_rest("", input, "X", checks); break;
    case 1: {
      const auto requests = adapter.instrument_requests();
      decoded = adapter.decode_rest(requests.front().target, input, {}, checks);
      break;
    }
    default: decoded = adapter.decode(input, checks);
  }
  // An acknowledgement may be of nothing; otherwise something was handed over exactly if the answer says so.
  const bool says_nothing = decoded.kind == Decoded::Kind::unreadable || decoded.kind == Decoded::Kind::ignored;
  if (says_nothing) require(!checks.was_called && !decoded.reason.empty());
  (void)adapter.rest_error(static_cast<int>(data[1]) + 300, input);
  return 0;
}
