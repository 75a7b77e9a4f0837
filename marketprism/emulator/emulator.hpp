#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/emulator/recorded_source.hpp"
#include "marketprism/emulator/synthetic_source.hpp"
#include "marketprism/emulator/venue.hpp"
#include "marketprism/net/tls_context.hpp"

namespace marketprism::async {
class EventLoop;
}

namespace marketprism::emulator {

/// One exchange to play, on one port for REST and WebSocket.
struct EmulatedVenue {
  std::string exchange;                        ///< "binance", "okx", …: see `emulated_exchanges`
  std::uint16_t port = 0;                      ///< 0: any free one
  std::shared_ptr<const Recording> recording;  ///< none: a synthetic market (`make_recording`, then `add` each frame)
  RecordedSourceOptions playing;
  SyntheticSourceOptions market;
  VenueOptions rules;
};

struct EmulatorOptions {
  std::vector<EmulatedVenue> venues;
  std::string address = "127.0.0.1";
  bool use_tls = false;
  net::TlsServerOptions certificate;  ///< empty: one is made up at the start
  std::string certificate_folder;  ///< a made-up certificate's ca.pem is written there for clients; empty: not written
  bool compress = false;           ///< accept permessage-deflate
  Nanoseconds tick = std::chrono::milliseconds(5);
  std::size_t congestion_bytes = 2 * 1024 * 1024;              ///< so much waiting for one client stops the market
  Nanoseconds slow_client_timeout = std::chrono::seconds(10);  ///< a client that takes nothing for so long is cut
};

struct VenueStatus {
  std::string exchange;
  std::uint16_t port = 0;
  VenueCounters counters;
  SourceProgress progress;
  std::uint64_t bytes = 0;         ///< of frames and replies, before compression and TLS
  std::uint64_t slow_clients = 0;  ///< cut because they did not take what was sent
};

/// Servers that speak the protocols of exchanges, on one event loop. Owned by the program or a test; all calls on the
/// loop's thread or while the loop does not run. Destroy it before the loop.
class Emulator {
 public:
  Emulator(async::EventLoop& loop, EmulatorOptions options);
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  /// Binds all ports and begins to serve. `already_exists`: a port is in use; `invalid_argument`, `not_found`: unknown
  /// exchange, one exchange twice, bad certificate.
  Result<> start();
  /// Refuses new connections and cuts those that are there.
  void stop();

  /// What clients must trust, as PEM; empty without TLS or with a certificate that was given.
  [[nodiscard]] const std::string& ca_pem() const { return ca_pem_; }
  /// 0 if there is no such exchange here.
  [[nodiscard]] std::uint16_t port(std::string_view exchange) const;
  /// "https://127.0.0.1:4711", "wss://127.0.0.1:4711": put in place of scheme and host of the venue's own URLs.
  [[nodiscard]] std::string rest_url(std::string_view exchange) const;
  [[nodiscard]] std::string websocket_url(std::string_view exchange) const;

  [[nodiscard]] std::vector<VenueStatus> status() const;
  /// All recordings are played to their end. False if there is none.
  [[nodiscard]] bool is_finished() const;

  // Misfortunes; the exchange must be there.
  void set_faults(std::string_view exchange, const FaultPlan& plan);
  /// New connections are refused by the operating system, until `accept_again`.
  void refuse_connections(std::string_view exchange);
  Result<> accept_again(std::string_view exchange);
  void cut_all(std::string_view exchange);
  /// The venue's notice that it will soon cut everybody.
  void warn_all(std::string_view exchange);

 private:
  class Server;

  [[nodiscard]] Server& server(std::string_view exchange) const;
  Result<net::TlsContextPtr> make_tls();

  async::EventLoop& loop_;
  EmulatorOptions options_;
  std::string ca_pem_;
  std::vector<std::shared_ptr<Server>> servers_;
};

}  // namespace marketprism::emulator
