#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/base/error.hpp"
#include "marketprism/monitor/assets.hpp"
#include "marketprism/monitor/event_stream.hpp"
#include "marketprism/net/http_server.hpp"

namespace marketprism::monitor {

struct AdminOptions {
  std::string listen = "127.0.0.1:0";  ///< address:port; port 0: any free one
  std::string token;                   ///< needed unless `listen` is loopback; at least 16 characters
  std::size_t connections_max = 256;   ///< more are closed at once: the collector needs its file descriptors
  Nanoseconds idle_timeout = std::chrono::seconds(30);
  EventStreamOptions stream;
};

/// Whether `listen` and `token` can work, with what to do if not.
Result<> check(const AdminOptions& options);

/// The HTTP server of the admin API, on an event loop and a thread of its own, so that whoever asks, however slowly,
/// costs the collector's loops nothing. Requests from elsewhere need the token, as `Authorization: Bearer …` or, for
/// browsers, as the cookie that opening /?token=… sets. A page of another site can neither read nor post.
/// Made, started and stopped by one thread; handlers run on `loop()`.
class AdminServer {
 public:
  /// Binds: `already_exists` if the port is in use, and the errors of `check`.
  static Result<std::unique_ptr<AdminServer>> open(AdminOptions options);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Before `start`. `is_open`: needs no token.
  void handle(std::string_view method, std::string_view path, net::HttpHandler handler, bool is_open = false);
  void handle(std::string_view method, std::string_view path, net::HttpFunction handler, bool is_open = false);
  /// Server-sent events under this path.
  void serve_stream(std::string_view path);
  void serve_assets(std::span<const Asset> assets);

  void start();
  /// Cuts everybody, ends the thread.
  void stop();

  [[nodiscard]] async::EventLoop& loop();
  [[nodiscard]] EventStream& stream();
  /// "http://127.0.0.1:8080".
  [[nodiscard]] std::string url() const;
  /// On `loop()`.
  [[nodiscard]] net::HttpServer::Statistics statistics() const;

 private:
  struct State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

net::HttpReply json_reply(std::string json, int status = 200);
/// {"error":"…"}.
net::HttpReply error_reply(int status, std::string_view text);

}  // namespace marketprism::monitor
