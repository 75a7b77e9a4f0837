#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "marketprism/emulator/emulator.hpp"
#include "marketprism/emulator/faulty_transport.hpp"
#include "marketprism/net/http_server.hpp"
#include "marketprism/net/websocket_server.hpp"

namespace marketprism::emulator {

/// The sockets of one venue: hands what comes to the `Venue` and carries out what it wants. Its coroutines hold it
/// weakly, so that it ends when the emulator lets go of it. Internal to the emulator.
class Emulator::Server final : public Outbox, public std::enable_shared_from_this<Server> {
 public:
  Server(async::EventLoop& loop, const EmulatorOptions& options, EmulatedVenue what, std::unique_ptr<Dialect> dialect,
         net::TlsContextPtr tls);

  Result<> start();
  void stop();
  [[nodiscard]] VenueStatus status() const;
  [[nodiscard]] Venue& venue() { return venue_; }
  [[nodiscard]] net::HttpServer& http() { return http_; }
  [[nodiscard]] const std::string& exchange() const { return what_.exchange; }
  [[nodiscard]] Moment moment() const;
  /// Sends what was queued. After every call into the venue.
  void send_queued();

  // Outbox
  void send_text(ClientId client, std::string_view text) override;
  void close(ClientId client, int code, std::string_view reason) override;
  void abort(ClientId client) override;
  void abort_inside(ClientId client, std::string_view text) override;
  void stall(ClientId client) override;
  bool is_congested() const override { return is_congested_; }

 private:
  struct Session {
    net::WebSocketConnection* connection = nullptr;  // null while the handshake is under way
    FaultyTransport* transport = nullptr;            // lives as long as the connection
    std::vector<std::string> early;                  // what was sent before the connection was there
    bool is_corked = false;
    bool is_reading = false;                         // its coroutine waits for bytes
    std::optional<std::pair<int, std::string>> end;  // code and reason it is to close with when it no longer reads
    std::uint64_t bytes_sent = 0;                    // at the last look
    Instant last_progress{};
  };
  using Weak = std::weak_ptr<Server>;

  static net::Task<> tick_forever(Weak weak, async::EventLoop& loop);
  static net::Task<net::HttpReply> answer(Weak weak, const net::HttpServerRequest& request);
  static net::Task<> upgrade(Weak weak, const net::HttpServerRequest& request, net::TransportPtr transport,
                             std::string remainder);
  static net::Task<> converse(Weak weak, ClientId id, net::WebSocketConnection& connection);
  static net::Task<> refuse(net::Transport& transport, const RestAnswer& answer);
  bool take_messages(ClientId id, net::WebSocketConnection& connection);
  bool tick();
  void watch_queues();
  Session* find(ClientId id);
  [[nodiscard]] net::WebSocketServerOptions websocket_options() const;

  async::EventLoop& loop_;
  EmulatorOptions options_;
  EmulatedVenue what_;
  Venue venue_;
  net::HttpServer http_;
  std::unordered_map<ClientId, Session> sessions_;
  std::vector<ClientId> corked_;
  ClientId last_id_ = 0;
  bool is_stopped_ = false;
  bool is_congested_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t slow_clients_ = 0;
};

}  // namespace marketprism::emulator
