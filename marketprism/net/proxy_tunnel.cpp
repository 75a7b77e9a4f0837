#include "marketprism/net/proxy_tunnel.hpp"

#include <array>
#include <utility>

#include <boost/asio/ip/address.hpp>

#include "marketprism/net/deadline.hpp"
#include "marketprism/wire/http_message.hpp"

namespace marketprism::net {
namespace {

// Nothing here is longer than some hundred bytes, so a socket that takes it only in part is worth no more than this.
Task<Result<>> write_all(Socket& socket, std::string_view bytes) {
  while (true) {
    const auto sent = socket.send_now(std::span(&bytes, 1));
    if (!sent) co_return std::unexpected(sent.error());
    bytes.remove_prefix(*sent);
    if (bytes.empty()) co_return Result<>();
    auto writable = co_await socket.wait_writable();
    if (!writable) co_return writable;
  }
}

Task<Result<>> read_exactly(Socket& socket, std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    const auto count = co_await socket.read_some(buffer);
    if (!count) co_return std::unexpected(count.error());
    buffer = buffer.subspan(*count);
  }
  co_return Result<>();
}

Result<> check_connect_answer(const wire::HttpHeadReader& reader) {
  const auto answer = wire::parse_response_head(reader.head());
  if (!answer) return std::unexpected(answer.error());
  const int status = answer->status;
  if (status >= 200 && status < 300) {
    if (reader.remainder().empty()) return {};
    return fail(ErrorCode::malformed, "it sent bytes of its own after its answer to CONNECT");
  }
  const std::string said = "it answered CONNECT with " + std::to_string(status) + " " + answer->reason;
  if (status == 407) {
    return fail(ErrorCode::permission_denied, said + "; put user and password into the proxy's URL", true);
  }
  if (status == 401 || status == 403) {
    return fail(ErrorCode::permission_denied, said + "; it does not allow this host or port", true);
  }
  return fail(ErrorCode::rejected, said);
}

Task<Result<>> connect_by_http(Socket& socket, const Proxy& proxy, std::string host, std::uint16_t port) {
  wire::HttpRequestHead head;
  head.method = "CONNECT";
  head.target = host_and_port(host, port);
  head.headers.add("Host", head.target);
  head.headers.add("User-Agent", "marketprism");
  if (const std::string credentials = proxy.authorization(); !credentials.empty()) {
    head.headers.add("Proxy-Authorization", credentials);
  }
  std::string request;
  if (auto made = wire::append_head(request, head); !made) co_return std::unexpected(std::move(made.error()));
  auto written = co_await write_all(socket, request);
  if (!written) co_return written;
  wire::HttpHeadReader reader;
  while (!reader.is_complete()) {
    const auto count = co_await socket.read_some(reader.prepare());
    if (!count) co_return std::unexpected(count.error());
    const auto committed = reader.commit(*count);
    if (!committed) co_return std::unexpected(committed.error());
  }
  co_return check_connect_answer(reader);
}

// ── SOCKS5 ──

constexpr char no_authentication = 0;
constexpr char user_and_password = 2;
constexpr char none_acceptable = '\xFF';

std::unexpected<Error> no_socks(std::string_view what) {
  return fail(ErrorCode::malformed, "it does not speak SOCKS5: " + std::string(what), true);
}

Result<> check_reply(unsigned code) {
  switch (code) {
    case 0: return {};
    case 1: return fail(ErrorCode::rejected, "SOCKS5: it failed and does not say why");
    case 2: return fail(ErrorCode::permission_denied, "SOCKS5: its rules do not allow this host or port", true);
    case 3: return fail(ErrorCode::rejected, "SOCKS5: it cannot reach the host's network");
    case 4: return fail(ErrorCode::rejected, "SOCKS5: it cannot reach the host, or does not know the name");
    case 5: return fail(ErrorCode::connection_refused, "SOCKS5: the host refused its connection");
    case 6: return fail(ErrorCode::rejected, "SOCKS5: the way to the host is too long (TTL expired)");
    case 7: return fail(ErrorCode::unsupported, "SOCKS5: it does not know the command CONNECT", true);
    case 8: return fail(ErrorCode::unsupported, "SOCKS5: it does not know this type of address", true);
    default: return no_socks("reply code " + std::to_string(code));
  }
}

// A byte that tells the length, then the text.
void append_counted(std::string& out, std::string_view text) {
  out += static_cast<char>(text.size());
  out += text;
}

Result<std::string> socks_request(const std::string& host, std::uint16_t port) {
  std::string request("\x05\x01\x00", 3);  // version, CONNECT, reserved
  boost::system::error_code not_numeric;
  const auto address = boost::asio::ip::make_address(host, not_numeric);
  if (not_numeric) {
    if (host.size() > 255) return fail(ErrorCode::invalid_argument, "the host name is longer than 255 bytes", true);
    request += '\x03';
    append_counted(request, host);
  } else if (address.is_v4()) {
    request += '\x01';
    for (const unsigned char byte : address.to_v4().to_bytes()) request += static_cast<char>(byte);
  } else {
    request += '\x04';
    for (const unsigned char byte : address.to_v6().to_bytes()) request += static_cast<char>(byte);
  }
  request += static_cast<char>(port >> 8U);
  request += static_cast<char>(port & 0xFFU);
  return request;
}

Task<Result<>> authenticate(Socket& socket, const Proxy& proxy) {
  if (proxy.user.size() > 255 || proxy.password.size() > 255) {
    co_return fail(ErrorCode::invalid_argument, "SOCKS5: user or password is longer than 255 bytes", true);
  }
  std::string request("\x01");
  append_counted(request, proxy.user);
  append_counted(request, proxy.password);
  auto written = co_await write_all(socket, request);
  if (!written) co_return written;
  std::array<std::byte, 2> answer{};
  auto read = co_await read_exactly(socket, answer);
  if (!read) co_return read;
  if (answer[0] != std::byte{1}) co_return no_socks("its answer to the password is not of version 1");
  if (answer[1] != std::byte{0}) {
    co_return fail(ErrorCode::permission_denied, "SOCKS5: it does not accept this user and password", true);
  }
  co_return Result<>();
}

Task<Result<>> greet(Socket& socket, const Proxy& proxy) {
  const bool has_user = !proxy.user.empty();
  std::string greeting("\x05");
  append_counted(greeting, has_user ? std::string_view("\x00\x02", 2) : std::string_view("\x00", 1));
  auto written = co_await write_all(socket, greeting);
  if (!written) co_return written;
  std::array<std::byte, 2> choice{};
  auto read = co_await read_exactly(socket, choice);
  if (!read) co_return read;
  if (choice[0] != std::byte{5}) co_return no_socks("its first byte is not 5");
  const char method = static_cast<char>(choice[1]);
  if (method == no_authentication) co_return Result<>();
  if (method == user_and_password && has_user) co_return co_await authenticate(socket, proxy);
  if (method == none_acceptable) {
    co_return fail(ErrorCode::permission_denied,
                   has_user ? "SOCKS5: it wants another kind of authentication than user and password"
                            : "SOCKS5: it wants user and password; put them into the proxy's URL",
                   true);
  }
  co_return no_socks("it chose a method that was not offered");
}

Task<Result<>> connect_by_socks(Socket& socket, const Proxy& proxy, std::string host, std::uint16_t port) {
  const auto request = socks_request(host, port);
  if (!request) co_return std::unexpected(request.error());
  auto done = co_await greet(socket, proxy);
  if (!done) co_return done;
  done = co_await write_all(socket, *request);
  if (!done) co_return done;
  // Version, reply, reserved, type of address; then the address it connects from, which nobody needs, and a port.
  std::array<std::byte, 4> reply{};
  done = co_await read_exactly(socket, reply);
  if (!done) co_return done;
  if (reply[0] != std::byte{5}) co_return no_socks("its reply is not of version 5");
  done = check_reply(static_cast<unsigned>(reply[1]));
  if (!done) co_return done;
  std::array<std::byte, 257> address{};
  std::size_t address_bytes = 0;
  switch (static_cast<unsigned>(reply[3])) {
    case 1: address_bytes = 4; break;
    case 4: address_bytes = 16; break;
    case 3: {
      done = co_await read_exactly(socket, std::span(address).first(1));
      if (!done) co_return done;
      address_bytes = static_cast<std::size_t>(address[0]);
      break;
    }
    default: co_return no_socks("its reply has an address of unknown type");
  }
  co_return co_await read_exactly(socket, std::span(address).first(address_bytes + 2));
}

}  // namespace

Task<Result<>> open_tunnel(Socket& socket, const Proxy& proxy, std::string host, std::uint16_t port, Instant deadline) {
  const std::string where = host_and_port(host, port) + ": the proxy " + proxy.name();
  const Deadline guard(socket.loop(), deadline, socket);
  Result<> opened;
  if (proxy.kind == Proxy::Kind::http) {
    opened = co_await connect_by_http(socket, proxy, std::move(host), port);
  } else {
    opened = co_await connect_by_socks(socket, proxy, std::move(host), port);
  }
  if (opened) co_return Result<>();
  if (guard.has_passed()) co_return fail(ErrorCode::timed_out, where + " did not open the connection in time");
  if (opened.error().code == ErrorCode::connection_closed) {
    co_return fail(ErrorCode::connection_closed, where + " closed the connection before it answered");
  }
  co_return fail_because(std::move(opened.error()), where + " did not open the connection");
}

}  // namespace marketprism::net
