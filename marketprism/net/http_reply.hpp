#pragma once
#include <string>
#include <string_view>

#include "marketprism/net/http_server.hpp"

namespace marketprism::net {

/// What goes into a reply besides what its handler said.
struct HttpReplyContext {
  bool keeps_alive = true;
  bool is_head = false;          ///< the request was HEAD: length, but no body
  std::string_view server_name;  ///< header Server; empty: none
};

/// Appends the head of a reply, with Content-Length of its body. A handler's header that cannot be sent makes it a 500.
void append_reply_head(std::string& out, HttpReply& reply, const HttpReplyContext& context);

/// "Not Found".
std::string_view reason_of(int status);

/// {"error":"…"} with that status; the text must need no escaping in JSON but quotes and backslashes.
HttpReply make_error_reply(int status, std::string_view text);

}  // namespace marketprism::net
