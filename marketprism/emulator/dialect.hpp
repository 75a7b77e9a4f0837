#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/emulator/client.hpp"
#include "marketprism/emulator/moment.hpp"
#include "marketprism/emulator/rest.hpp"

namespace marketprism::emulator {

/// What the venue does for its dialect. Implemented by `Venue`.
class Desk {
 public:
  virtual ~Desk() = default;
  [[nodiscard]] virtual Moment moment() const = 0;
  [[nodiscard]] virtual const Limits& limits() const = 0;
  /// A recording is played: what it holds is allowed, even if the venue would not allow it today.
  [[nodiscard]] virtual bool is_recorded() const = 0;

  virtual void send(Client& client, std::string_view text) = 0;
  virtual void close(Client& client, int code, std::string_view reason) = 0;
  /// Whether a subscription to this stream would bring anything.
  virtual bool offers(std::string_view stream) = 0;
  /// Puts the client in, if the stream is offered and it is not in yet. After the acknowledgement: a snapshot may
  /// follow at once.
  virtual void subscribe(Client& client, std::string_view stream) = 0;
  /// False if the client was not in.
  virtual bool unsubscribe(Client& client, std::string_view stream) = 0;
};

/// How one venue speaks on its connections: paths, requests, acknowledgements, errors, heartbeats. It holds no state
/// but constants: what it knows of a connection is in `Client`. One for each venue.
class Dialect {
 public:
  virtual ~Dialect() = default;

  [[nodiscard]] virtual std::string_view exchange() const = 0;
  [[nodiscard]] virtual const Limits& limits() const = 0;

  /// A client wants to open a WebSocket here. An answer refuses it. Subscriptions in the URL are made here.
  virtual std::optional<RestAnswer> open(Client& client, const RestQuery& query, Desk& desk) const = 0;
  /// A text from the client.
  virtual void receive(Client& client, std::string_view text, Desk& desk) const = 0;
  /// Some time passed.
  virtual void tick(Client& /*client*/, Desk& /*desk*/) const {}
  /// Says that the venue will soon cut this connection.
  virtual void warn_of_closing(Client& client, Desk& desk) const = 0;

  /// The name of the stream a recorded frame belongs to; empty for acknowledgements, heartbeats and everything else
  /// that is no market data.
  [[nodiscard]] virtual std::string stream_of(std::string_view frame) const = 0;
  /// The stream's name without what may differ between a recording and a subscription (how often it sends).
  [[nodiscard]] virtual std::string family_of(std::string_view stream) const = 0;
  /// The frame as this client gets it. `scratch` may be used for it.
  [[nodiscard]] virtual std::string_view shape(const Client& /*client*/, std::string_view frame,
                                               std::string_view /*stream*/, std::string& /*scratch*/) const {
    return frame;
  }

  /// What a request costs of `Limits::weight_max`.
  [[nodiscard]] virtual std::uint64_t weight_of(const RestQuery& query) const = 0;
  /// Adds the headers that tell how much was used.
  virtual void add_usage(RestAnswer& /*answer*/, std::uint64_t /*used*/) const {}
  [[nodiscard]] virtual RestAnswer too_many_requests(Nanoseconds retry_after) const = 0;
  /// The answer to a request for something that is not there: an empty list or an error, as the venue has it.
  [[nodiscard]] virtual RestAnswer not_found(const RestQuery& query) const = 0;
  /// Answers that need no source (server time, connectivity).
  [[nodiscard]] virtual std::optional<RestAnswer> always(const RestQuery& /*query*/, Moment /*moment*/) const {
    return std::nullopt;
  }
  /// Whether the request asks for a list of instruments that several recorded answers together hold, and their sum.
  [[nodiscard]] virtual bool joins_answers(const RestQuery& /*query*/) const { return false; }
  [[nodiscard]] virtual std::string join(const std::vector<std::string_view>& /*bodies*/) const { return {}; }
};

/// The names of all venues that can be emulated.
std::span<const std::string_view> emulated_exchanges();

/// The dialect of "binance", "binance-us", "binance-futures", "binance-delivery", "okx", "deribit". An error that names
/// the nearest known venue for anything else.
Result<std::unique_ptr<Dialect>> make_dialect(std::string_view exchange);

}  // namespace marketprism::emulator
