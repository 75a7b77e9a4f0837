#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/wire/http_message.hpp"
#include "marketprism/wire/permessage_deflate.hpp"

namespace marketprism::wire {

/// What a client asks for.
struct WebSocketOffer {
  std::string host;                       ///< value of the Host header: `Url::host_header()`
  std::string target = "/";               ///< `Url::target()`
  std::vector<std::string> subprotocols;  ///< in order of preference
  std::optional<DeflateOptions> deflate;  ///< offer permessage-deflate
  HttpHeaders headers;                    ///< added to the request: User-Agent, Origin, …
};

/// What both sides agreed on.
struct WebSocketAgreement {
  std::string subprotocol;                   ///< empty if none
  std::optional<DeflateParameters> deflate;  ///< for the options of parser and writer
};

/// The value of Sec-WebSocket-Key, made of 16 fresh random bytes.
std::string make_websocket_key(const std::array<std::byte, 16>& random_bytes);
/// The value of Sec-WebSocket-Accept that answers it.
std::string make_websocket_accept(std::string_view key);

/// Client: the whole text of the request. `invalid_argument` for headers that cannot be sent or that the handshake
/// itself makes.
Result<std::string> make_websocket_request(const WebSocketOffer& offer, std::string_view key);

/// Client: checks the server's answer (RFC 6455, section 4.1). Status 429 and 418 are `rate_limited`, others than 101
/// `rejected` with the status in the message; an answer that breaks the protocol is `malformed`.
Result<WebSocketAgreement> check_websocket_response(const WebSocketOffer& offer, std::string_view key,
                                                    const HttpResponseHead& response);

/// What a server accepts.
struct WebSocketPolicy {
  std::vector<std::string> subprotocols;  ///< understood; the first of the client's that is among them is chosen
  std::optional<DeflateOptions> deflate;  ///< accept permessage-deflate
  HttpHeaders headers;                    ///< added to the answer: Server, …
};

/// A server's answer. `response` is the whole text to send; if it is not accepted, the connection is closed after it.
struct WebSocketAnswer {
  int status = 101;  ///< 101, 400 or 426
  std::string response;
  std::string problem;  ///< why not, for the log; empty if accepted
  WebSocketAgreement agreement;

  [[nodiscard]] bool is_accepted() const { return status == 101; }
};

/// True if the request asks for an upgrade to WebSocket at all; otherwise it is a plain HTTP request.
bool is_websocket_request(const HttpRequestHead& request);

/// Server: checks the client's request (RFC 6455, section 4.2) and makes the answer. Which targets exist is the
/// caller's affair.
WebSocketAnswer answer_websocket_request(const HttpRequestHead& request, const WebSocketPolicy& policy);

}  // namespace marketprism::wire
