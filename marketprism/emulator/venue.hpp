#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "marketprism/emulator/dialect.hpp"
#include "marketprism/emulator/faults.hpp"
#include "marketprism/emulator/outbox.hpp"
#include "marketprism/emulator/source.hpp"
#include "marketprism/emulator/stream_table.hpp"

namespace marketprism::emulator {

struct VenueOptions {
  bool enforces_limits = true;   ///< false: any number of streams, requests, connections
  std::optional<Limits> limits;  ///< instead of the venue's own
  FaultPlan faults;
  Nanoseconds connection_lifetime{0};  ///< instead of the venue's own; 0: the venue's own
  bool closes_when_finished = false;   ///< close all connections (1000) at the end of a recording
};

struct VenueCounters {
  std::uint64_t connections = 0;  ///< accepted
  std::uint64_t refused = 0;      ///< upgrades answered with something else than 101
  std::uint64_t requests = 0;     ///< texts received
  std::uint64_t rest_requests = 0;
  std::uint64_t rest_limited = 0;  ///< answered with 429
  std::uint64_t frames = 0;        ///< of market data, counted once for each client that got it
  std::uint64_t replies = 0;       ///< acknowledgements, errors, heartbeats
  std::uint64_t faults = 0;        ///< frames something was done to
  std::size_t open = 0;            ///< connections now
  std::size_t subscribed = 0;      ///< streams with a subscriber now
};

/// One exchange: its clients, who is subscribed to what, its limits and faults. Sans-I/O: the shell hands in what comes
/// from the sockets, together with the time, and carries out what the outbox is told. Belongs to one thread.
class Venue final : public Desk, public Publisher {
 public:
  Venue(std::unique_ptr<Dialect> dialect, Outbox& outbox, VenueOptions options = {});
  ~Venue() override;

  /// Before anything else. The source may use `streams()` and publish to this venue.
  void set_source(std::unique_ptr<Source> source, bool is_recorded);
  [[nodiscard]] StreamTable& streams() { return streams_; }
  [[nodiscard]] const Dialect& dialect() const { return *dialect_; }

  /// A WebSocket is asked for. Nothing: it is granted, call `opened` once the 101 is sent.
  std::optional<RestAnswer> accept(Moment moment);
  /// It is there. An answer: the path is unknown; close it again.
  std::optional<RestAnswer> opened(ClientId id, std::string_view target, Moment moment);
  void receive(ClientId id, std::string_view text, Moment moment);
  void closed(ClientId id, Moment moment);
  RestAnswer rest(std::string_view target, Moment moment);
  /// Heartbeats, notices and market data that are due; a few milliseconds apart. True if there is more to send at once.
  bool advance(Moment moment);

  /// Tells all clients that the venue will soon cut them, as before maintenance.
  void warn_all(Moment moment);
  void set_faults(const FaultPlan& plan);
  [[nodiscard]] FaultPlan& faults() { return options_.faults; }
  [[nodiscard]] VenueCounters counters() const;
  [[nodiscard]] SourceProgress progress() const { return source_->progress(); }

  // Desk
  [[nodiscard]] Moment moment() const override { return moment_; }
  [[nodiscard]] const Limits& limits() const override { return limits_; }
  [[nodiscard]] bool is_recorded() const override { return is_recorded_; }
  void send(Client& client, std::string_view text) override;
  void close(Client& client, int code, std::string_view reason) override;
  bool offers(std::string_view stream) override;
  void subscribe(Client& client, std::string_view stream) override;
  bool unsubscribe(Client& client, std::string_view stream) override;

  // Publisher
  std::size_t publish(StreamIndex stream, std::string_view frame) override;
  void send_data(Client& client, std::string_view frame) override;

 private:
  Client* find(ClientId id);
  void deliver(Client& client, std::string_view frame);
  void deliver_with_faults(Client& client, std::string_view frame);
  void send_frame(Client& client, std::string_view frame);
  void tick_clients();
  void end_of_life(Client& client);
  void close_all(int code, std::string_view reason);
  RestAnswer limited(Nanoseconds retry_after);

  std::unique_ptr<Dialect> dialect_;
  Outbox& outbox_;
  VenueOptions options_;
  Limits limits_;
  FaultDice dice_;
  bool has_frame_faults_;
  bool is_recorded_ = false;
  Moment moment_;
  Instant next_tick_{};
  RateGate connects_;
  WeightCounter weight_;
  StreamTable streams_;
  std::unordered_map<ClientId, std::unique_ptr<Client>> clients_;
  std::string scratch_;
  VenueCounters counters_;
  std::unique_ptr<Source> source_;
};

}  // namespace marketprism::emulator
