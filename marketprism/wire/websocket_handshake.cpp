#include "marketprism/wire/websocket_handshake.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "marketprism/wire/base64.hpp"
#include "marketprism/wire/sha1.hpp"

namespace marketprism::wire {

namespace {

constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The headers that the handshake makes itself; Host comes from the offer.
constexpr std::string_view own_headers[] = {
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Accept",
    "Content-Length",
    "Transfer-Encoding",
};

std::unexpected<Error> unusable(std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("websocket handshake: {}", what), true);
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorCode::malformed, fmt::format("websocket handshake: the server's answer {}", what));
}

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += ", ";
    text += item;
  }
  return text;
}

/// What to do after a status other than 101: whether the same request can ever succeed.
std::unexpected<Error> refused(const HttpResponseHead& response) {
  std::string message = fmt::format("websocket handshake: the server answered {} {}", response.status, response.reason);
  if (const auto after = response.headers.find("Retry-After")) message += fmt::format(" (Retry-After: {})", *after);
  if (const auto location = response.headers.find("Location")) message += fmt::format(" (Location: {})", *location);
  const int status = response.status;
  if (status == 429 || status == 418) return fail(ErrorCode::rate_limited, std::move(message));
  // 403 is left out: firewalls of venues answer it for a while to those who come too often. 408 and 425 pass, too.
  const bool is_terminal = (status >= 300 && status < 400) || status == 400 || status == 401 || status == 404 ||
                           status == 405 || status == 410 || status == 426 || status == 451 || status == 501;
  return fail(ErrorCode::rejected, std::move(message), is_terminal);
}

WebSocketAnswer refuse(int status, std::string_view reason, std::string problem) {
  HttpResponseHead head{.status = status, .reason = std::string(reason), .headers = {}};
  if (status == 426) {
    head.headers.add("Upgrade", "websocket");
    head.headers.add("Sec-WebSocket-Version", "13");
  }
  head.headers.add("Connection", status == 426 ? "Upgrade, close" : "close");
  head.headers.add("Content-Type", "text/plain");
  head.headers.add("Content-Length", std::to_string(problem.size() + 1));
  WebSocketAnswer answer{.status = status, .response = {}, .problem = std::move(problem), .agreement = {}};
  [[maybe_unused]] const auto appended = append_head(answer.response, head);
  answer.response += answer.problem;
  answer.response += '\n';
  return answer;
}

bool is_key(std::string_view key) {
  const auto bytes = base64_decode(key);
  return bytes && bytes->size() == 16;
}

/// The first subprotocol of the client's list, in its order, that we know.
std::string choose_subprotocol(const std::string& requested, const std::vector<std::string>& known) {
  std::string_view rest = requested;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view name = trim_blanks(rest.substr(0, comma));
    if (std::ranges::find(known, name) != known.end()) return std::string(name);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {};
}

}  // namespace

std::string make_websocket_key(const std::array<std::byte, 16>& random_bytes) {
  return base64_encode({reinterpret_cast<const std::uint8_t*>(random_bytes.data()), random_bytes.size()});
}

std::string make_websocket_accept(std::string_view key) {
  return base64_encode(sha1(std::string(key) + std::string(accept_suffix)));
}

Result<std::string> make_websocket_request(const WebSocketOffer& offer, std::string_view key) {
  if (offer.host.empty()) return unusable("the host is empty");
  if (!is_key(key)) return unusable("the key is not 16 bytes in base64");
  for (const std::string_view name : own_headers) {
    if (offer.headers.contains(name)) return unusable(fmt::format("the header {} is the handshake's own", name));
  }
  for (const std::string& subprotocol : offer.subprotocols) {
    if (!check_header(subprotocol, {})) return unusable(fmt::format("the subprotocol \"{}\" is no token", subprotocol));
  }
  HttpRequestHead head{.method = "GET", .target = offer.target, .headers = {}};
  head.headers.add("Host", offer.host);
  head.headers.add("Upgrade", "websocket");
  head.headers.add("Connection", "Upgrade");
  head.headers.add("Sec-WebSocket-Key", key);
  head.headers.add("Sec-WebSocket-Version", "13");
  if (!offer.subprotocols.empty()) head.headers.add("Sec-WebSocket-Protocol", join(offer.subprotocols));
  if (offer.deflate) head.headers.add("Sec-WebSocket-Extensions", make_deflate_offer(*offer.deflate));
  for (const HttpHeader& header : offer.headers) head.headers.add(header.name, header.value);
  std::string request;
  if (auto appended = append_head(request, head); !appended) return std::unexpected(std::move(appended.error()));
  return request;
}

Result<WebSocketAgreement> check_websocket_response(const WebSocketOffer& offer, std::string_view key,
                                                    const HttpResponseHead& response) {
  const HttpHeaders& headers = response.headers;
  if (response.status != 101) return refused(response);
  if (response.minor_version != 1) return broken("is not HTTP/1.1");
  if (!equal_ignoring_case(headers.joined("Upgrade"), "websocket")) return broken("has no \"Upgrade: websocket\"");
  if (!headers.contains_token("Connection", "Upgrade")) return broken("has no \"Connection: Upgrade\"");
  if (headers.joined("Sec-WebSocket-Accept") != make_websocket_accept(key)) {
    return broken("has a Sec-WebSocket-Accept that does not fit our key");
  }
  WebSocketAgreement agreement;
  if (headers.contains("Sec-WebSocket-Protocol")) {
    agreement.subprotocol = headers.joined("Sec-WebSocket-Protocol");
    if (std::ranges::find(offer.subprotocols, agreement.subprotocol) == offer.subprotocols.end()) {
      return broken("chose a subprotocol that was not offered");
    }
  }
  const std::string extensions = headers.joined("Sec-WebSocket-Extensions");
  if (offer.deflate) {
    auto deflate = read_deflate_response(*offer.deflate, extensions);
    if (!deflate) return std::unexpected(std::move(deflate.error()));
    agreement.deflate = *deflate;
  } else if (!trim_blanks(extensions).empty()) {
    return broken("names an extension, and none was offered");
  }
  return agreement;
}

bool is_websocket_request(const HttpRequestHead& request) {
  return request.headers.contains_token("Upgrade", "websocket");
}

WebSocketAnswer answer_websocket_request(const HttpRequestHead& request, const WebSocketPolicy& policy) {
  const HttpHeaders& headers = request.headers;
  const auto bad = [](std::string problem) { return refuse(400, "Bad Request", std::move(problem)); };
  if (!is_websocket_request(request)) return refuse(426, "Upgrade Required", "only WebSocket is spoken here");
  if (request.method != "GET") return bad("the method is not GET");
  if (request.minor_version != 1) return bad("the version is not HTTP/1.1");
  if (headers.count("Host") != 1) return bad("there is not exactly one Host header");
  if (!headers.contains_token("Connection", "Upgrade")) return bad("\"Connection: Upgrade\" is missing");
  if (headers.contains("Transfer-Encoding") || headers.find("Content-Length").value_or("0") != "0") {
    return bad("the request has a body");
  }
  if (headers.count("Sec-WebSocket-Version") != 1) return bad("there is not exactly one Sec-WebSocket-Version");
  if (headers.find("Sec-WebSocket-Version") != "13") {
    return refuse(426, "Upgrade Required", "the version of WebSocket is not 13");
  }
  if (headers.count("Sec-WebSocket-Key") != 1 || !is_key(*headers.find("Sec-WebSocket-Key"))) {
    return bad("Sec-WebSocket-Key is missing or not 16 bytes in base64");
  }

  WebSocketAnswer answer;
  HttpResponseHead head{.status = 101, .reason = "Switching Protocols", .headers = {}};
  head.headers.add("Upgrade", "websocket");
  head.headers.add("Connection", "Upgrade");
  head.headers.add("Sec-WebSocket-Accept", make_websocket_accept(*headers.find("Sec-WebSocket-Key")));
  answer.agreement.subprotocol = choose_subprotocol(headers.joined("Sec-WebSocket-Protocol"), policy.subprotocols);
  if (!answer.agreement.subprotocol.empty()) {
    head.headers.add("Sec-WebSocket-Protocol", answer.agreement.subprotocol);
  }
  if (policy.deflate) {
    auto deflate = answer_deflate_offer(*policy.deflate, headers.joined("Sec-WebSocket-Extensions"));
    if (deflate) {
      answer.agreement.deflate = deflate->parameters;
      head.headers.add("Sec-WebSocket-Extensions", deflate->extension);
    }
  }
  for (const HttpHeader& header : policy.headers) head.headers.add(header.name, header.value);
  if (auto appended = append_head(answer.response, head); !appended) {
    return refuse(400, "Bad Request", appended.error().message);
  }
  return answer;
}

}  // namespace marketprism::wire
