#pragma once
#include <optional>
#include <string_view>

#include "marketprism/emulator/client.hpp"
#include "marketprism/emulator/moment.hpp"
#include "marketprism/emulator/rest.hpp"

namespace marketprism::emulator {

/// Takes the frames a source makes. Implemented by the venue.
class Publisher {
 public:
  virtual ~Publisher() = default;
  /// To everybody subscribed to the stream; returns to how many.
  virtual std::size_t publish(StreamIndex stream, std::string_view frame) = 0;
  /// To one client: the snapshot that begins a subscription.
  virtual void send_data(Client& client, std::string_view frame) = 0;
};

struct SourceProgress {
  std::uint64_t frames = 0;   ///< of a recording; 0 for a synthetic market
  std::uint64_t played = 0;   ///< those that somebody got
  std::uint64_t skipped = 0;  ///< those whose stream nobody was subscribed to
  bool has_started = false;
  bool is_finished = false;
};

/// Where a venue's market data comes from: a recording or a synthetic market. Owned by its venue, called only by it.
class Source {
 public:
  virtual ~Source() = default;

  /// The stream that answers a subscription to `name`; nothing if there is no such stream here.
  virtual std::optional<StreamIndex> resolve(std::string_view name) = 0;
  /// A client is about to be put in; frames published now go to those who were in before.
  virtual void before_subscribe(StreamIndex /*stream*/, Moment /*moment*/) {}
  /// The client is in and was told so.
  virtual void after_subscribe(Client& client, StreamIndex stream, Moment moment) = 0;
  /// A client said something: it may not be done with subscribing yet.
  virtual void on_request(Moment /*moment*/) {}

  /// The answer to a GET request; nothing if there is none here.
  virtual std::optional<RestAnswer> rest(const RestQuery& query, Moment moment) = 0;

  /// Publishes what is due. True if there is more to publish at once.
  virtual bool advance(Moment moment) = 0;

  [[nodiscard]] virtual SourceProgress progress() const { return {}; }
};

}  // namespace marketprism::emulator
