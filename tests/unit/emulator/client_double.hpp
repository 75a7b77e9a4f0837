#pragma once
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "marketprism/emulator/synthetic_source.hpp"
#include "marketprism/emulator/venue.hpp"

namespace marketprism::emulator {

/// Keeps what a venue tells its clients.
class RecordingOutbox final : public Outbox {
 public:
  struct Item {
    ClientId client;
    std::string text;
  };
  void send_text(ClientId client, std::string_view text) override { sent.push_back({client, std::string(text)}); }
  void close(ClientId client, int code, std::string_view reason) override {
    closed[client] = {code, std::string(reason)};
  }
  void abort(ClientId client) override { aborted.insert(client); }
  void abort_inside(ClientId client, std::string_view text) override {
    aborted.insert(client);
    halves.emplace_back(text);
  }
  void stall(ClientId client) override { stalled.insert(client); }
  bool is_congested() const override { return congested; }

  /// The texts to this client so far; forgets all.
  std::vector<std::string> take(ClientId client) {
    std::vector<std::string> texts;
    for (Item& item : sent) {
      if (item.client == client) texts.push_back(std::move(item.text));
    }
    sent.clear();
    return texts;
  }

  std::deque<Item> sent;
  std::map<ClientId, std::pair<int, std::string>> closed;
  std::set<ClientId> aborted;
  std::set<ClientId> stalled;
  std::vector<std::string> halves;
  bool congested = false;
};

/// A venue with a clock that only the test moves.
struct VenueFixture {
  explicit VenueFixture(std::string_view exchange, VenueOptions options = {})
      : venue(*make_dialect(exchange), outbox, std::move(options)) {}

  void with_synthetic_market(const SyntheticSourceOptions& options = {}) {
    auto source =
        std::make_unique<SyntheticSource>(venue.dialect().exchange(), options, venue.streams(), venue, moment);
    synthetic = source.get();
    venue.set_source(std::move(source), false);
  }

  void pass(Nanoseconds time) {
    moment.now += time;
    moment.utc += time;
  }
  /// Lets time pass in steps of 10 ms.
  void run(Nanoseconds time) {
    constexpr Nanoseconds step = std::chrono::milliseconds(10);
    for (; time.count() > 0; time -= step) {
      pass(std::min(time, step));
      while (venue.advance(moment)) {
      }
    }
  }
  ClientId connect(std::string_view target) {
    const ClientId id = ++last_client;
    if (venue.accept(moment) || venue.opened(id, target, moment)) return 0;
    return id;
  }
  std::vector<std::string> ask(ClientId client, std::string_view text) {
    outbox.sent.clear();
    venue.receive(client, text, moment);
    return outbox.take(client);
  }

  RecordingOutbox outbox;
  Moment moment{Instant(std::chrono::hours(1)), unix_time_ms(1'795'000'000'000)};  // 2026-11-18
  ClientId last_client = 0;
  Venue venue;
  SyntheticSource* synthetic = nullptr;
};

}  // namespace marketprism::emulator
