#include "marketprism/monitor/admin_server.hpp"

#include <charconv>
#include <optional>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "marketprism/async/runtime.hpp"
#include "marketprism/monitor/json_writer.hpp"
#include "marketprism/net/deadline.hpp"

namespace marketprism::monitor {
namespace {

constexpr std::string_view cookie_name = "marketprism_token";
constexpr std::size_t token_size_min = 16;

struct Address {
  boost::asio::ip::address ip;
  std::uint16_t port = 0;
};

/// "127.0.0.1:80", "[::1]:80".
std::optional<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Address address;
  boost::system::error_code error;
  address.ip = boost::asio::ip::make_address(std::string(host), error);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error || problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return address;
}

/// In a time that does not tell how much of it was right.
bool is_same_secret(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

std::optional<std::string_view> cookie_of(const net::HttpHead& head) {
  std::string_view cookies = head.find("Cookie").value_or("");
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    std::string_view one = cookies.substr(0, end);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(cookie_name) && one.substr(cookie_name.size()).starts_with('='))
      return one.substr(cookie_name.size() + 1);
  }
  return std::nullopt;
}

/// A name that only this machine can mean: a page elsewhere whose name leads here (DNS rebinding) has another.
bool is_local_host(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) host = host.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  return !error;
}

}  // namespace

struct AdminServer::State {
  State(AdminOptions admin_options, const Address& address)
      : options(std::move(admin_options)),
        runtime({.loops = 1, .thread_name = "admin"}),
        server(runtime.loop(0), server_options(options, address)),
        stream(runtime.loop(0), options.stream) {}

  static net::HttpServerOptions server_options(const AdminOptions& options, const Address& address) {
    net::HttpServerOptions out;
    out.address = address.ip.to_string();
    out.port = address.port;
    out.connections_max = options.connections_max;
    out.head_bytes_max = 16UL << 10;
    out.body_bytes_max = 16UL << 10;
    out.idle_timeout = options.idle_timeout;
    return out;
  }

  std::optional<net::HttpReply> refusal(const net::HttpHead& head, bool is_open) const {
    const std::string_view host = head.find("Host").value_or("");
    if (options.token.empty() && !is_local_host(host))
      return error_reply(403, "ask by address, not by a name: without a token only this machine is served");
    const auto origin = head.find("Origin");
    if (head.method() != "GET" && head.method() != "HEAD" && origin && *origin != fmt::format("http://{}", host))
      return error_reply(403, "a page of another site may not do this");
    if (is_open || options.token.empty()) return std::nullopt;
    const std::string_view authorization = head.find("Authorization").value_or("");
    constexpr std::string_view scheme = "Bearer ";
    if (authorization.starts_with(scheme) && is_same_secret(authorization.substr(scheme.size()), options.token))
      return std::nullopt;
    if (const auto cookie = cookie_of(head); cookie && is_same_secret(*cookie, options.token)) return std::nullopt;
    auto reply = error_reply(401, "wrong token or none; send 'Authorization: Bearer TOKEN', or open /?token=TOKEN");
    reply.headers.add("WWW-Authenticate", "Bearer");
    return reply;
  }

  /// A browser that opens /?token=… gets the cookie and an address without the token.
  std::optional<net::HttpReply> login(const net::HttpHead& head) const {
    const auto given = head.query_value("token");
    if (!given || options.token.empty() || !is_same_secret(*given, options.token)) return std::nullopt;
    net::HttpReply reply{.status = 303, .body = {}, .content_type = "text/plain"};
    reply.headers.add("Location", "/");
    reply.headers.add("Set-Cookie",
                      fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/", cookie_name, options.token));
    return reply;
  }

  AdminOptions options;
  async::Runtime runtime;
  net::HttpServer server;
  EventStream stream;
  std::string url;
  bool is_running = false;
};

Result<> check(const AdminOptions& options) {
  const auto wrong = [](std::string text) { return fail(ErrorCode::invalid_argument, std::move(text), true); };
  const auto address = parse_address(options.listen);
  if (!address) {
    return wrong(
        fmt::format("admin: \"{}\" is not an address to listen on; write for example 127.0.0.1:8080", options.listen));
  }
  if (!options.token.empty() && options.token.size() < token_size_min)
    return wrong(fmt::format("admin: the token is shorter than {} characters; make one with openssl rand -hex 16",
                             token_size_min));
  for (const char c : options.token) {
    if (c <= ' ' || c > '~' || c == ';' || c == '"' || c == ',')
      return wrong("admin: the token may hold printable ASCII without blanks, quotes, commas and semicolons only");
  }
  if (options.token.empty() && !address->ip.is_loopback()) {
    return wrong(
        fmt::format("admin: listening on {} lets other machines in and needs a token; set one, or listen on 127.0.0.1",
                    options.listen));
  }
  return {};
}

Result<std::unique_ptr<AdminServer>> AdminServer::open(AdminOptions options) {
  if (auto checked = check(options); !checked) return std::unexpected(checked.error());
  const Address address = *parse_address(options.listen);
  auto state = std::make_unique<State>(std::move(options), address);
  const auto port = state->server.listen();
  if (!port) return fail_because(port.error(), "admin API");
  const std::string host = address.ip.to_string();
  state->url =
      address.ip.is_v6() ? fmt::format("http://[{}]:{}", host, *port) : fmt::format("http://{}:{}", host, *port);
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdminServer::~AdminServer() { stop(); }

void AdminServer::handle(std::string_view method, std::string_view path, net::HttpHandler handler, bool is_open) {
  auto guarded = [state = state_.get(), handler = std::move(handler),
                  is_open](const net::HttpServerRequest& request) -> net::Task<net::HttpReply> {
    if (auto refused = state->refusal(request.head, is_open)) co_return std::move(*refused);
    auto reply = co_await handler(request);
    reply.headers.add("Cache-Control", "no-store");
    co_return reply;
  };
  state_->server.handle(method, path, net::HttpHandler(std::move(guarded)));
}

void AdminServer::handle(std::string_view method, std::string_view path, net::HttpFunction handler, bool is_open) {
  handle(method, path,
         net::HttpHandler([function = std::move(handler)](const net::HttpServerRequest& request)
                              -> net::Task<net::HttpReply> { co_return function(request); }),
         is_open);
}

void AdminServer::serve_stream(std::string_view path) {
  auto take = [state = state_.get()](const net::HttpServerRequest& request, net::TransportPtr transport,
                                     std::string) -> net::Task<> {
    if (const auto refused = state->refusal(request.head, false)) {
      const std::string text = fmt::format(
          "HTTP/1.1 {} Refused\r\nContent-Type: application/json\r\nContent-Length: "
          "{}\r\nConnection: close\r\n\r\n{}",
          refused->status, refused->body.size(), refused->body);
      async::EventLoop& loop = state->runtime.loop(0);
      const net::Deadline deadline(loop, loop.now() + state->options.stream.write_timeout, *transport);
      static_cast<void>(co_await transport->write(std::string_view(text)));
      co_return;
    }
    co_await state->stream.serve(request, std::move(transport));
  };
  state_->server.handle_stream("GET", path, take);
}

void AdminServer::serve_assets(std::span<const Asset> assets) {
  for (const Asset& asset : assets) {
    const bool is_page = asset.path == "/";
    // Nothing in these files is secret but the page sets the cookie, so it is the one that asks for the token.
    auto give = [state = state_.get(), asset, is_page](const net::HttpServerRequest& request) {
      if (is_page) {
        if (auto reply = state->login(request.head)) return std::move(*reply);
        if (auto refused = state->refusal(request.head, false)) return std::move(*refused);
      }
      net::HttpReply reply{.body = std::string(asset.bytes), .content_type = std::string(asset.content_type)};
      reply.headers.add("Content-Security-Policy",
                        "default-src 'self'; style-src 'self' 'unsafe-inline'; "
                        "frame-ancestors 'none'");
      reply.headers.add("X-Content-Type-Options", "nosniff");
      return reply;
    };
    handle("GET", asset.path, net::HttpFunction(give), true);
  }
}

void AdminServer::start() {
  state_->is_running = true;
  state_->runtime.start();
}

void AdminServer::stop() {
  if (!std::exchange(state_->is_running, false)) return;
  State& state = *state_;
  async::EventLoop& loop = state.runtime.loop(0);
  loop.spawn([](State& s, async::EventLoop& on) -> net::Task<> {
    s.stream.end();
    const Instant deadline = on.refresh_now() + std::chrono::milliseconds(100);
    static_cast<void>(co_await s.server.stop(deadline));
    s.runtime.stop();
  }(state, loop));
  state.runtime.join();
}

async::EventLoop& AdminServer::loop() { return state_->runtime.loop(0); }
EventStream& AdminServer::stream() { return state_->stream; }
std::string AdminServer::url() const { return state_->url; }
net::HttpServer::Statistics AdminServer::statistics() const { return state_->server.statistics(); }

net::HttpReply json_reply(std::string json, int status) {
  return {.status = status, .body = std::move(json), .content_type = "application/json"};
}

net::HttpReply error_reply(int status, std::string_view text) {
  std::string json;
  JsonWriter(json).begin_object().field("error", text).end_object();
  return json_reply(std::move(json), status);
}

}  // namespace marketprism::monitor
