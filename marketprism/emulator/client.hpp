#pragma once
#include <string>
#include <vector>

#include "marketprism/emulator/limits.hpp"
#include "marketprism/emulator/outbox.hpp"

namespace marketprism::emulator {

using StreamIndex = std::uint32_t;

/// What a client asked for, under the name it used, and the stream that answers it.
struct Subscription {
  std::string name;
  StreamIndex stream = 0;
};

/// One WebSocket connection as its venue sees it. Owned by the venue.
struct Client {
  Client(ClientId number, const Limits& limits, Instant now)
      : id(number), opened(now), last_received(now), last_sent(now), requests(limits.requests) {}

  ClientId id;
  Instant opened;
  Instant last_received;
  Instant last_sent;
  RateGate requests;
  std::vector<Subscription> subscriptions;
  bool is_closing = false;  ///< told to go: nothing more is sent
  bool was_warned = false;  ///< the closing notice went out

  // What the venues' protocols keep about a connection.
  int path = 0;              ///< which of the venue's paths it came in by
  bool is_combined = true;   ///< Binance: frames are wrapped with the stream's name
  Nanoseconds heartbeat{0};  ///< Deribit: the interval asked for
  Instant next_heartbeat{};
  bool owes_test = false;  ///< Deribit: a test_request is not answered yet

  // Faults.
  std::uint64_t frames = 0;  ///< of market data sent to it
  std::string held_frame;    ///< kept back, to go out after the next one
  bool has_held_frame = false;
  bool is_stalled = false;
};

}  // namespace marketprism::emulator
