#pragma once
#include "marketprism/base/error.hpp"
#include "marketprism/net/http_message.hpp"
#include "marketprism/wire/url.hpp"

namespace marketprism::net {

/// Whether the response sends its request elsewhere: 301, 302, 303, 307 or 308 with a Location (RFC 9110, section
/// 15.4). If so `url` becomes the new place and `request` what is to be sent there: GET without a body after 303, and
/// for a POST after 301 and 302; to another origin without Authorization, Cookie, Proxy-Authorization and Host. Errors:
/// `malformed` for a Location that is none, `unsupported` for schemes but http and https and for a way back from https
/// to http. Sans-I/O.
Result<bool> take_redirect(const HttpHead& response, wire::Url& url, HttpRequest& request);

}  // namespace marketprism::net
