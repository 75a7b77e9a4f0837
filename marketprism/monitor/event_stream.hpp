#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/http_server.hpp"

namespace marketprism::monitor {

struct EventStreamOptions {
  std::size_t clients_max = 16;                          ///< one more gets 503
  std::size_t pending_bytes_max = 4UL << 20;             ///< waiting for one client; a client with more is cut
  Nanoseconds write_timeout = std::chrono::seconds(10);  ///< a client that takes nothing for so long is cut
  Nanoseconds heartbeat = std::chrono::seconds(5);       ///< a comment, so that dead clients are noticed
};

/// Sends events to those who listen (server-sent events). Each client has its own bounded queue; who does not keep up
/// is cut and may come again. Belongs to one event loop; must outlive the server that hands it connections.
class EventStream {
 public:
  /// One who listens, with what its request asked for.
  class Client {
   public:
    Client(async::EventLoop& loop, const net::HttpHead& head);
    const std::string& exchange() const { return exchange_; }
    const std::string& symbol() const { return symbol_; }
    bool is_new = true;  ///< the owner's mark: nothing was sent to it yet

   private:
    friend class EventStream;
    std::string exchange_;
    std::string symbol_;
    std::string pending_;
    async::Signal ready_;
    net::Transport* transport_ = nullptr;
    bool is_cut_ = false;
  };

  EventStream(async::EventLoop& loop, EventStreamOptions options) : loop_(loop), options_(options) {}

  /// The handler of a request: sends until the client leaves, is cut, or `end`.
  net::Task<> serve(const net::HttpServerRequest& request, net::TransportPtr transport);

  void send(Client& client, std::string_view event, std::string_view json);
  void for_each_client(const std::function<void(Client&)>& f);
  /// Cuts all clients.
  void end();

  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] std::uint64_t cut_clients() const { return cut_clients_; }  ///< too slow
  [[nodiscard]] std::uint64_t refused_clients() const { return refused_clients_; }

 private:
  net::Task<> pump(Client& client, net::Transport& transport);
  void cut(Client& client);

  async::EventLoop& loop_;
  EventStreamOptions options_;
  std::list<Client> clients_;
  std::uint64_t cut_clients_ = 0;
  std::uint64_t refused_clients_ = 0;
};

}  // namespace marketprism::monitor
